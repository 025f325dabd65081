"""How far apart are the outlines of two masks?

The surface of a mask are its pixels that touch the outside by a side (in a volume, by a face);
beyond the border of the image is outside.
"""

from __future__ import annotations

import numpy as np
from monai.metrics.utils import get_mask_edges, get_surface_distance


def surface_distances_px(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each surface pixel of either mask to the nearest one of the other.

    Args:
        first: Image (H, W) or volume (T, H, W), bool; not empty.
        second: Of the same shape, bool; not empty.

    Returns:
        Euclidean distances from the first to the second, (P,), and back, (Q,), frames being one
        pixel apart.
    """
    assert first.shape == second.shape
    assert first.any()
    assert second.any()
    box = _box(first | second)
    edges = get_mask_edges(first[box], second[box], crop=False)
    there, back = (get_surface_distance(*pair) for pair in (edges, edges[::-1]))
    return np.asarray(there, np.float64), np.asarray(back, np.float64)


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    axes = range(mask.ndim)
    occupied = [mask.any(tuple(other for other in axes if other != axis)) for axis in axes]
    ends = [np.flatnonzero(along)[[0, -1]].tolist() for along in occupied]
    return tuple(slice(first, last + 1) for first, last in ends)
