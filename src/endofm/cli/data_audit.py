"""``endofm data audit``: videos that data sets, or splits of one, have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field, NonNegativeInt
from rich import box
from rich.console import Console
from rich.table import Table

from endofm.catalog.audit import AuditedVideo, Overlap, check_root, find_overlaps, hash_set
from endofm.catalog.exclusion import EXCLUDE, OVERLAPS, write_overlaps
from endofm.catalog.fingerprints import pictures_at
from endofm.cli.arguments import parse
from endofm.config import Settings
from endofm.progress import ProgressBar
from endofm.report.audit import Pair, Side, write_audit_page

PAGE = "audit.html"
MAX_SHOWN = 20
NEAR_SPEED = 0.05
OVERLAPS_FOUND = 1


class Arguments(Settings):
    """Find videos that are in several sets or splits, by picture and by name; status 1 if any."""

    roots: Annotated[tuple[Path, ...], tyro.conf.Positional] = Field(..., min_length=1)
    """The sets, prepared or as downloaded: the one to train on first, then those to test on."""
    out: Path = Path("audit")
    """Folder of the page and the lists, and of hashes that make the next audit quick."""
    num_workers: NonNegativeInt = os.cpu_count() or 1
    """Processes that hash."""


def main(words: list[str]) -> int:
    """Run the command; 1 if something overlaps."""
    arguments = parse(Arguments, words, prog="endofm data audit")
    for root in arguments.roots:  # before hours are spent on the others
        check_root(root)
    sets = [_hashed(root, arguments) for root in arguments.roots]
    with ProgressBar("comparing", total=1, unit="pairs of sets") as bar:
        overlaps = find_overlaps(sets, num_threads=os.cpu_count() or 1, progress=bar.set)
    num_excluded = write_overlaps(arguments.out, overlaps, sets)
    not_compared = [line for videos in sets for line in map(_not_compared, videos) if line]
    with ProgressBar("drawing", total=0, unit="pairs") as bar:
        page = write_audit_page(
            arguments.out / PAGE,
            sets=[(str(videos[0].root), len(videos)) for videos in sets],
            pairs=_to_judge(overlaps),
            num_excluded=num_excluded,
            not_compared=not_compared,
            progress=bar.set,
        )
    for line in not_compared:
        print(line)
    _tell(overlaps)
    num_videos = sum(map(len, sets))
    if not overlaps:
        print(f"{num_videos:,} videos: nothing overlaps; see {page}")
        return 0
    num_pairs = "1 pair overlaps" if len(overlaps) == 1 else f"{len(overlaps):,} pairs overlap"
    print(
        f"{num_videos:,} videos: {num_pairs}; look at {page}, listed in "
        f"{arguments.out / OVERLAPS}\nto train without {num_excluded:,} of them, whole groups: "
        f"endofm pretrain --exclude {arguments.out / EXCLUDE}"
    )
    return OVERLAPS_FOUND


def _hashed(root: Path, arguments: Arguments) -> list[AuditedVideo]:
    with ProgressBar(f"hashing {root.name}", total=1, unit="videos") as bar:
        return hash_set(
            root,
            cache=arguments.out / "hashes",
            num_workers=arguments.num_workers,
            progress=bar.set,
        )


def _not_compared(video: AuditedVideo) -> str:
    """Why a video was not; nothing if it was."""
    if video.fingerprint.problem:
        return f"not read: {video.fingerprint.problem}"
    if not len(video.fingerprint.words):
        return f"not compared: {video.path} shows nothing that could be known again"
    return ""


def _to_judge(overlaps: Sequence[Overlap]) -> list[Pair]:
    """The pairs of which frames are alike, the least alike first, then those of alike names."""
    ordered = sorted(overlaps, key=lambda one: (one.by == "id", -one.bits))
    return [_pair(one) for one in ordered]


def _pair(one: Overlap) -> Pair:
    second_s = [max(one.speed * time_s + one.offset_s, 0.0) for time_s in one.times_s]
    times_s = [list(one.times_s), second_s]
    if one.by == "id":
        times_s = [video.fingerprint.times_s.tolist() for video in (one.first, one.second)]
    sides = [
        Side(
            set_name=video.root.resolve().name,
            name=video.source.name,
            split=video.source.split,
            group=video.source.group,
            times_s=times,
            read=partial(pictures_at, video.source),
        )
        for video, times in zip((one.first, one.second), times_s, strict=True)
    ]
    return Pair(sides[0], sides[1], _by(one))


def _by(one: Overlap) -> str:
    if one.by == "id":
        return "name"
    speed = f" at {one.speed:.2g} times the speed" if abs(one.speed - 1) > NEAR_SPEED else ""
    return f"{one.num_frames} frames{speed}, {one.bits:.0f} of 256 bits"


def _tell(overlaps: list[Overlap]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("video", "split", "overlaps", "split", "by"):
        table.add_column(column, overflow="fold")
    for one in overlaps[:MAX_SHOWN]:
        first, second = one.first, one.second
        table.add_row(
            first.full_name, first.source.split, second.full_name, second.source.split, _by(one)
        )
    if overlaps:
        Console(highlight=False).print(table)
    if len(overlaps) > MAX_SHOWN:
        print(f"and {len(overlaps) - MAX_SHOWN} more")
