"""What a segmenter's table of frames shows: Dice over time, and by the size of the lesion.

Axes: N frames.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endofm.errors import RunError
from endofm.report.charts import thinned
from endofm.report.segment_plots import FRAME_COLOUR, MEDIAN_COLOUR, Quarter, draw_by_size

MAX_SEQUENCES_SHOWN = 30
WIDTH, HEIGHT = 300, 100
"""Of the drawing of one sequence, in units of its own."""
DASH = 6
"""Widest drawing of a single frame."""


@dataclass(frozen=True)
class FrameTable:
    """Frames in the order of the table; a frame without a lesion has no Dice, but ``nan``."""

    sequences: np.ndarray  # (N,) str
    groups: np.ndarray  # (N,) str
    places: np.ndarray  # (N,) int, in the sequence
    lesion_shares: np.ndarray  # (N,) of the frame's area, in 0..1
    dice: np.ndarray  # (N,) in 0..1 or nan


@dataclass(frozen=True)
class Trace:
    """Dice over one sequence, as the corners of lines between the lesion-free stretches."""

    sequence: str
    mean_dice: float
    num_lesion_frames: int
    first: int
    last: int
    lines: tuple[str, ...]
    lesion_free: tuple[tuple[float, float], ...]
    """Left edge and width of each stretch without a lesion."""


@dataclass(frozen=True)
class OverTime:
    """The sequences of the lowest mean Dice, the lowest first."""

    traces: tuple[Trace, ...]
    num_more: int
    """Sequences with a lesion that are not shown."""
    num_lesion_free: int
    """Sequences without any lesion."""
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class BySize:
    """How Dice depends on the size of the lesion."""

    picture: str  # data URI
    quarters: tuple[Quarter, ...]
    frame_colour: str = FRAME_COLOUR
    median_colour: str = MEDIAN_COLOUR


def read_frames(path: Path) -> FrameTable | None:
    """Read one ``predictions-*.csv`` of a segmenter; ``None`` if there is none.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    if not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return _table(list(csv.DictReader(file)))
    except (OSError, ValueError, TypeError, KeyError, OverflowError, csv.Error) as error:
        raise RunError(f"{path}: damaged ({error})", "run endofm evaluate again") from None


def _table(rows: list[dict[str, str]]) -> FrameTable:
    lesion_px, num_px = (_column(rows, name) for name in ("lesion_px", "num_px"))
    dice = np.array([float(row["dice"] or "nan") for row in rows])
    if not (lesion_px >= 0).all() or not (num_px >= np.maximum(lesion_px, 1)).all():
        raise ValueError("lesion_px or num_px is out of range")
    if ((dice < 0) | (dice > 1)).any():
        raise ValueError("a dice is out of range")
    if np.isfinite(dice[lesion_px == 0]).any():
        raise ValueError("a frame without a lesion has a dice")
    return FrameTable(
        sequences=np.array([row["sequence"] for row in rows], dtype=str),
        groups=np.array([row["group"] for row in rows], dtype=str),
        places=_column(rows, "frame"),
        lesion_shares=lesion_px / num_px,
        dice=dice,
    )


def _column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([int(row[name]) for row in rows], dtype=np.int64)


def over_time(frames: FrameTable) -> OverTime:
    """Dice over each sequence that has a lesion."""
    places = [np.flatnonzero(frames.sequences == name) for name in dict.fromkeys(frames.sequences)]
    shown = [chosen for chosen in places if np.isfinite(frames.dice[chosen]).any()]
    shown.sort(key=lambda chosen: float(np.nanmean(frames.dice[chosen])))
    return OverTime(
        traces=tuple(_trace(frames, chosen) for chosen in shown[:MAX_SEQUENCES_SHOWN]),
        num_more=max(len(shown) - MAX_SEQUENCES_SHOWN, 0),
        num_lesion_free=len(places) - len(shown),
    )


def _trace(frames: FrameTable, chosen: np.ndarray) -> Trace:
    chosen = chosen[np.argsort(frames.places[chosen], kind="stable")]
    places, dice = frames.places[chosen], frames.dice[chosen]
    first, last = int(places[0]), int(places[-1])
    unit = WIDTH / (last - first + 1)
    defined = np.isfinite(dice)
    return Trace(
        sequence=str(frames.sequences[chosen[0]]),
        mean_dice=float(dice[defined].mean()),
        num_lesion_frames=int(defined.sum()),
        first=first,
        last=last,
        lines=tuple(
            _corners(*thinned(part - first, dice[defined][own]), unit=unit)
            for part, own in _stretches(places[defined])
        ),
        lesion_free=tuple(
            (round(float(part[0] - first) * unit, 2), round(len(part) * unit, 2))
            for part, _ in _stretches(places[frames.lesion_shares[chosen] == 0])
        ),
    )


def _stretches(places: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rising numbers in parts without a gap, each with where it stands."""
    indices = np.arange(len(places))
    for own in np.split(indices, np.flatnonzero(np.diff(places) > 1) + 1):
        if len(own):
            yield places[own], own


def _corners(offsets: np.ndarray, dice: np.ndarray, *, unit: float) -> str:
    """Frames in their middle; one alone is a dash, since a line needs two points."""
    middles = (offsets + 0.5) * unit
    if len(middles) == 1:
        reach = min(unit / 2, DASH / 2)
        middles, dice = middles + np.array([-reach, reach]), dice.repeat(2)
    heights = HEIGHT * (1 - dice)
    return " ".join(f"{x:.2f},{y:.1f}" for x, y in zip(middles, heights, strict=True))


def by_size(frames: FrameTable) -> BySize | None:
    """Dice of the frames with a lesion by its area; ``None`` if there is no such frame."""
    kept = np.isfinite(frames.dice)
    if not kept.any():
        return None
    shares, dice, groups = (c[kept] for c in (frames.lesion_shares, frames.dice, frames.groups))
    edges = np.quantile(shares, [0.25, 0.5, 0.75])
    quarter_of = np.searchsorted(edges, shares)  # equal sizes stay together
    quarters = tuple(
        Quarter(
            low=float(shares[own].min()),
            high=float(shares[own].max()),
            median_dice=float(np.median(dice[own])),
            n=int(own.sum()),
            num_groups=len(set(groups[own])),
        )
        for own in (quarter_of == number for number in range(4))
        if own.any()
    )
    return BySize(draw_by_size(shares, dice, quarters), quarters)
