"""Patterns for a synthetic mucosa: noise and vessels on a map that closes round the tube.

Maps are (Z, A): rows run along the tube, columns once round it, so the last column meets the first.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Map: TypeAlias = NDArray[np.floating]
"""Numbers for pixels, texels or points in space; float32 wherever there are many."""

_STEP_TEXELS = 7.0  # from joint to joint of a vessel


def noise(shape: tuple[int, int], *, cell: int, rng: np.random.Generator) -> Map:
    """Smooth noise (Z, A) of mean 0 and standard deviation near 1, periodic in A.

    Args:
        shape: Rows and columns of the map.
        cell: Size of a grain in texels; a divisor of the number of columns.
        rng: Source of randomness.
    """
    rows, columns = shape
    assert columns % cell == 0, f"{columns} columns are no multiple of {cell}"
    margin = 2  # grid points beyond each edge, which the cubic filter reads
    grid = rng.standard_normal((-(-rows // cell) + 2 * margin, columns // cell), dtype=np.float32)
    grid = np.pad(grid, ((0, 0), (margin, margin)), mode="wrap")
    size_wh = (grid.shape[1] * cell, grid.shape[0] * cell)
    fine = cv2.resize(grid, size_wh, interpolation=cv2.INTER_CUBIC)
    inner = slice(margin * cell, None)
    return np.asarray(fine[inner, inner][:rows, :columns] * 1.4, np.float32)


def fractal(shape: tuple[int, int], *, cells: Sequence[int], rng: np.random.Generator) -> Map:
    """Sum of ``noise`` over ``cells``, from coarse to fine, each weaker by 0.6; (Z, A)."""
    octaves = [noise(shape, cell=cell, rng=rng) * 0.6**i for i, cell in enumerate(cells)]
    return np.asarray(sum(octaves) / len(cells) ** 0.5, np.float32)


class _Twig(NamedTuple):
    """The growing tip of a vessel: position and width in texels, heading in radians."""

    x: float
    y: float
    heading: float
    width: float


def vessels(shape: tuple[int, int], *, num_trees: int, rng: np.random.Generator) -> Map:
    """Branching vessels as a map (Z, A) of 0 (none) to 1 (a vessel's core), periodic in A."""
    rows, columns = shape
    canvas = np.zeros(shape, np.uint8)
    for _ in range(num_trees):
        x, y, heading = rng.uniform(0, (columns, rows, 2 * np.pi))
        twigs = [_Twig(x, y, heading, width=rng.uniform(2.6, 4.4))]
        while twigs:
            twigs.extend(_grow(canvas, twigs.pop(), rng=rng))
    return cv2.GaussianBlur(canvas, (0, 0), 0.9).astype(np.float32) / 255


def _grow(canvas: NDArray[np.uint8], twig: _Twig, *, rng: np.random.Generator) -> list[_Twig]:
    """Draw one winding twig and return the twigs that leave its end."""
    headings = twig.heading + np.cumsum(rng.normal(0, 0.28, rng.integers(6, 16)))
    steps = np.stack([np.cos(headings), np.sin(headings)], -1) * _STEP_TEXELS
    joints = np.cumsum(np.vstack([(twig.x, twig.y), steps]), axis=0)
    columns = canvas.shape[1]
    for shift in (-columns, 0, columns):  # drawn thrice, so that it closes round the tube
        cv2.polylines(
            canvas,
            [np.round(np.add(joints, (shift, 0)) * 16).astype(np.int32)],
            isClosed=False,
            color=round(80 + 40 * twig.width),
            thickness=max(1, round(twig.width)),
            lineType=cv2.LINE_AA,
            shift=4,
        )
    width = twig.width * 0.72
    if width < 0.6:
        return []
    end = _Twig(joints[-1, 0] % columns, joints[-1, 1], headings[-1], width)
    spread = rng.uniform(0.3, 0.8)
    return [
        end._replace(heading=end.heading + spread),
        end._replace(heading=end.heading - spread * 0.6, width=width * rng.uniform(0.7, 1.05)),
    ]
