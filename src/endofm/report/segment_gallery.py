"""Frames of a segmentation from the best to the worst, with both outlines.

Axes: H and W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb

from endofm.report.pictures import frame_strip, not_understood, read_arrays

TRUTH_COLOUR, PREDICTED_COLOUR = "#19d3ff", "#ffe01a"
"""Blue and yellow, on red ground: kept apart by eyes that tell no red from green."""
DRAWN_WIDTH_PX = 480
"""Smaller frames are enlarged as often as they fit in."""
OUTLINE_PX = 3


@dataclass(frozen=True)
class ShownFrame:
    """A frame with the outlines of truth and prediction."""

    kind: str
    sequence: str
    place: int
    """In the sequence, from 0."""
    dice: float
    picture: str  # data URI


@dataclass(frozen=True)
class Gallery:
    """The frames of each kind, as many rows."""

    rows: tuple[tuple[ShownFrame, ...], ...]
    truth_colour: str = TRUTH_COLOUR
    predicted_colour: str = PREDICTED_COLOUR


def read_gallery(path: Path) -> Gallery | None:
    """The frames that an evaluation has kept to be looked at; ``None`` if it has none.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    if not path.is_file():
        return None
    arrays = read_arrays(path)
    try:
        columns = (arrays[name].tolist() for name in ("kinds", "sequences", "places", "dice"))
        shown = [
            ShownFrame(
                kind=str(kind),
                sequence=str(sequence),
                place=int(place),
                dice=float(dice),
                picture=outlined(
                    arrays[f"picture{number}"],
                    truth=arrays[f"truth{number}"],
                    predicted=arrays[f"predicted{number}"],
                ),
            )
            for number, (kind, sequence, place, dice) in enumerate(zip(*columns, strict=True))
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise not_understood(path, error) from None
    kinds = dict.fromkeys(frame.kind for frame in shown)
    rows = tuple(tuple(frame for frame in shown if frame.kind == kind) for kind in kinds)
    return Gallery(rows) if rows else None


def outlined(picture: np.ndarray, *, truth: np.ndarray, predicted: np.ndarray) -> str:
    """A frame with the outlines of both masks, as a data URI.

    The truth's line runs just outside of its mask and the prediction's just inside: both are seen
    where they agree. A dark margin keeps them visible at the edge of the frame.

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
    times = max(DRAWN_WIDTH_PX // max(picture.shape[1], 1), 1)
    canvas, truth, predicted = (_enlarged(a, times) for a in (picture, truth, predicted))
    canvas[_grown(truth) & ~truth] = _ink(TRUTH_COLOUR)
    canvas[predicted & _grown(~predicted)] = _ink(PREDICTED_COLOUR)
    return frame_strip(canvas[None], "").frames[0]


def _enlarged(image: np.ndarray, times: int) -> np.ndarray:
    """Each pixel as a square of several, with an empty margin."""
    margin = [(OUTLINE_PX, OUTLINE_PX)] * 2 + [(0, 0)] * (image.ndim - 2)
    return np.pad(image.repeat(times, axis=0).repeat(times, axis=1), margin)


def _grown(mask: np.ndarray) -> np.ndarray:
    """The mask with what lies within the outline's width of it, (H, W) -> (H, W)."""
    for _ in range(OUTLINE_PX):
        around = np.pad(mask, 1)
        upright = around[:-2] | around[1:-1] | around[2:]
        mask = upright[:, :-2] | upright[:, 1:-1] | upright[:, 2:]
    return mask


def _ink(colour: str) -> np.ndarray:
    return np.round(255 * np.array(to_rgb(colour))).astype(np.uint8)
