"""Which found box is which true one, frame by frame.

Axes: N found boxes of a frame, M true ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IOU_FROM = 0.5
"""A box that overlaps a true one by so much has found it."""


@dataclass(frozen=True)
class ScoredFrame:
    """What is true of a frame, and what is found in it."""

    truth_xyxy: NDArray[np.float64]  # (M, 4) px
    truth_labels: NDArray[np.int64]  # (M,) from 1
    lesions: tuple[str, ...]
    """M names, unique within the sequence; empty where that is not known."""
    boxes_xyxy: NDArray[np.float64]  # (N, 4) px
    scores: NDArray[np.float64]  # (N,) in 0..1
    labels: NDArray[np.int64]  # (N,) from 1
    size_hw: tuple[int, int]
    sequence: str
    """The video, whose frames are given in order of time."""
    group: str
    """Patient or video of origin."""
    time_s: float = math.nan
    """In the video, if that is known."""

    def above(self, threshold: float) -> NDArray[np.intp]:
        """The boxes whose score is at least ``threshold``, the surest first."""
        order = np.argsort(-self.scores, kind="stable")
        return order[self.scores[order] >= threshold]


def pairwise_iou(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union, ``(N, 4), (M, 4) -> (N, M)``; 0 where there is no area."""
    low = np.maximum(first[:, None, :2], second[:, :2])
    high = np.minimum(first[:, None, 2:], second[:, 2:])
    intersection = np.prod(np.clip(high - low, 0, None), -1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], -1) for boxes in (first, second)]
    union = np.asarray(areas[0])[:, None] + areas[1] - intersection
    share: NDArray[np.float64] = np.zeros_like(union)
    np.divide(intersection, union, out=share, where=union > 0)
    return share


def centre_hits(boxes: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where the centre of a box lies inside a true box, else 0: ``(N, 4), (M, 4) -> (N, M)``."""
    centres = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    inside = (centres >= truth[:, :2]) & (centres <= truth[:, 2:])
    return np.asarray(inside.all(-1), np.float64)


def match(
    likeness: NDArray[np.float64], *, least: float
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Give each box in turn the likest true box that is still free, as COCO does.

    Args:
        likeness: (N, M), the surest box first.
        least: A pair below this does not match.

    Returns:
        (N,) the true box of each, -1 where there is none; and (N,) whether it repeats one that a
        surer box has found.
    """
    num_boxes, num_true = likeness.shape
    given = np.full(num_boxes, -1, np.intp)
    free = np.ones(num_true, bool)
    for box, row in enumerate(likeness):
        fits = np.flatnonzero(free & (row >= least))
        if len(fits):
            given[box] = fits[row[fits].argmax()]
            free[given[box]] = False
    repeats = (given < 0) & (likeness >= least).any(1)
    return given, repeats
