"""Which frames a view takes: pure index arithmetic (the original's recipe, METHOD: views).

All positions are frames of the clip's own timeline, counted from 0.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from endofm.data.rng import Rng

GLOBAL_MARGIN_FRAMES = 5
"""The first global view ends this much before the clip does, the second begins this much later."""

LOCAL_SHARE = 8
"""A local view spans one part in this many of the clip."""


def window_start(num_frames: int, span_frames: int, *, rng: Rng) -> int:
    """First frame of a random window of ``span_frames``; 0 where the clip is no longer than it."""
    return math.ceil(rng.uniform(0, max(num_frames - span_frames, 0)))


def spread_indices(
    first: int, last: int, num_frames: int, *, clip_frames: int
) -> NDArray[np.int64]:
    """Frames evenly over [first, last], both ends included, rounded down and kept in the clip.

    Exact integer arithmetic, so that no rounding error can move a frame.

    Returns:
        (num_frames,) positions in 0 .. clip_frames - 1, with repeats where the span is short.
    """
    steps = np.arange(num_frames, dtype=np.int64) * (last - first) // max(num_frames - 1, 1)
    return np.clip(first + steps, 0, clip_frames - 1)


def view_indices(
    clip_frames: int,
    *,
    global_frames: tuple[int, int],
    local_frames: Sequence[int],
    max_span_frames: int = 256,
    original_short_clips: bool = False,
    rng: Rng,
) -> list[NDArray[np.int64]]:
    """Draw the frames of two global and any number of local views of one clip.

    All views come from one window of at most ``max_span_frames``. Each global view leaves out a
    margin at one end; a local view spans an eighth of the window. A window of fewer than eight
    frames is too short for either rule: there global views span all of it and local views two
    neighbouring frames.

    Args:
        clip_frames: Frames in the clip, at least 1.
        global_frames: Frames in the first and in the second global view.
        local_frames: Frames in each local view.
        max_span_frames: Longest window that the views are drawn from.
        original_short_clips: Apply the margins and the eighth to short clips too, as the original
            does: all frames of a local view are then one and the same.
        rng: Drawn from once for the window, then once for each local view.

    Returns:
        Positions of each view's frames, the global views first.
    """
    start = window_start(clip_frames, max_span_frames, rng=rng)
    window = min(clip_frames, max_span_frames)
    margin, span = GLOBAL_MARGIN_FRAMES, window // LOCAL_SHARE
    if window < LOCAL_SHARE and not original_short_clips:
        margin, span = 0, min(1, window - 1)
    spans = [(0, window - margin), (margin, window)]
    for _ in local_frames:
        first = rng.integers(0, window - span)
        spans.append((first, first + span))
    return [
        start + spread_indices(first, last, num_frames, clip_frames=window)
        for (first, last), num_frames in zip(spans, (*global_frames, *local_frames), strict=True)
    ]


def finetune_indices(
    clip_frames: int,
    *,
    start: int = 0,
    num_frames: int = 8,
    span_frames: int = 256,
    original_repeat_last: bool = False,
) -> NDArray[np.int64]:
    """Frames of one fine-tuning clip: evenly over ``span_frames`` from ``start``.

    Args:
        clip_frames: Frames in the video, at least 1.
        start: First frame, 0 or from ``window_start``.
        num_frames: Frames to take.
        span_frames: Frames to spread them over; a shorter video is covered from start to end.
        original_repeat_last: Keep the full span for a shorter video as the original does, so that
            its last frame is repeated.

    Returns:
        (num_frames,) positions in 0 .. clip_frames - 1.
    """
    last = start + span_frames - 1
    if not original_repeat_last:
        last = min(last, clip_frames - 1)
    return spread_indices(start, last, num_frames, clip_frames=clip_frames)
