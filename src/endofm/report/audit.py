"""The page of an audit: which videos overlap, and frames of them to judge by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endofm.errors import VideoError
from endofm.files import write_text
from endofm.report import wording
from endofm.report.dataset_reading import printable
from endofm.report.html import page_environment
from endofm.report.pictures import spread, thumbnail

MAX_PAIRS = 40
NUM_FRAMES = 4
HEIGHT_PX = 120

ReadAt = Callable[[Sequence[float]], Sequence[NDArray[np.uint8]]]
"""Frames (H, W, 3) uint8 RGB at times in seconds; raises ``VideoError``."""


@dataclass(frozen=True)
class Side:
    """One video of a pair."""

    set_name: str
    name: str
    split: str
    group: str
    times_s: Sequence[float]
    """Of the frames that are also in the other; or of any, if the names alone are alike."""
    read: ReadAt

    @property
    def part(self) -> str:
        """The set, and the split if it has any."""
        return f"{self.set_name} ({self.split})" if self.split else self.set_name


@dataclass(frozen=True)
class Pair:
    """Two videos that overlap; the frames of one side are in the order of the other's."""

    first: Side
    second: Side
    by: str
    """What they have in common, in words."""


@dataclass(frozen=True)
class Row:
    """Frames of one side."""

    side: Side
    frames: tuple[tuple[str, str], ...]
    """Data URI and time of each."""
    problem: str = ""


def write_audit_page(
    page: Path,
    *,
    sets: Sequence[tuple[str, int]],
    pairs: Sequence[Pair],
    num_excluded: int,
    not_compared: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write one self-contained page.

    Args:
        page: To write.
        sets: Name and number of videos of each set.
        pairs: The overlaps, those to judge first in front.
        num_excluded: How many videos the exclusion list names.
        not_compared: Why some videos were not.
        progress: Called with (pairs drawn, altogether).
    """
    shown = []
    for pair in pairs[:MAX_PAIRS]:
        shown.append((pair, [_row(pair.first), _row(pair.second)]))
        if progress:
            progress(len(shown), min(len(pairs), MAX_PAIRS))
    parts = Counter((pair.first.part, pair.second.part) for pair in pairs)
    text = (
        page_environment()
        .get_template("audit.html")
        .render(
            sets=[(printable(name), num) for name, num in sets],
            parts=[(*map(printable, names), num) for names, num in parts.items()],
            num_pairs=len(pairs),
            num_excluded=num_excluded,
            shown=shown,
            not_compared=[printable(line) for line in not_compared],
            printable=printable,
            say=wording,
        )
    )
    write_text(page, text)
    return page


def _row(side: Side) -> Row:
    if not side.times_s:  # known by its name alone
        return Row(side, (), "none of its frames could be compared")
    times_s = [side.times_s[place] for place in spread(len(side.times_s), NUM_FRAMES)]
    try:
        frames = side.read(times_s)
    except VideoError as error:
        return Row(side, (), printable(str(error)))
    pictures = [thumbnail(frame, height_px=HEIGHT_PX) for frame in frames]
    return Row(side, tuple(zip(pictures, map(wording.clock, times_s), strict=True)))
