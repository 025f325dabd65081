"""Which videos show the same, from the hashes of their frames.

Axes: N and M frames of many videos, each with its video and its time.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endofm.data.perceptual_hash import distances

MOST_BITS = 64
"""Frames that differ in more of 256 bits are not the same."""
_MOST_BITS_LOW = 16
"""Of the 64 lowest frequencies, which are compared first."""
_MIN_FRAMES = 3
_MIN_SHARE = 0.4
"""Of the shorter video's frames that must be found, in order, in the other."""
_TOLERANCE_S = 0.5
_EVERY = 4
"""Of the first video's frames one in so many decides which videos to compare in full."""
_LEAST = 8
"""But so many of them at least, if it has them."""
_ROWS_AT_ONCE = 32
"""Such that what is in work stays in cache."""


@dataclass(frozen=True)
class Hashes:
    """Frames of a set."""

    words: NDArray[np.uint64]
    """(N, 4)."""
    videos: NDArray[np.int64]
    """(N,): which video each is of, in ascending order."""
    times_s: NDArray[np.float64]
    """(N,)."""


@dataclass(frozen=True)
class Match:
    """Two videos of which a part is the same."""

    first: int
    second: int
    num_frames: int
    """Of the first that were found in the second."""
    offset_s: float
    """What to add to a time in the first to get it in the second."""
    bits: float
    """Median distance of the frames found."""
    times_s: tuple[float, ...]
    """When they are in the first."""


def matching_videos(
    first: Hashes,
    second: Hashes,
    *,
    differ: Callable[[int, int], bool] = lambda _first, _second: True,
    num_threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> list[Match]:
    """Pairs of videos with enough frames alike, at one distance in time.

    Args:
        first: Frames of one set.
        second: Of the other.
        differ: Whether two videos are to be compared at all.
        num_threads: Threads that compare.
        progress: Called with (frames compared, altogether).
    """
    lengths = [np.bincount(one.videos, minlength=1) for one in (first, second)]
    ends = [np.cumsum(one) for one in lengths]
    place = np.arange(len(first.videos)) - (ends[0] - lengths[0])[first.videos]
    every = np.clip(lengths[0] // _LEAST, 1, _EVERY)
    chosen = place % every[first.videos] == 0
    few, video_of_few = first.words[chosen], first.videos[chosen]
    starts = range(0, len(few), _ROWS_AT_ONCE)
    pairs: set[tuple[int, int]] = set()
    with ThreadPoolExecutor(max(num_threads, 1)) as pool:
        for done, found in enumerate(
            pool.map(lambda start: _near(few, second.words, start), starts), start=1
        ):
            videos = zip(video_of_few[found[0]], second.videos[found[1]], strict=True)
            pairs |= {(int(a), int(b)) for a, b in videos}
            if progress:
                progress(min(done * _ROWS_AT_ONCE, len(few)), len(few))
    matches = []
    for a, b in sorted(pairs):
        if differ(a, b):
            slices = [
                slice(end[n] - num[n], end[n])
                for end, num, n in zip(ends, lengths, (a, b), strict=True)
            ]
            if match := _aligned(a, b, _part(first, slices[0]), _part(second, slices[1])):
                matches.append(match)
    return matches


def _part(hashes: Hashes, which: slice) -> Hashes:
    return Hashes(hashes.words[which], hashes.videos[which], hashes.times_s[which])


def _near(
    first: NDArray[np.uint64], second: NDArray[np.uint64], start: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of frames that are alike, (P,) each, from some rows of the first."""
    block = first[start : start + _ROWS_AT_ONCE]
    low = np.bitwise_count(block[:, :1] ^ second[:, 0]) <= _MOST_BITS_LOW  # (rows, M)
    rows, columns = np.nonzero(low)
    near = distances(block[rows], second[columns]) <= MOST_BITS
    return rows[near] + start, columns[near]


def _aligned(a: int, b: int, first: Hashes, second: Hashes) -> Match | None:
    """The offset in time at which most frames of two videos meet; None if they are too few."""
    bits = distances(first.words[:, None], second.words)  # (N, M)
    rows, columns = np.nonzero(bits <= MOST_BITS)
    offsets_s = second.times_s[columns] - first.times_s[rows]
    order = np.argsort(offsets_s, kind="stable")
    stops = np.searchsorted(offsets_s[order], offsets_s[order] + _TOLERANCE_S, side="right")
    most, best = 0, order[:0]
    for start, stop in enumerate(stops):
        inside = order[start:stop]
        if len(inside) > most:
            # A still scene is like itself at many times: each frame counts once on either side.
            num = min(len(np.unique(rows[inside])), len(np.unique(columns[inside])))
            if num > most:
                most, best = num, inside
    if most < max(_MIN_FRAMES, _MIN_SHARE * min(len(first.words), len(second.words))):
        return None
    return Match(
        a,
        b,
        most,
        float(np.median(offsets_s[best])),
        float(np.median(bits[rows[best], columns[best]])),
        tuple(first.times_s[np.unique(rows[best])].tolist()),
    )
