"""The views of one clip: which frames, which part of them, which colours."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from endofm.config import Settings, Share
from endofm.data.colour import ColourDraw, draw_colour
from endofm.data.rng import Rng
from endofm.data.sampling import view_indices
from endofm.data.transforms import Box, crop_and_resize, random_resized_crop_box


class ViewSettings(Settings):
    """How views are drawn; the defaults are the released recipe without its defects."""

    global_frames: tuple[PositiveInt, PositiveInt] = (8, 16)
    """Frames of the two global views, which the teacher sees."""
    local_frames: tuple[PositiveInt, ...] = (2, 2, 4, 4, 8, 8, 16, 16)
    """Frames of each local view, which only the student sees."""
    global_size_px: PositiveInt = 224
    """Height and width of a global view."""
    local_size_px: PositiveInt = 96
    """Height and width of a local view."""
    global_area: tuple[Share, Share] = (0.4, 1.0)
    """Smallest and largest share of a frame's area that a global view shows."""
    local_area: tuple[Share, Share] = (0.05, 0.4)
    """Smallest and largest share of a frame's area that a local view shows."""
    max_span_frames: PositiveInt = 256
    """Longest part of a clip that its views are drawn from."""
    flip_probability: Share = 0.5
    """Chance of mirroring a view left and right."""
    jitter_probability: Share = 0.8
    """Chance of changing a view's brightness, contrast and saturation."""
    jitter_strength: tuple[float, float, float] = (0.4, 0.4, 0.2)
    """Largest change of brightness, contrast and saturation."""
    grey_probability: Share = 0.2
    """Chance of taking all colour from a view."""
    resize_in_float: bool = False
    """Resize in 32-bit floats and keep the overshoot as the original: four times the memory."""
    original_short_clips: bool = False
    """In clips of fewer than 8 frames, let all frames of a local view be the same one."""
    original_crop_boxes: bool = False
    """Never stop at the first valid crop box: 40 % of the global views are distorted."""
    original_swapped_grey: bool = False
    """Exchange red and blue when computing grey."""
    original_frame_contrast: bool = False
    """Change contrast about each frame's own mean instead of the clip's."""
    original_unclamped: bool = False
    """Let colours leave the range that a picture can have."""


@dataclass(frozen=True)
class DrawnView:
    """One view of one clip, cropped and resized; its colour work is still to be done."""

    frames: NDArray[Any]  # (T, S, S, 3) RGB uint8, or float32 around 0..255
    box: Box
    flip: bool
    colour: ColourDraw


def make_views(
    read_frames: Callable[[Sequence[int]], list[NDArray[np.uint8]]],
    num_frames: int,
    settings: ViewSettings,
    rng: Rng,
) -> list[DrawnView]:
    """Draw and cut all views of one clip.

    Frames are read in order, each once however many views show it, and one at a time: whatever
    the size of the video, only one whole frame is held.

    Args:
        read_frames: Gives the clip's frames (H, W, 3) uint8 RGB at positions from 0.
        num_frames: Frames in the clip, at least 1.
        settings: How to draw.
        rng: The clip's own generator.

    Returns:
        The two global views, then the local ones.
    """
    indices = view_indices(
        num_frames,
        global_frames=settings.global_frames,
        local_frames=settings.local_frames,
        max_span_frames=settings.max_span_frames,
        original_short_clips=settings.original_short_clips,
        rng=rng,
    )
    views: list[DrawnView] = []
    for position, slots in sorted(_slots(indices).items()):
        (frame,) = read_frames([position])
        if not views:  # the first frame tells the size
            views = _draw_views([len(v) for v in indices], frame.shape[:2], settings, rng)
        for v, times in slots.items():
            view, first, *repeats = views[v], *times
            crop_and_resize(frame, view.box, view.frames[first], flip=view.flip)
            for repeat in repeats:
                view.frames[repeat] = view.frames[first]
    return views


def _slots(indices: list[NDArray[np.int64]]) -> dict[int, dict[int, list[int]]]:
    """For each position in the clip, the views that show it, and at which of their times."""
    slots: dict[int, dict[int, list[int]]] = {}
    for v, positions in enumerate(indices):
        for t, position in enumerate(positions.tolist()):
            slots.setdefault(position, {}).setdefault(v, []).append(t)
    return slots


def _draw_views(
    num_frames: list[int], size_hw: tuple[int, int], settings: ViewSettings, rng: Rng
) -> list[DrawnView]:
    """Draw everything but the frames, and make room for these."""
    num_global = len(settings.global_frames)
    num_local = len(settings.local_frames)
    sizes_px = [settings.global_size_px] * num_global + [settings.local_size_px] * num_local
    areas = [settings.global_area] * num_global + [settings.local_area] * num_local
    shapes = [(t, size, size, 3) for t, size in zip(num_frames, sizes_px, strict=True)]
    dtype = np.float32 if settings.resize_in_float else np.uint8
    return [
        DrawnView(
            frames=frames,
            box=random_resized_crop_box(
                size_hw, area, rng=rng, original_never_stops=settings.original_crop_boxes
            ),
            flip=rng.uniform(0, 1) < settings.flip_probability,
            colour=draw_colour(
                jitter_probability=settings.jitter_probability,
                jitter_strength=settings.jitter_strength,
                grey_probability=settings.grey_probability,
                rng=rng,
            ),
        )
        for frames, area in zip(_allocate(shapes, dtype), areas, strict=True)
    ]


def _allocate(shapes: Sequence[tuple[int, ...]], dtype: type) -> list[NDArray[Any]]:
    """Uninitialised arrays in one block: the system gives large pages, which cost it far less."""
    lengths = [math.prod(shape) for shape in shapes]
    parts: list[NDArray[Any]] = np.split(np.empty(sum(lengths), dtype), np.cumsum(lengths)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
