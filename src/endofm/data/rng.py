"""Randomness is an argument: what the samplers draw from, and the one generator of each clip."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Rng(Protocol):
    """The draws that ``data/`` needs; a ``numpy.random.Generator`` has them."""

    def uniform(self, low: float, high: float, /) -> float:
        """A real number in [low, high)."""

    def integers(self, low: int, high: int, /) -> int:
        """An integer in low .. high - 1."""

    def permutation(self, x: int, /) -> NDArray[np.int64]:
        """The numbers 0 .. x - 1 in random order."""


def epoch_rng(seed: int, epoch: int) -> np.random.Generator:
    """The generator that orders the clips of an epoch."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, epoch)))


def clip_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The generator of one clip in one epoch: the same in every process and worker."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, epoch, index)))
