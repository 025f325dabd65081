"""Confidence intervals that respect what belongs together.

Clips of one video, and videos of one patient, are not independent: an interval over single items
would be far too narrow. The cluster bootstrap draws whole groups instead (Davison & Hinkley 1997,
Section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A number with its interval and what it rests on; ``nan`` where it is undefined."""

    value: float
    low: float
    high: float
    n: int
    num_groups: int
    level: float = 0.95

    def plain(self) -> dict[str, float | int | None]:
        """By the names of the fields, as JSON, which has no ``nan``."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }


def cluster_bootstrap(
    statistic: Callable[[np.ndarray], float],
    groups: Sequence[str],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Estimate a statistic with a 95 % percentile interval over resampled groups.

    Args:
        statistic: From the indices of items, (M,) int64 with repeats, to a number. Resamples for
            which it is ``nan`` do not count.
        groups: Patient or video of each item; as many groups as there are, each whole, are drawn
            with replacement.
        num_resamples: Number of draws.
        seed: Same seed, same interval.

    Returns:
        The estimate. Without items its value is ``nan``. With fewer than two groups its interval
        is ``nan``: one patient says nothing about the spread between patients.
    """
    n = len(groups)
    names, group_of_item = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    value = float(statistic(np.arange(n))) if n else math.nan
    low, high = math.nan, math.nan
    if len(names) > 1:
        members = [np.flatnonzero(group_of_item == group) for group in range(len(names))]
        draws = np.random.default_rng(seed).integers(len(names), size=(num_resamples, len(names)))
        values = np.array([statistic(np.concatenate([members[g] for g in d])) for d in draws])
        low, high = _percentiles(values[~np.isnan(values)], Estimate.level)
    return Estimate(value, low, high, n, len(names))


def _percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
