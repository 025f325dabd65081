"""Lists of overlapping videos: all of them, and those to leave out of a training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from endofm.catalog.audit import AuditedVideo, Overlap
from endofm.files import write_table

OVERLAPS = "overlaps.csv"
EXCLUDE = "exclude.csv"
_COLUMNS = ("set", "name", "path", "split", "group")


def write_overlaps(
    folder: Path, overlaps: Sequence[Overlap], sets: Sequence[Sequence[AuditedVideo]]
) -> int:
    """Write ``overlaps.csv`` and ``exclude.csv``.

    To be left out are the videos of the first set of each pair, and within a set those of
    ``train``: the others are there to be tested on. With a video goes all of its group, as the
    other videos of a patient tell of the test as well.

    Args:
        folder: To write to.
        overlaps: What was found.
        sets: The videos that were compared.

    Returns:
        How many videos are to be left out.
    """
    rows = []
    excluded: dict[Path, tuple[str, ...]] = {}
    of_group = _by_group(sets)
    for one in overlaps:
        pair = (*_cells(one.first), *_cells(one.second))
        rows.append(
            (*pair, one.by, one.num_frames, f"{one.speed:.3g}", f"{one.offset_s:.2f}", one.bits)
        )
        out, other = _ordered(one)
        why = other.full_name, one.by
        excluded.setdefault(out.path, (_from(folder, out.path), out.source.group, *why))
    for one in overlaps:
        out, _ = _ordered(one)
        for video in of_group.get((out.root, out.source.group), ()):
            why = out.full_name, "group"
            excluded.setdefault(video.path, (_from(folder, video.path), video.source.group, *why))
    others = [f"other_{name}" for name in _COLUMNS]
    header = (*_COLUMNS, *others, "by", "num_frames", "speed", "offset_s", "bits")
    write_table(folder / OVERLAPS, [header, *rows])
    write_table(folder / EXCLUDE, [("path", "group", "like", "by"), *excluded.values()])
    return len(excluded)


def _by_group(
    sets: Sequence[Sequence[AuditedVideo]],
) -> dict[tuple[Path, str], list[AuditedVideo]]:
    found: dict[tuple[Path, str], list[AuditedVideo]] = {}
    for videos in sets:
        for video in videos:
            if video.source.group:
                found.setdefault((video.root, video.source.group), []).append(video)
    return found


def _ordered(one: Overlap) -> tuple[AuditedVideo, AuditedVideo]:
    is_split = one.first.root == one.second.root
    if is_split and one.second.source.split == "train":
        return one.second, one.first
    return one.first, one.second


def _from(folder: Path, path: Path) -> str:
    """A path as the list in ``folder`` has it, so that both can be moved together."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _cells(video: AuditedVideo) -> tuple[str, ...]:
    source = video.source
    return str(video.root), source.name, str(video.path), source.split, source.group
