"""Frames of a segmentation from the best to the worst, with both outlines.

Axes: H and W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endofm.report.gallery import (
    OUTLINE_PX,
    PREDICTED_COLOUR,
    TRUTH_COLOUR,
    Gallery,
    enlarged,
    gallery_of,
    ink,
    times_enlarged,
)
from endofm.report.pictures import frame_strip


@dataclass(frozen=True)
class ShownFrame:
    """A frame with the outlines of truth and prediction."""

    kind: str
    sequence: str
    place: int
    """In the sequence, from 0."""
    dice: float
    picture: str  # data URI


def read_gallery(path: Path) -> Gallery[ShownFrame] | None:
    """The frames that an evaluation has kept to be looked at; ``None`` if it has none.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    return gallery_of(path, _frame, columns=("kinds", "sequences", "places", "dice"))


def _frame(arrays: Mapping[str, np.ndarray], number: int) -> ShownFrame:
    return ShownFrame(
        kind=str(arrays["kinds"][number]),
        sequence=str(arrays["sequences"][number]),
        place=int(arrays["places"][number]),
        dice=float(arrays["dice"][number]),
        picture=outlined(
            arrays[f"picture{number}"],
            truth=arrays[f"truth{number}"],
            predicted=arrays[f"predicted{number}"],
        ),
    )


def outlined(picture: np.ndarray, *, truth: np.ndarray, predicted: np.ndarray) -> str:
    """A frame with the outlines of both masks, as a data URI.

    The truth's line runs just outside of its mask and the prediction's just inside: both are seen
    where they agree.

    Args:
        picture: (H, W, 3) uint8.
        truth: (H, W) bool.
        predicted: (H, W) bool.

    Raises:
        ValueError: They are something else.
    """
    for mask in (truth, predicted):
        if mask.dtype != bool or mask.shape != picture.shape[:2]:
            raise ValueError(f"a mask is {mask.dtype} of shape {mask.shape}")
    times = times_enlarged(picture)
    canvas, truth, predicted = (enlarged(a, times) for a in (picture, truth, predicted))
    canvas[_grown(truth) & ~truth] = ink(TRUTH_COLOUR)
    canvas[predicted & _grown(~predicted)] = ink(PREDICTED_COLOUR)
    return frame_strip(canvas[None], "").frames[0]


def _grown(mask: np.ndarray) -> np.ndarray:
    """The mask with what lies within the outline's width of it, (H, W) -> (H, W)."""
    for _ in range(OUTLINE_PX):
        around = np.pad(mask, 1)
        upright = around[:-2] | around[1:-1] | around[2:]
        mask = upright[:, :-2] | upright[:, 1:-1] | upright[:, 2:]
    return mask
