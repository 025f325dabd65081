"""Leaving out of a training what is listed as seen elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from endofm.data.clip_list import Video
from endofm.errors import DataError


def read_excluded(path: Path) -> set[Path]:
    """The videos of an exclusion list, resolved; its ``path`` column is relative to the list.

    Raises:
        DataError: It cannot be read, or has no such column.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            has_path = "path" in (reader.fieldnames or ())
            rows = list(reader)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read as an exclusion list ({error.strerror})", "check the spelling"
        ) from None
    except csv.Error as error:
        raise DataError(
            f"{path}: is no exclusion list ({error})", "write it with: endofm data audit"
        ) from None
    names = [row.get("path") for row in rows]
    if not has_path or not all(names):
        raise DataError(
            f"{path}: has no column 'path', or a row without one",
            "write it with: endofm data audit",
        )
    try:
        return {(path.parent / str(name)).resolve() for name in names}
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null character
        raise DataError(
            f"{path}: names what can be no file ({error})", "write it with: endofm data audit"
        ) from None


def without_excluded(
    videos: Sequence[Video], lists: Sequence[Path]
) -> tuple[tuple[Video, ...], int]:
    """The videos that no list names, and how many were left out.

    Raises:
        DataError: A list cannot be read, names no video that is there, though it names some, or
            nothing remains.
    """
    there = {video.path.resolve() for video in videos}
    excluded: set[Path] = set()
    for path in lists:
        listed = read_excluded(path)
        if listed and not listed & there:
            raise DataError(
                f"{path}: names none of the videos to train on",
                "was it written for another set, or moved? its paths start from its folder",
            )
        excluded |= listed
    left = tuple(video for video in videos if video.path.resolve() not in excluded)
    if not left:
        raise DataError(f"{lists[0]}: excludes all videos", "train on another set")
    return left, len(videos) - len(left)
