"""Overlap between data sets, and between the splits of one, by name and by picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path, PurePosixPath

import numpy as np

from endofm.catalog.all_sets import CARDS
from endofm.catalog.card import Source
from endofm.catalog.fingerprints import Fingerprint, fingerprint
from endofm.catalog.own_videos import find_own_videos
from endofm.catalog.workers import in_processes
from endofm.data.hash_matching import Hashes, matching_videos
from endofm.data.manifests import CLIP_LIST
from endofm.data.perceptual_hash import NUM_WORDS
from endofm.errors import DataError

Progress = Callable[[int, int], None]

_TELLING = re.compile(r"(?=.*\d).{8,}")
"""An id of eight characters with a digit among them; ``1``, ``WL`` or ``frame`` mean nothing."""


@dataclass(frozen=True)
class AuditedVideo:
    """A video of one of the sets."""

    root: Path
    """Of its set."""
    source: Source
    fingerprint: Fingerprint

    @property
    def path(self) -> Path:
        """The file, or the folder of its first picture."""
        first = self.source.files[0]
        return first if self.source.is_video_file else first.parent

    @property
    def full_name(self) -> str:
        """Its set and its name there; several sequences may lie in one folder."""
        return f"{self.root.resolve().name}/{self.source.name}"


@dataclass(frozen=True)
class Overlap:
    """Two videos that show the same, or are called the same."""

    first: AuditedVideo
    second: AuditedVideo
    by: str
    """``frames`` or ``id``."""
    num_frames: int = 0
    """Found alike."""
    speed: float = 1.0
    """Seconds that pass in the second while one passes in the first."""
    offset_s: float = 0.0
    """A time in the first, times ``speed`` and this added, is the time in the second."""
    bits: float = 0.0
    """Median distance of the frames found alike, of 256."""
    times_s: tuple[float, ...] = ()
    """When they are in the first."""


def check_root(root: Path) -> None:
    """Raise ``DataError`` where there is no folder."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", "check the spelling")


def read_set(root: Path) -> tuple[Source, ...]:
    """The videos of a folder: prepared, of a public set in its own layout, or any others.

    Raises:
        DataError: It is missing, holds no video, or a list in it is wrong.
    """
    check_root(root)
    if not (root / CLIP_LIST).is_file():
        for card in CARDS.values():
            if card.name != "own" and (found := card.find(root).sources):
                return found
    sources = find_own_videos(root).sources
    if not sources:
        raise DataError(f"{root}: holds no video and no folder of frames", "name another folder")
    return sources


def hash_set(
    root: Path, *, cache: Path, num_workers: int, progress: Progress | None = None
) -> list[AuditedVideo]:
    """Read a set and hash its videos; those that cannot be read have a problem and no hashes."""
    sources = read_set(root)
    work = partial(fingerprint, cache=cache)
    videos: list[AuditedVideo] = []
    workers = num_workers if len(sources) > 1 else 0
    for found in in_processes(work, sources, num_workers=workers):
        videos.append(AuditedVideo(root, sources[len(videos)], found))
        if progress:
            progress(len(videos), len(sources))
    return videos


def find_overlaps(
    sets: Sequence[Sequence[AuditedVideo]],
    *,
    num_threads: int = 2,
    progress: Progress | None = None,
) -> list[Overlap]:
    """Videos of two sets, or of two splits of one set, that are the same in part.

    Within a set videos of one group may be alike, and so may videos of one split.

    Raises:
        DataError: There is one set only, and it has no splits.
    """
    if len(sets) == 1 and len({video.source.split for video in sets[0]}) < 2:
        raise DataError(
            f"{sets[0][0].root}: has no splits, so there is nothing to compare it with",
            "name a second set",
        )
    found: list[Overlap] = []
    pairs = list(combinations_with_replacement(range(len(sets)), 2))
    for done, (one, other) in enumerate(pairs, start=1):
        found += _between(sets[one], sets[other], is_same=one == other, num_threads=num_threads)
        if progress:
            progress(done, len(pairs))
    return found


def _between(
    first: Sequence[AuditedVideo],
    second: Sequence[AuditedVideo],
    *,
    is_same: bool,
    num_threads: int,
) -> Iterator[Overlap]:
    if is_same and len({video.source.split for video in first}) < 2:
        return

    def differ(a: int, b: int) -> bool:
        one, other = first[a].source, second[b].source
        return not is_same or (a < b and one.group != other.group and one.split != other.split)

    matches = matching_videos(
        _hashes(first), _hashes(second), differ=differ, num_threads=num_threads
    )
    for match in matches:
        yield Overlap(
            first[match.first],
            second[match.second],
            "frames",
            match.num_frames,
            match.speed,
            match.offset_s,
            match.bits,
            match.times_s,
        )
    if not is_same:
        matched = {(match.first, match.second) for match in matches}
        for a, b in _called_alike(first, second):
            if (a, b) not in matched:
                yield Overlap(first[a], second[b], "id")


def _called_alike(
    first: Sequence[AuditedVideo], second: Sequence[AuditedVideo]
) -> Iterator[tuple[int, int]]:
    by_id: dict[str, list[int]] = {}
    for b, video in enumerate(second):
        for name in _ids(video):
            by_id.setdefault(name, []).append(b)
    for a, video in enumerate(first):
        for b in sorted({b for name in _ids(video) for b in by_id.get(name, ())}):
            yield a, b


def _ids(video: AuditedVideo) -> set[str]:
    """What may name the video in any set: its file, its group, and the folders of its name."""
    names = [video.path.stem, *PurePosixPath(video.source.group).parts]
    names += PurePosixPath(video.source.name).parts
    return {name.casefold() for name in names if _TELLING.fullmatch(name)}


def _hashes(videos: Sequence[AuditedVideo]) -> Hashes:
    prints = [video.fingerprint for video in videos]
    empty = np.empty((0, NUM_WORDS), np.uint64)
    return Hashes(
        np.concatenate([empty, *(one.words for one in prints)]),
        np.repeat(np.arange(len(prints)), [len(one.words) for one in prints]),
        np.concatenate([np.empty(0), *(one.times_s for one in prints)]),
    )
