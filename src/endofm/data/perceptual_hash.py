"""A frame as 256 bits that stay when it is scaled, encoded anew or framed by another border.

The signs of the low frequencies of its cosine transform against their median (Zauner,
"Implementation and benchmarking of perceptual image hash functions", 2010), lowest first.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

NUM_WORDS = 4
NUM_BITS = 64 * NUM_WORDS
SIDE_PX = 128
"""Pictures are brought to this many rows and columns before anything else."""

_SMALL_PX = 32
_EDGE = 0.14
"""Share of the content left out on each side: the cut corners of endoscopic pictures, which show
nothing, make strangers alike."""
_DARK = 24
"""Luma of a border; compression makes black up to this bright."""
_LEAST_SPREAD = 4.0
"""Standard deviation of luma below which a frame shows nothing that could be known again."""


def frame_hash(luma: NDArray[np.uint8]) -> NDArray[np.uint64] | None:
    """The hash of a picture, (4,) uint64, the first word from the lowest frequencies.

    Args:
        luma: (H, W); of any size.

    Returns:
        None for a picture that shows nothing, such as a black one: it is like all others.
    """
    square = cv2.resize(luma, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    content = _middle(_without_border(np.asarray(square)))
    if min(content.shape) < _SMALL_PX or content.std() < _LEAST_SPREAD:
        return None
    small = cv2.resize(content, (_SMALL_PX, _SMALL_PX), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(np.asarray(small, dtype=np.float32))[_ROWS, _COLUMNS]  # (256,)
    bits = waves > np.median(waves)
    return np.packbits(bits).view(np.uint64)


def distances(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many bits differ, 0 to 256: ``(..., 4), (..., 4) -> (...)``."""
    return np.bitwise_count(first ^ second).sum(-1, dtype=np.int64)


def _lowest() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the 256 lowest frequencies but the mean, in order of frequency."""
    rows, columns = np.mgrid[:_SMALL_PX, :_SMALL_PX]
    order = np.argsort((rows**2 + columns**2).ravel(), kind="stable")[1 : NUM_BITS + 1]
    return rows.ravel()[order], columns.ravel()[order]


_ROWS, _COLUMNS = _lowest()


def _without_border(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The rows and columns from the first to the last of which a tenth is not dark."""
    bright = luma > _DARK
    rows, columns = (np.flatnonzero(bright.mean(axis) > 0.1) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return luma[:0, :0]
    return luma[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _middle(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = (round(side * _EDGE) for side in luma.shape)
    return luma[rows : luma.shape[0] - rows, columns : luma.shape[1] - columns]
