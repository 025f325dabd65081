"""The sequences of a run: found once, written down, the same in every later evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from endofm.data.boxed import BoxedFrame, BoxedSequence, BoxedSet, Skipped
from endofm.errors import RunError
from endofm.runfolder import write_json


def write_set(path: Path, boxed: BoxedSet) -> None:
    """Write a set of sequences as JSON, in one step."""
    splits = {
        split: [
            {
                "name": sequence.name,
                "group": sequence.group,
                "fps": sequence.fps,
                "frames": [_frame(frame) for frame in sequence.frames],
            }
            for sequence in sequences
        ]
        for split, sequences in boxed.splits.items()
    }
    write_json(
        path,
        {
            "classes": list(boxed.classes),
            "splits": splits,
            "notes": list(boxed.notes),
            "skipped": [[one.what, one.reason] for one in boxed.skipped],
        },
    )


def read_set(path: Path) -> BoxedSet:
    """Read what ``write_set`` wrote.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        splits = {
            split: tuple(
                BoxedSequence(
                    name=str(row["name"]),
                    frames=tuple(_read_frame(frame) for frame in row["frames"]),
                    group=str(row["group"]),
                    fps=None if row["fps"] is None else float(row["fps"]),
                )
                for row in rows
            )
            for split, rows in stored["splits"].items()
        }
        return BoxedSet(
            tuple(map(str, stored["classes"])),
            splits,
            tuple(map(str, stored["notes"])),
            tuple(Skipped(str(what), str(reason)) for what, reason in stored["skipped"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: missing or damaged ({error})", "train again") from None


def _frame(frame: BoxedFrame) -> dict[str, Any]:
    return {
        "path": str(frame.path.absolute()),
        "index": frame.index,
        "boxes_xyxy": [list(box) for box in frame.boxes_xyxy],
        "labels": list(frame.labels),
        "lesions": list(frame.lesions),
    }


def _read_frame(row: dict[str, Any]) -> BoxedFrame:
    boxes = []
    for box in row["boxes_xyxy"]:
        x1, y1, x2, y2 = map(float, box)
        boxes.append((x1, y1, x2, y2))
    return BoxedFrame(
        path=Path(row["path"]),
        index=None if row["index"] is None else int(row["index"]),
        boxes_xyxy=tuple(boxes),
        labels=tuple(map(int, row["labels"])),
        lesions=tuple(map(str, row["lesions"])),
    )
