"""Frames to look at, in rows by kind, and what lines are drawn over them with.

Axes: H and W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from matplotlib.colors import to_rgb

from endofm.report.pictures import not_understood, read_arrays

TRUTH_COLOUR, PREDICTED_COLOUR = "#19d3ff", "#ffe01a"
"""Blue and yellow, on red ground: kept apart by eyes that tell no red from green."""
DRAWN_WIDTH_PX = 480
"""Smaller frames are enlarged as often as they fit in."""
OUTLINE_PX = 3


class Shown(Protocol):
    """A frame of the gallery."""

    @property
    def kind(self) -> str:
        """The title of its row."""


Frame = TypeVar("Frame", bound=Shown)


@dataclass(frozen=True)
class Gallery(Generic[Frame]):
    """The frames of each kind, as many rows."""

    rows: tuple[tuple[Frame, ...], ...]
    truth_colour: str = TRUTH_COLOUR
    predicted_colour: str = PREDICTED_COLOUR


def gallery_of(
    path: Path, frame: Callable[[Mapping[str, np.ndarray], int], Frame], *, columns: Sequence[str]
) -> Gallery[Frame] | None:
    """The frames that an evaluation has kept to be looked at; ``None`` if it has none.

    Args:
        path: An ``.npz`` file with ``columns`` and whatever else ``frame`` asks for.
        frame: Makes the frame of a number, from the arrays of the file.
        columns: Arrays with an entry for each frame.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    if not path.is_file():
        return None
    arrays = read_arrays(path)
    try:
        lengths = {len(arrays[name]) for name in columns}
        if len(lengths) > 1:
            raise ValueError(f"{', '.join(columns)} are of different lengths")
        shown = [frame(arrays, number) for number in range(*lengths)]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise not_understood(path, error) from None
    kinds = dict.fromkeys(one.kind for one in shown)
    rows = tuple(tuple(one for one in shown if one.kind == kind) for kind in kinds)
    return Gallery(rows) if rows else None


def times_enlarged(picture: np.ndarray) -> int:
    """How often a picture is enlarged to be drawn on."""
    return max(DRAWN_WIDTH_PX // max(picture.shape[1], 1), 1)


def enlarged(image: np.ndarray, times: int) -> np.ndarray:
    """Each pixel as a square of several, with an empty margin of ``OUTLINE_PX``.

    The dark margin keeps lines visible at the edge of the frame.
    """
    margin = [(OUTLINE_PX, OUTLINE_PX)] * 2 + [(0, 0)] * (image.ndim - 2)
    return np.pad(image.repeat(times, axis=0).repeat(times, axis=1), margin)


def ink(colour: str) -> np.ndarray:
    """A colour as a pixel, (3,) uint8."""
    return np.round(255 * np.array(to_rgb(colour))).astype(np.uint8)
