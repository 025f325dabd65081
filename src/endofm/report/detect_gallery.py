"""Frames of a detection: lesions found, lesions missed and false alarms, with all boxes.

Axes: H and W pixels, N boxes.
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
    """A frame with the boxes of truth and prediction."""

    kind: str
    sequence: str
    place: int
    """In the sequence, from 0."""
    said: tuple[tuple[str, float], ...]
    """Class and score of each box predicted, the surest first."""
    num_lesions: int
    picture: str  # data URI


def read_gallery(path: Path) -> Gallery[ShownFrame] | None:
    """The frames that an evaluation has kept to be looked at; ``None`` if it has none.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    return gallery_of(path, _frame, columns=("kinds", "sequences", "places"))


def _frame(arrays: Mapping[str, np.ndarray], number: int) -> ShownFrame:
    classes = [str(name) for name in arrays["classes"]]
    truth, found = arrays[f"truth{number}"], arrays[f"found{number}"]
    said = zip(arrays[f"labels{number}"].tolist(), arrays[f"scores{number}"].tolist(), strict=True)
    return ShownFrame(
        kind=str(arrays["kinds"][number]),
        sequence=str(arrays["sequences"][number]),
        place=int(arrays["places"][number]),
        said=tuple(
            sorted(((classes[label - 1], score) for label, score in said), key=lambda one: -one[1])
        ),
        num_lesions=len(truth),
        picture=boxed(arrays[f"picture{number}"], truth_xyxy=truth, found_xyxy=found),
    )


def boxed(picture: np.ndarray, *, truth_xyxy: np.ndarray, found_xyxy: np.ndarray) -> str:
    """A frame with the boxes of the truth and of the prediction, as a data URI.

    The truth's line runs just outside of its box and the prediction's just inside: both are seen
    where they agree.

    Args:
        picture: (H, W, 3) uint8.
        truth_xyxy: (N, 4) px.
        found_xyxy: (N, 4) px.

    Raises:
        ValueError: They are something else.
    """
    for boxes in (truth_xyxy, found_xyxy):
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            raise ValueError(f"boxes are of shape {boxes.shape}, or not finite")
    times = times_enlarged(picture)
    canvas = enlarged(picture, times)
    for box in truth_xyxy:
        _draw(canvas, box * times, TRUTH_COLOUR, outwards=True)
    for box in found_xyxy:
        _draw(canvas, box * times, PREDICTED_COLOUR, outwards=False)
    return frame_strip(canvas[None], "").frames[0]


def _draw(canvas: np.ndarray, box_xyxy: np.ndarray, colour: str, *, outwards: bool) -> None:
    """Draw the line of a box in px of the picture, whose margin shifts it."""
    height, width = canvas.shape[:2]
    shift = np.array([-OUTLINE_PX, -OUTLINE_PX, OUTLINE_PX, OUTLINE_PX]) * outwards
    edges = np.round(box_xyxy).astype(np.int64) + OUTLINE_PX + shift
    left, top, right, bottom = np.clip(edges, 0, [width, height, width, height])
    line = np.zeros((height, width), bool)
    line[top:bottom, left:right] = True
    line[top + OUTLINE_PX : bottom - OUTLINE_PX, left + OUTLINE_PX : right - OUTLINE_PX] = False
    canvas[line] = ink(colour)
