"""Which frames of a video help with one of them."""

from __future__ import annotations

import math

from endofm.data.rng import Rng


def reference_places(
    place: int, *, num_frames: int, num: int, reach_frames: int, online: bool
) -> list[int]:
    """References by a fixed rule, so that the same frame always gets the same ones.

    They are spread evenly over the reach, the farthest at its end: for three in nine frames, the
    frames 3, 6 and 9 away. Offline, half of them lie before the frame, of an odd number the one
    more, and half after; online all before. Where the video ends, its last frame stands in.

    Args:
        place: Of the frame, from 0.
        num_frames: Of the video.
        num: References.
        reach_frames: How far they may be.
        online: Take them from the past alone.

    Returns:
        Places in the video, the farthest past first.
    """
    before = num if online else math.ceil(num / 2)
    past = [-distance for distance in _spread(before, reach_frames)][::-1]
    future = _spread(num - before, reach_frames)
    return [min(max(place + shift, 0), num_frames - 1) for shift in (*past, *future)]


def drawn_references(place: int, *, num_frames: int, reach_frames: int, rng: Rng) -> list[int]:
    """One of the frames before and one of those after, as STFT trains (Wu et al., 2021).

    Where there are none on a side, the frame itself stands in.
    """
    first = max(place - reach_frames, 0)
    last = min(place + reach_frames, num_frames - 1)
    before = rng.integers(first, place) if first < place else place
    after = rng.integers(place + 1, last + 1) if place < last else place
    return [before, after]


def _spread(num: int, reach: int) -> list[int]:
    """Distances, the shortest first."""
    return [math.ceil(reach * k / num) for k in range(1, num + 1)]
