from __future__ import annotations

import itertools

import numpy as np
import pytest

from endofm.metrics.surfaces import surface_distances_px


def surface(mask: np.ndarray) -> np.ndarray:
    """Pixels with a neighbour outside, written out: (P, axes)."""
    found = []
    for pixel in np.argwhere(mask):
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            near = pixel.copy()
            near[axis] += step
            if not 0 <= near[axis] < mask.shape[axis] or not mask[tuple(near)]:
                found.append(pixel)
                break
    return np.array(found)


def all_pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    between = np.linalg.norm(surface(first)[:, None] - surface(second)[None], axis=-1)  # (P, Q)
    return between.min(1), between.min(0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 12), (3, 6, 5)])
@pytest.mark.parametrize("share", [0.2, 0.9, 1.0])
def test_equals_all_pairs(shape: tuple[int, ...], share: float) -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.random(shape) <= share for _ in range(2))
    first.flat[0] = second.flat[-1] = True
    ours = surface_distances_px(first, second)
    for distances, expected in zip(ours, all_pairs(first, second), strict=True):
        np.testing.assert_allclose(np.sort(distances), np.sort(expected), rtol=1e-6)


def test_directions_differ() -> None:
    point, line = np.zeros((2, 1, 5), dtype=bool)
    point[0, 0] = line[0, :4] = True
    there, back = surface_distances_px(point, line)
    assert there.tolist() == [0]
    assert back.tolist() == [0, 1, 2, 3]


def test_shape_and_emptiness_are_invariants() -> None:
    mask = np.ones((2, 3), dtype=bool)
    for first, second in ((mask, mask[:1]), (mask, ~mask), (~mask, mask)):
        with pytest.raises(AssertionError):
            surface_distances_px(first, second)
