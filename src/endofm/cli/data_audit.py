"""``endofm data audit``: videos that data sets, or splits of one, have in common."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field, NonNegativeInt
from rich import box
from rich.console import Console
from rich.table import Table

from endofm.catalog.audit import AuditedVideo, Overlap, find_overlaps, hash_set
from endofm.catalog.exclusion import EXCLUDE, OVERLAPS, write_overlaps
from endofm.cli.arguments import parse
from endofm.config import Settings
from endofm.progress import ProgressBar

MAX_SHOWN = 20
OVERLAPS_FOUND = 1


class Arguments(Settings):
    """Find videos that are in several sets or splits, by picture and by name; status 1 if any."""

    roots: Annotated[tuple[Path, ...], tyro.conf.Positional] = Field(..., min_length=1)
    """The sets, prepared or as downloaded: the one to train on first, then those to test on."""
    out: Path = Path("audit")
    """Folder of the lists, and of hashes that make the next audit quick."""
    num_workers: NonNegativeInt = os.cpu_count() or 1
    """Processes that hash."""


def main(words: list[str]) -> int:
    """Run the command; 1 if something overlaps."""
    arguments = parse(Arguments, words, prog="endofm data audit")
    sets = [_hashed(root, arguments) for root in arguments.roots]
    with ProgressBar("comparing", total=1, unit="pairs of sets") as bar:
        overlaps = find_overlaps(sets, num_threads=os.cpu_count() or 1, progress=bar.set)
    write_overlaps(arguments.out, overlaps)
    _tell(overlaps)
    num_videos = sum(map(len, sets))
    where = arguments.out / OVERLAPS
    if not overlaps:
        print(f"{num_videos:,} videos: nothing overlaps; see {where}")
        return 0
    exclude = arguments.out / EXCLUDE
    print(
        f"{num_videos:,} videos: {len(overlaps):,} pairs overlap; see {where}; to train without "
        f"them: endofm pretrain --exclude {exclude}"
    )
    return OVERLAPS_FOUND


def _hashed(root: Path, arguments: Arguments) -> list[AuditedVideo]:
    with ProgressBar(f"hashing {root.name}", total=1, unit="videos") as bar:
        videos = hash_set(
            root,
            cache=arguments.out / "hashes",
            num_workers=arguments.num_workers,
            progress=bar.set,
        )
    for video in videos:
        if video.fingerprint.problem:
            print(f"not read: {video.fingerprint.problem}")
        elif not len(video.fingerprint.words):
            print(f"not compared: {video.path} shows nothing that could be known again")
    return videos


def _tell(overlaps: list[Overlap]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("video", "split", "overlaps", "split", "by"):
        table.add_column(column, overflow="fold")
    for one in overlaps[:MAX_SHOWN]:
        by = "name" if one.by == "id" else f"{one.num_frames} frames, {one.bits:.0f} of 256 bits"
        first, second = one.first, one.second
        table.add_row(
            str(first.path), first.source.split, str(second.path), second.source.split, by
        )
    if overlaps:
        Console(highlight=False).print(table)
    if len(overlaps) > MAX_SHOWN:
        print(f"and {len(overlaps) - MAX_SHOWN} more")
