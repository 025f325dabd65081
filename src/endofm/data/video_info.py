"""What a video is, however it is stored: the size, number and times of its frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endofm.errors import VideoError

MAX_SIDE_PX = 16384
"""Longest side of a frame: who claims more is damaged or out to fill the memory."""

SLOW = 4
"""A video of the wanted rate over this, or less, is played at its own."""

# Matroska rounds times to milliseconds, so that a frame may start after the tick it is due at.
_TIME_TOLERANCE_S = 1e-3


@dataclass(frozen=True)
class VideoInfo:
    """What a video is, by its frames rather than by what its container says.

    Attributes:
        path: The video file or folder of frames.
        num_frames: Number of frames shown.
        fps: Mean frame rate, num_frames / duration, also where the rate varies.
        height: Rows of a frame as displayed, that is, after rotation.
        width: Columns of a frame as displayed; pixels that are not square stay as they are.
    """

    path: Path
    num_frames: int
    fps: float
    height: int
    width: int

    @property
    def duration_s(self) -> float:
        """Seconds from the start of the first frame to the end of the last."""
        return self.num_frames / self.fps


def shown_frames(
    times_s: NDArray[np.float64], at_s: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.int64]:
    """The frame on screen at each of some times: the last that has started, or else the first.

    Args:
        times_s: Start of each frame, ascending, in seconds, shape (N,).
        at_s: The times asked for, in seconds, shape (M,).

    Returns:
        Numbers from 0 to N-1, int64, shape (M,).
    """
    latest_s = np.asarray(at_s, dtype=np.float64) + _TIME_TOLERANCE_S
    return np.maximum(np.searchsorted(times_s, latest_s, side="right") - 1, 0)


def resampled_indices(
    times_s: NDArray[np.float64], duration_s: float, target_fps: float
) -> NDArray[np.int64]:
    """The source frame shown at each tick of another frame rate.

    Frames are repeated or left out, never blended; tick k is at k / target_fps.

    Args:
        times_s: Start of each source frame, ascending from 0, in seconds, shape (N,).
        duration_s: Duration of the source.
        target_fps: Ticks a second.

    Returns:
        Numbers of source frames, int64, shape (max(1, round(duration_s * target_fps)),).
    """
    num_ticks = max(1, round(duration_s * target_fps))
    return shown_frames(times_s, np.arange(num_ticks) / target_fps)


def playing_fps(source_fps: float, *, wanted_fps: float) -> float:
    """The rate at which to take frames: ``wanted_fps``, or a slow source's own.

    Slow is a quarter of what is wanted, or less: a picture a second shows no motion in 30 copies.
    """
    return wanted_fps if source_fps * SLOW > wanted_fps else source_fps


def check_indices(info: VideoInfo, indices: Sequence[int]) -> None:
    """Raise VideoError if a video does not have all of some frames."""
    for index in indices:
        if not 0 <= index < info.num_frames:
            raise VideoError(
                f"{info.path} has {info.num_frames} frames, so there is no frame {index}",
                hint="count from 0, and make the clip list again if the video has changed",
            )


def check_size(path: Path, *, height: int, width: int) -> None:
    """Raise VideoError if the claimed size of a frame is absurd."""
    if max(height, width) > MAX_SIDE_PX:
        raise VideoError(
            f"{path} claims frames of {width} x {height} px",
            hint=f"the longest side may be {MAX_SIDE_PX} px; leave it out or scale it down",
        )
