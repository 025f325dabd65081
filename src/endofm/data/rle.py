"""Masks as run lengths, the way COCO writes them: a frame takes hundreds of numbers, not pixels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def encode(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Lengths of the runs of a mask (H, W), column by column, beginning with one of zeros.

    They sum up to H * W; the first is 0 where the mask begins with a lesion.
    """
    values = mask.ravel(order="F")
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    first = [0, 0] if values[0] else [0]
    return np.diff([*first, *changes.tolist(), len(values)]).astype(np.int32)


def decode(
    counts: Sequence[int] | NDArray[np.int32], size_hw: tuple[int, int]
) -> NDArray[np.bool_]:
    """The mask (H, W) of ``encode``.

    Raises:
        ValueError: The counts do not sum up to H * W, or one is negative.
    """
    lengths = np.asarray(counts, dtype=np.int64)
    height, width = size_hw
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(f"run lengths of {lengths.sum()} pixels for {height} x {width}")
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return values.reshape(size_hw, order="F")
