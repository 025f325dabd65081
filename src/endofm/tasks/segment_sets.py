"""The sequences of a run: found once, written down, the same in every later evaluation."""

from __future__ import annotations

import json
from pathlib import Path

from endofm.data.segmented import FrameSequence, SegmentedSet
from endofm.errors import RunError
from endofm.runfolder import write_json


def write_set(path: Path, segmented: SegmentedSet) -> None:
    """Write a set of sequences as JSON, in one step."""
    splits = {
        split: [
            {
                "name": sequence.name,
                "group": sequence.group,
                "frames": [str(frame.absolute()) for frame in sequence.frames],
                "masks": [str(mask.absolute()) for mask in sequence.masks],
            }
            for sequence in sequences
        ]
        for split, sequences in segmented.splits.items()
    }
    write_json(path, {"splits": splits, "notes": list(segmented.notes)})


def read_set(path: Path) -> SegmentedSet:
    """Read what ``write_set`` wrote.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        splits = {
            split: tuple(
                FrameSequence(
                    name=str(row["name"]),
                    group=str(row["group"]),
                    frames=tuple(map(Path, row["frames"])),
                    masks=tuple(map(Path, row["masks"])),
                )
                for row in rows
            )
            for split, rows in stored["splits"].items()
        }
        return SegmentedSet(splits, tuple(map(str, stored["notes"])))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: missing or damaged ({error})", "train again") from None
