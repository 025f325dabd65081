"""What an evaluation keeps to be looked at: its best, median and worst frames, with both masks.

Arrays, not pictures: the report draws them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.data.images import read_image
from endofm.files import replacing

KINDS = ("best", "median", "worst")
NUM_OF_A_KIND = 3
LARGEST_WIDTH_PX = 480


@dataclass(frozen=True)
class ShownFrame:
    """A frame to be looked at."""

    kind: str
    """One of ``KINDS``."""
    sequence: str
    place: int
    """In the sequence, from 0."""
    dice: float
    file: Path
    predicted: NDArray[np.bool_]  # (H, W)
    truth: NDArray[np.bool_]  # (H, W)


def frames_to_show(dice: Sequence[float]) -> list[tuple[str, int]]:
    """Kind and place of the frames of the highest, the middle and the lowest Dice.

    Args:
        dice: Of each frame; ``nan`` for lesion-free frames, which are not shown. Of few frames,
            one that fits several kinds is shown as the first of them.
    """
    defined = [place for place, value in enumerate(dice) if not math.isnan(value)]
    ranked = sorted(defined, key=lambda place: (-dice[place], place))
    middle = max(len(ranked) - NUM_OF_A_KIND, 0) // 2
    parts = (ranked, ranked[middle:], ranked[::-1])
    kind_of: dict[int, str] = {}
    for kind, part in zip(KINDS, parts, strict=True):
        for place in part[:NUM_OF_A_KIND]:
            kind_of.setdefault(place, kind)
    return [(kind, place) for place, kind in kind_of.items()]


def write_figure(path: Path, shown: Sequence[ShownFrame]) -> None:
    """Write frames and masks, wide ones at half, a third ... of their size.

    Args:
        path: An ``.npz`` file: ``picture0`` (H, W, 3) uint8, ``predicted0`` and ``truth0`` (H, W)
            bool, and so on; ``kinds``, ``sequences``, ``places`` and ``dice``, (N,) each.
        shown: The N frames.

    Raises:
        DataError: A frame cannot be read.
    """
    arrays: dict[str, Any] = {
        "kinds": np.array([one.kind for one in shown], dtype=str),
        "sequences": np.array([one.sequence for one in shown], dtype=str),
        "places": np.array([one.place for one in shown], dtype=np.int64),
        "dice": np.array([one.dice for one in shown], dtype=np.float64),
    }
    for number, one in enumerate(shown):
        step = math.ceil(one.truth.shape[1] / LARGEST_WIDTH_PX)
        arrays[f"predicted{number}"] = one.predicted[::step, ::step]
        arrays[f"truth{number}"] = one.truth[::step, ::step]
        height, width = arrays[f"truth{number}"].shape
        picture = read_image(one.file)
        arrays[f"picture{number}"] = cv2.resize(
            picture, (width, height), interpolation=cv2.INTER_AREA
        )
    with replacing(path) as draft:
        np.savez_compressed(draft, **arrays)
