"""What a page about one predicted video says, whatever the task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from endofm.report.pictures import read_arrays
from endofm.runfolder import PredictionFolder

WIDTH, HEIGHT = 1000, 200
"""Of the timeline, in its own units."""
MAX_TILES = 4
"""Of many classes, those with the highest scores have their numbers at the top."""


@dataclass(frozen=True)
class Curve:
    """Shares over time: the scores of a class, or the area of a lesion."""

    label: str
    colour: str
    points: str  # of an SVG polyline
    mean: float
    highest: float
    highest_s: float
    answered_s: float
    """For how long there is a span of it."""


@dataclass(frozen=True)
class SpanRow:
    """A stretch in which a class is answered, or a lesion seen."""

    label: str
    colour: str
    start_s: float
    end_s: float
    highest: float


@dataclass(frozen=True)
class Telling:
    """A frame, and the same with something drawn over it."""

    label: str
    colour: str
    score: float
    """Of the class, or the area of the lesion."""
    time_s: float
    frame: str  # data URI
    over: str  # data URI
    drawn: str
    """What is drawn over it."""


@dataclass(frozen=True)
class PredictionRecord:
    """All that a page says about one predicted video."""

    files: PredictionFolder
    found: Mapping[str, Any]
    """What ``prediction.json`` holds."""
    curves: tuple[Curve, ...]
    top: float
    """The share at the top of the timeline."""
    levels: tuple[float, ...]
    """Shares with a dashed line across the timeline."""
    spans: tuple[SpanRow, ...]
    telling: tuple[Telling, ...]
    times_s: list[float]
    """Moments, each in the middle of what its values hold for."""
    values: list[list[float]]
    """Of each curve, at each moment."""

    @property
    def name(self) -> str:
        """The video's file name."""
        return Path(self.found["video"]).name

    @property
    def tiles(self) -> list[Curve]:
        """The classes whose numbers stand at the top, in order."""
        highest = sorted(self.curves, key=lambda curve: -curve.highest)[:MAX_TILES]
        return [curve for curve in self.curves if curve in highest]

    @property
    def longest_first(self) -> list[SpanRow]:
        """The spans by their length."""
        return sorted(self.spans, key=lambda span: round(span.start_s - span.end_s, 3))


def read_json(files: PredictionFolder) -> dict[str, Any]:
    """What ``prediction.json`` holds.

    Raises:
        ValueError: It is no prediction, or says NaN or infinity.
        OSError: It cannot be read.
    """
    text = files.prediction.read_text(encoding="utf-8")
    found = json.loads(text, parse_constant=_refuse)
    if not isinstance(found, dict):
        raise ValueError("no prediction")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def duration_of(found: Mapping[str, Any]) -> float:
    """The length of the video in seconds, which must have one."""
    if found["duration_s"] <= 0:
        raise ValueError("the video has no length")
    return float(found["duration_s"])


def curve_points(
    times_s: np.ndarray, shares: np.ndarray, *, duration_s: float, top: float = 1.0
) -> str:
    """A curve (N,), held level before its first moment and after its last one.

    Args:
        times_s: (N,) rising.
        shares: (N,).
        duration_s: Where the timeline ends.
        top: The share at its top.
    """
    x = WIDTH * np.concatenate([[0.0], times_s / duration_s, [1.0]])
    y = HEIGHT * (1 - np.concatenate([shares[:1], shares, shares[-1:]]) / top)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def finite_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, none of which may hold NaN or infinity.

    Raises:
        ValueError: One does.
        RunError: The file is missing, damaged or holds something else.
    """
    arrays = read_arrays(path)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite")
    return arrays
