"""From the files of a prepared data set to plain records."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from endofm.data.clip_list import Video, read_clip_list
from endofm.data.frame_quality import ClipQuality
from endofm.errors import DataError

CLIPS, QUALITY, PREPARED, PAGE = "clips.csv", "quality.csv", "PREPARED.json", "dataset.html"
"""What a prepared data set's folder holds; the third may be missing, the last is the page."""
AGAIN = "prepare the data set again"


@dataclass(frozen=True)
class ShownClip:
    """A clip of the list with its quality; ``None`` where nothing was measured."""

    name: str
    """Its path in the folder, as text that can be printed."""
    video: Video
    quality: ClipQuality | None

    @property
    def duration_s(self) -> float:
        """Seconds that the list is about."""
        start_s, end_s = self.video.part_s
        return end_s - start_s


@dataclass(frozen=True)
class Dataset:
    """A prepared data set."""

    folder: Path
    clips: tuple[ShownClip, ...]  # in the order of the list
    facts: Mapping[str, Any]
    """What the preparation says of it; empty if it says nothing."""


def read_dataset(folder: Path) -> Dataset:
    """Read a prepared data set's folder.

    Raises:
        DataError: There is no clip list, or one of the files is damaged.
    """
    if not (folder / CLIPS).is_file():
        raise DataError(f"{folder} holds no {CLIPS}", "name the folder of a prepared data set")
    videos = read_clip_list(folder / CLIPS)
    if not videos:
        raise DataError(f"{folder / CLIPS} lists no clip", AGAIN)
    quality_of = _read_quality(folder / QUALITY)
    clips = []
    for video in videos:
        path = video.path.relative_to(folder).as_posix()
        clips.append(ShownClip(printable(path), video, quality_of.get(path)))
    return Dataset(folder, tuple(clips), _read_facts(folder / PREPARED))


def printable(text: str) -> str:
    """Text for a page: bytes of a file's name that are no UTF-8 become marks."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _read_quality(path: Path) -> dict[str, ClipQuality]:
    """The quality of each clip by its path."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            return {
                row["path"]: _quality(row, f"{path} row {number}")
                for number, row in enumerate(rows, start=2)
            }
    except KeyError:
        raise DataError(f"{path}: has no column path", AGAIN) from None
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table of quality ({error})", AGAIN) from None


def _quality(row: Mapping[str, str | None], where: str) -> ClipQuality:
    values = {}
    for field in fields(ClipQuality):
        try:
            values[field.name] = float(row.get(field.name) or "")
        except ValueError:
            values[field.name] = math.nan
        if not math.isfinite(values[field.name]):
            raise DataError(f"{where}: {field.name} is {row.get(field.name)!r}", AGAIN)
    return ClipQuality(**values)


def _read_facts(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: damaged ({error})", AGAIN) from None
    if not isinstance(facts, dict):
        raise DataError(f"{path}: holds no facts but {type(facts).__name__}", AGAIN)
    return facts
