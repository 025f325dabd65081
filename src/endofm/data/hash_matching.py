"""Which videos show the same, from the hashes of their frames.

Axes: N and M frames of many videos, each with its video and its time.
"""

from __future__ import annotations

from bisect import bisect_right
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
_MIN_FRAMES_OTHER_SPEED = 5
_MIN_SHARE_OTHER_SPEED = 0.5
"""Likewise where one plays faster: with more freedom chance has more as well."""
_MOST_SPEED = 40.0
"""Pictures of one a second are often played at thirty."""
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
    speed: float
    """Seconds that pass in the second while one passes in the first."""
    offset_s: float
    """A time in the first, times ``speed`` and this added, is the time in the second."""
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
    """Pairs of videos with enough frames alike, at one distance in time or one speed.

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
    """How most frames of two videos meet; None if they are too few."""
    bits = distances(first.words[:, None], second.words)  # (N, M)
    match: Match | None = None
    for find, least, share in (
        (_at_one_offset, _MIN_FRAMES, _MIN_SHARE),
        (_at_one_speed, _MIN_FRAMES_OTHER_SPEED, _MIN_SHARE_OTHER_SPEED),
    ):
        rows, columns, speed = find(bits, first.times_s, second.times_s)
        # A still scene is like itself at many times: each frame counts once on either side.
        num = min(len(np.unique(rows)), len(np.unique(columns)))
        most_so_far = match.num_frames if match else 0
        if num > most_so_far and num >= max(least, share * min(bits.shape)):
            offsets_s = second.times_s[columns] - speed * first.times_s[rows]
            match = Match(
                a,
                b,
                num,
                speed,
                float(np.median(offsets_s)),
                float(np.median(bits[rows, columns])),
                tuple(first.times_s[np.unique(rows)].tolist()),
            )
    return match


_Found = tuple[NDArray[np.int64], NDArray[np.int64], float]
"""Rows and columns of frames that are alike, (P,) each, and the speed."""


def _at_one_offset(
    bits: NDArray[np.int64], first_s: NDArray[np.float64], second_s: NDArray[np.float64]
) -> _Found:
    """The most frames that are alike at one distance in time."""
    rows, columns = np.nonzero(bits <= MOST_BITS)
    offsets_s = second_s[columns] - first_s[rows]
    order = np.argsort(offsets_s, kind="stable")
    stops = np.searchsorted(offsets_s[order], offsets_s[order] + _TOLERANCE_S, side="right")
    most, best = 0, order[:0]
    for start, stop in enumerate(stops):
        inside = order[start:stop]
        if len(inside) > most:
            num = min(len(np.unique(rows[inside])), len(np.unique(columns[inside])))
            if num > most:
                most, best = num, inside
    return rows[best], columns[best], 1.0


def _at_one_speed(
    bits: NDArray[np.int64], first_s: NDArray[np.float64], second_s: NDArray[np.float64]
) -> _Found:
    """Frames that are alike and follow one another at a steady speed, whichever it is.

    Of each frame of the first the nearest of the second counts, of these the most that are in
    order, and of these those near a line.
    """
    nearest = bits.argmin(axis=1) if bits.size else np.empty(0, np.int64)
    rows = np.flatnonzero(bits[np.arange(len(nearest)), nearest] <= MOST_BITS)
    rows = rows[_longest_ascent(nearest[rows])]
    x, y = first_s[rows], second_s[nearest[rows]]
    half = len(rows) // 2
    if half:
        speed = float(np.median((y[half:] - y[:-half]) / (x[half:] - x[:-half])))
        if 1 / _MOST_SPEED <= speed <= _MOST_SPEED:
            offsets_s = y - speed * x
            off = np.abs(offsets_s - np.median(offsets_s))
            rows = rows[off <= _TOLERANCE_S * (1 + speed) / 2]
            return rows, nearest[rows], speed
    return rows[:0], rows[:0], 1.0


def _longest_ascent(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of a longest part of a sequence, (P,), that nowhere falls."""
    ends: list[int] = []  # lowest value that ends an ascent of each length
    place_of_end: list[int] = []
    before = np.full(len(values), -1)
    for place, value in enumerate(values.tolist()):
        length = bisect_right(ends, value)
        ends[length : length + 1] = [value]
        place_of_end[length : length + 1] = [place]
        before[place] = place_of_end[length - 1] if length else -1
    found = []
    place = place_of_end[-1] if place_of_end else -1
    while place >= 0:
        found.append(place)
        place = int(before[place])
    return np.array(found[::-1], np.int64)
