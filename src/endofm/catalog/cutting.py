"""Cutting a run of frames into clips, without knowing how many will come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Frame = TypeVar("Frame")


@dataclass(frozen=True)
class Cut(Generic[Frame]):
    """Frames that follow each other."""

    start: int
    """Tick of the first, counted from the beginning of the video."""
    frames: Iterable[Frame]


def cut_clips(
    frames: Iterable[Frame | None],
    *,
    clip_frames: int,
    joins: Callable[[Frame, Frame], bool] = lambda _before, _after: True,
) -> Iterator[Cut[Frame]]:
    """Clips of ``clip_frames``, the last of each run with what remains (METHOD: 150 to 299).

    None stands for a frame that is left out: no clip reaches across it, as it would jump in time.
    At most twice ``clip_frames`` are held at once. A run shorter than a clip is one.

    Args:
        frames: One a tick.
        clip_frames: Frames of a clip.
        joins: Whether a frame may follow another in a clip.
    """
    run: list[Frame] = []
    start = 0
    for tick, frame in enumerate(frames):
        if run and (frame is None or not joins(run[-1], frame)):
            yield Cut(start, tuple(run))
            run = []
        if frame is None:
            continue
        start = start if run else tick
        run.append(frame)
        if len(run) == 2 * clip_frames:
            yield Cut(start, tuple(run[:clip_frames]))
            run = run[clip_frames:]
            start += clip_frames
    if run:
        yield Cut(start, tuple(run))
