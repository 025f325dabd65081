"""Lists of overlapping videos: all of them, and those to leave out of a training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from endofm.catalog.audit import AuditedVideo, Overlap
from endofm.files import write_table

OVERLAPS = "overlaps.csv"
EXCLUDE = "exclude.csv"
_COLUMNS = ("set", "path", "split", "group")


def write_overlaps(folder: Path, overlaps: Sequence[Overlap]) -> None:
    """Write ``overlaps.csv`` and ``exclude.csv``.

    To be left out are the videos of the first set of each pair, and within a set those of
    ``train``: the others are there to be tested on.
    """
    rows = []
    excluded: dict[Path, tuple[str, ...]] = {}
    for one in overlaps:
        pair = (*_cells(one.first), *_cells(one.second))
        rows.append((*pair, one.by, one.num_frames, round(one.offset_s, 2), one.bits))
        out, other = _ordered(one)
        why = f"{other.root.name}/{other.path.name}", one.by
        excluded.setdefault(out.path, (_from(folder, out.path), out.source.group, *why))
    others = [f"other_{name}" for name in _COLUMNS]
    header = (*_COLUMNS, *others, "by", "num_frames", "offset_s", "bits")
    write_table(folder / OVERLAPS, [header, *rows])
    write_table(folder / EXCLUDE, [("path", "group", "like", "by"), *excluded.values()])


def _ordered(one: Overlap) -> tuple[AuditedVideo, AuditedVideo]:
    is_split = one.first.root == one.second.root
    if is_split and one.second.source.split == "train":
        return one.second, one.first
    return one.first, one.second


def _from(folder: Path, path: Path) -> str:
    """A path as the list in ``folder`` has it, so that both can be moved together."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _cells(video: AuditedVideo) -> tuple[str, str, str, str]:
    return str(video.root), str(video.path), video.source.split, video.source.group
