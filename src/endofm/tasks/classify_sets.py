"""The labelled videos of a run: found once, written down, the same in every later evaluation."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from endofm.data.labelled import LabelledSet
from endofm.data.manifests import Video
from endofm.errors import RunError
from endofm.runfolder import write_json


def write_set(path: Path, labelled: LabelledSet) -> None:
    """Write a labelled set as JSON, in one step."""
    splits = {
        name: [{**asdict(video), "path": str(video.path.absolute())} for video in videos]
        for name, videos in labelled.splits.items()
    }
    write_json(path, {**asdict(labelled), "splits": splits})


def read_set(path: Path) -> LabelledSet:
    """Read what ``write_set`` wrote.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        splits = {
            name: tuple(Video(**{**row, "path": Path(row["path"])}) for row in rows)
            for name, rows in stored["splits"].items()
        }
        return LabelledSet(
            classes=tuple(stored["classes"]),
            splits=splits,
            multi_label=stored["multi_label"],
            notes=tuple(stored["notes"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: missing or damaged ({error})", "train again") from None
