"""How alike are a map of probabilities and a mask, beyond counting pixels?

S-measure compares the two as objects and in four regions (Fan et al., ICCV 2017, alpha 0.5);
E-measure compares how each pixel departs from the mean of its image (Fan et al., IJCAI 2018), here
the mean over the 256 thresholds of an 8-bit map.

Axes: H and W pixels.
"""

from __future__ import annotations

from itertools import product

import numpy as np

NUM_LEVELS = 256
EPS = float(np.finfo(np.float64).eps)


def stretch(probs: np.ndarray) -> np.ndarray:
    """What the benchmark SUN-SEG compares: ``(H, W)`` in 0..1 to the same, float64.

    The map is cut to 8 bits and stretched by its own minimum and maximum, unless these are equal.
    """
    levels = np.floor(np.clip(probs, 0, 1).astype(np.float64) * (NUM_LEVELS - 1))
    low, high = levels.min(), levels.max()
    return levels / (NUM_LEVELS - 1) if low == high else (levels - low) / (high - low)


def s_measure(probs: np.ndarray, truth: np.ndarray) -> float:
    """Half object and half region similarity (Fan et al. 2017, Equation 10), in 0..1.

    Args:
        probs: (H, W) float in 0..1.
        truth: (H, W) bool, not empty.
    """
    if truth.all():
        return float(probs.mean())
    share = truth.mean()
    objects = share * _object_similarity(probs[truth])
    objects += (1 - share) * _object_similarity(1 - probs[~truth])
    # The quadrants meet behind the lesion's centre; at the border some are empty.
    row, column = (np.argwhere(truth).mean(0).round().astype(int) + 1).tolist()
    regions = 0.0
    for part in product((slice(row), slice(row, None)), (slice(column), slice(column, None))):
        if truth[part].size:
            regions += _region_similarity(probs[part], truth[part]) * truth[part].size / truth.size
    return max(0.0, float(objects + regions) / 2)


def e_measure(probs: np.ndarray, truth: np.ndarray) -> float:
    """Mean enhanced alignment over all thresholds (Fan et al. 2018, Equations 2 to 4).

    Args:
        probs: (H, W) float in 0..1; pixels from a threshold on are marked.
        truth: (H, W) bool, not empty.

    Returns:
        At least 0. The papers' code divides by one pixel less than there are, so that a perfect
        map may come out above 1 at each threshold but 0, which marks everything.
    """
    levels = (probs * (NUM_LEVELS - 1)).astype(np.int64)
    inside = _num_from_level(levels[truth])  # marked and lesion, by threshold
    outside = _num_from_level(levels[~truth])  # marked and none
    num_px, num_lesion = truth.size, int(truth.sum())
    marked = inside + outside
    if num_lesion == num_px:
        return float((marked / (num_px - 1 + EPS)).mean())
    mean_marked, mean_lesion = marked / num_px, num_lesion / num_px
    total = np.zeros(NUM_LEVELS)
    for is_marked, is_lesion, num in (
        (1, 1, inside),
        (1, 0, outside),
        (0, 1, num_lesion - inside),
        (0, 0, num_px - num_lesion - outside),
    ):
        first, second = is_marked - mean_marked, is_lesion - mean_lesion
        alignment = 2 * first * second / (first**2 + second**2 + EPS)
        total += num * (alignment + 1) ** 2 / 4
    return float((total / (num_px - 1 + EPS)).mean())


def _object_similarity(probs: np.ndarray) -> float:
    """How bright and even a region is that should be 1: ``(N,) ->`` 0..1 (Equation 5)."""
    mean = probs.mean()
    spread = probs.std(ddof=1) if probs.size > 1 else 0.0
    return float(2 * mean / (mean**2 + 1 + spread + EPS))


def _region_similarity(probs: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity of a quadrant: ``(h, w), (h, w) ->`` at most 1 (Equation 6)."""
    x, y = probs.mean(), truth.mean()
    freedom = truth.size - 1 + EPS
    spread = (np.square(probs - x).sum() + np.square(truth - y).sum()) / freedom
    together = ((probs - x) * (truth - y)).sum() / freedom
    top, bottom = 4 * x * y * together, (x**2 + y**2) * spread
    if top == 0:
        return float(bottom == 0)
    return float(top / (bottom + EPS))


def _num_from_level(levels: np.ndarray) -> np.ndarray:
    """How many values are at least 255, 254, ... 0: ``(N,) -> (256,)``."""
    return np.cumsum(np.bincount(levels, minlength=NUM_LEVELS)[::-1])
