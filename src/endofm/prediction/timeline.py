"""From answers of windows to stretches of a video: a moment has its nearest window's answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Span:
    """A stretch of a video in which a class is answered."""

    label: str
    start_s: float
    end_s: float
    highest: float
    """The class's highest score in it."""


def borders_between(times_s: np.ndarray, duration_s: float) -> np.ndarray:
    """Where the nearest window changes: (N,) rising window middles to (N + 1,) borders."""
    between = (times_s[:-1] + times_s[1:]) / 2
    return np.concatenate([[0.0], between, [duration_s]])


def spans_of(
    label: str, answers: np.ndarray, scores: np.ndarray, borders_s: np.ndarray
) -> Iterator[Span]:
    """The stretches in which a class is answered without a break.

    Args:
        label: The class.
        answers: (N,) bool.
        scores: (N,).
        borders_s: (N + 1,), from ``borders_between``.
    """
    changes = np.flatnonzero(np.diff(np.concatenate([[0], answers.astype(int), [0]])))
    for first, stop in changes.reshape(-1, 2).tolist():
        highest = float(scores[first:stop].max())
        yield Span(label, float(borders_s[first]), float(borders_s[stop]), highest)
