"""Clips that slide over a video: a frame is read once, however many of them share it.

Axes: T frames of a window, H and W pixels.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray


def window_starts(num_frames: int, *, span_frames: int, stride_frames: int) -> list[int]:
    """First frames of windows that cover a video, the last of which ends with it.

    Args:
        num_frames: Frames in the video, at least 1; one shorter than a window has a single one.
        span_frames: Length of a window.
        stride_frames: From one window's start to the next, except the last's, at least 1.
    """
    room = max(num_frames - span_frames, 0)
    return [*range(0, room, stride_frames), room]


def sliding_clips(
    read: Callable[[int], NDArray[np.uint8]], windows: Sequence[NDArray[np.int64]]
) -> Iterator[NDArray[np.uint8]]:
    """The frames of each window, in order; no frame is kept longer than a window needs it.

    Args:
        read: From a frame's number to the frame, (H, W, 3) uint8; asked in rising order, once
            for each frame.
        windows: Rising frame numbers (T,) of each window; no window begins or ends before the
            one in front of it.

    Yields:
        (T, H, W, 3) uint8.
    """
    waiting = deque(windows)
    kept: dict[int, NDArray[np.uint8]] = {}
    for index in np.unique(np.concatenate(windows)).tolist():
        kept[index] = read(index).copy()  # a crop would hold on to the whole frame
        while waiting and waiting[0][-1] <= index:
            yield np.stack([kept[number] for number in waiting.popleft().tolist()])
            first_needed = waiting[0][0] if waiting else index
            kept = {number: frame for number, frame in kept.items() if number >= first_needed}


def batches(clips: Iterable[NDArray[np.uint8]], batch_size: int) -> Iterator[NDArray[np.uint8]]:
    """Clips of one shape stacked, ``batch_size`` at a time; the last batch takes the rest."""
    remaining = iter(clips)
    while batch := list(islice(remaining, batch_size)):
        yield np.stack(batch)  # (B, T, H, W, 3)
