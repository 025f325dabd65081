"""Where the pixels of a view come from: boxes, crops and resizing, on the CPU, before any float.

Frames are (H, W, 3) arrays, uint8 or float32. Resizing is OpenCV's: half-pixel centres, no
antialiasing, cubic a = -0.75, rounded and clamped for uint8 and left to overshoot for float32.
"""

import math
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.data.rng import Rng

Frames = NDArray[Any]
"""(T, H, W, 3) uint8 or float32."""

NUM_TRIES = 10
ASPECT_RATIOS = (3 / 4, 4 / 3)
"""Narrowest and widest width / height of a random crop."""


class Box(NamedTuple):
    """A rectangle of pixels; it may reach beyond the frame, which then cuts it."""

    top: int
    left: int
    height: int
    width: int


def random_resized_crop_box(
    size_hw: tuple[int, int],
    area: tuple[float, float],
    *,
    rng: Rng,
    original_never_stops: bool = False,
) -> Box:
    """Draw the box of a random resized crop.

    A try draws the box's share of the frame's area uniformly from ``area`` and the logarithm of
    width / height uniformly; the first box that fits the frame is taken. If none of ten does, the
    fallback is the largest centred box whose shape is allowed.

    Args:
        size_hw: Height and width of the frame in pixels.
        area: Smallest and largest share of the frame's area.
        rng: Drawn from twice a try and twice for the position.
        original_never_stops: Make all ten tries and take the position of the last that fits with
            the size of the very last, as the original does: the box may exceed the frame, whose
            edge then cuts and so distorts it.
    """
    position: tuple[int, int] | None = None
    height = width = 0
    for _ in range(NUM_TRIES):
        height, width = _random_size(size_hw, area, rng)
        if 0 < height <= size_hw[0] and 0 < width <= size_hw[1]:
            top = rng.integers(0, size_hw[0] - height + 1)
            position = top, rng.integers(0, size_hw[1] - width + 1)
            if not original_never_stops:
                break
    if position is None:
        return _largest_centred_box(size_hw)
    return Box(*position, height, width)


def _random_size(size_hw: tuple[int, int], area: tuple[float, float], rng: Rng) -> tuple[int, int]:
    num_pixels = rng.uniform(*area) * size_hw[0] * size_hw[1]
    ratio = math.exp(rng.uniform(math.log(ASPECT_RATIOS[0]), math.log(ASPECT_RATIOS[1])))
    return round(math.sqrt(num_pixels / ratio)), round(math.sqrt(num_pixels * ratio))


def _largest_centred_box(size_hw: tuple[int, int]) -> Box:
    height, width = size_hw
    box_height = min(height, max(round(width / ASPECT_RATIOS[0]), 1))
    box_width = min(width, max(round(height * ASPECT_RATIOS[1]), 1))
    return Box((height - box_height) // 2, (width - box_width) // 2, box_height, box_width)


def crop_and_resize(
    frame: NDArray[np.uint8], box: Box, resized: NDArray[Any], *, flip: bool = False
) -> None:
    """Cut a box out of a frame and resize it bicubically to fill ``resized``.

    Args:
        frame: (H, W, 3) uint8.
        box: What to cut.
        resized: Where to write, (H', W', 3) contiguous. Of uint8, the result is rounded and
            clamped; of float32, it is neither and may leave 0..255, as in the original.
        flip: Mirror left and right.
    """
    part = frame[box.top : box.top + box.height, box.left : box.left + box.width]
    _resize(part.astype(resized.dtype, copy=False), resized, cv2.INTER_CUBIC)
    if flip:
        cv2.flip(resized, 1, dst=resized)


def resize_short_side(frames: Frames, short_px: int) -> Frames:
    """Resize frames bilinearly so that the short side has ``short_px``, the long side rounded down.

    Args:
        frames: (T, H, W, 3) uint8 or float32.
        short_px: Length of the short side in pixels.

    Returns:
        (T, H', W', 3) of the same type; the very same array where the size fits already.
    """
    height, width = frames.shape[1:3]
    short = min(height, width)
    if short == short_px:
        return frames
    new_height, new_width = height * short_px // short, width * short_px // short
    resized = np.empty((len(frames), new_height, new_width, 3), frames.dtype)
    for frame, out in zip(frames, resized, strict=True):
        _resize(frame, out, cv2.INTER_LINEAR)
    return resized


def square_crop(
    frames: Frames, size_px: int, *, place: Literal["first", "centre", "last"] = "centre"
) -> Frames:
    """Cut a square out of frames: centred, or at the first or last end of the longer side.

    ``first`` is the left or top square, ``last`` the right or bottom one; across the shorter side
    the square is always centred. The result is a view of the input, (T, size_px, size_px, 3).
    """
    height, width = frames.shape[1:3]
    assert min(height, width) >= size_px, "frames are smaller than the crop"
    top, left = math.ceil((height - size_px) / 2), math.ceil((width - size_px) / 2)
    if place != "centre":
        end = place == "last"
        if height > width:
            top = (height - size_px) * end
        else:
            left = (width - size_px) * end
    return frames[:, top : top + size_px, left : left + size_px]


def centre_crop(frames: Frames, size_px: int) -> Frames:
    """Cut the central square out of frames, (T, H, W, 3) -> (T, size_px, size_px, 3)."""
    return square_crop(frames, size_px)


def random_scale_crop(
    frames: Frames, size_px: int, *, short_px: tuple[int, int] = (256, 320), rng: Rng
) -> Frames:
    """Fine-tuning's augmentation: random short side, random square, and a flip half of the time.

    Args:
        frames: (T, H, W, 3) uint8 or float32.
        size_px: Height and width of the result.
        short_px: Smallest and largest short side to resize to.
        rng: Drawn from four times: scale, top, left, flip.

    Returns:
        (T, size_px, size_px, 3) of the same type.
    """
    frames = resize_short_side(frames, round(rng.uniform(*short_px)))
    top = rng.integers(0, max(frames.shape[1] - size_px, 1))
    left = rng.integers(0, max(frames.shape[2] - size_px, 1))
    cut = frames[:, top : top + size_px, left : left + size_px]
    if rng.uniform(0, 1) < 0.5:
        cut = cut[:, :, ::-1]
    return np.ascontiguousarray(cut)


def _resize(frame: Frames, out: Frames, interpolation: int) -> None:
    written = cv2.resize(frame, out.shape[1::-1], dst=out, interpolation=interpolation)
    assert written is out, "OpenCV wrote elsewhere"
