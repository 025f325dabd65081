"""What an evaluation keeps to be looked at: lesions found, lesions missed, and false alarms.

Arrays, not pictures: the report draws them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from endofm.data.boxed import BoxedFrame, BoxedSequence
from endofm.data.boxed_frames import read_frame
from endofm.files import replacing
from endofm.metrics.detection import ScoredFrame, box_counts

KINDS = ("found", "missed", "false alarms")
NUM_OF_A_KIND = 3
LARGEST_WIDTH_PX = 480


@dataclass(frozen=True)
class ShownFrame:
    """A frame to be looked at."""

    kind: str
    """One of ``KINDS``."""
    place: int
    """In the sequence, from 0."""
    given: BoxedFrame
    scored: ScoredFrame
    threshold: float


def frames_to_show(
    frames: Sequence[ScoredFrame], sequences: Sequence[BoxedSequence], *, threshold: float
) -> list[ShownFrame]:
    """Of each kind the frames with the highest score; of missed ones those with the lowest.

    One frame a sequence and kind, so that a single video does not fill the page.
    """
    counts = box_counts(frames, threshold, by_centre=False)
    places = [(place, frame) for one in sequences for place, frame in enumerate(one.frames)]
    highest = np.array([frame.scores.max(initial=0) for frame in frames])
    found, false, missed = counts.T
    wanted: dict[str, tuple[np.ndarray, Callable[[int], float]]] = {
        "found": ((found > 0) & (false == 0) & (missed == 0), lambda at: -float(highest[at])),
        "missed": (missed > 0, lambda at: float(highest[at])),
        "false alarms": (false > 0, lambda at: -float(highest[at])),
    }
    shown = []
    for kind, (fits, rank) in wanted.items():
        first_of: dict[str, int] = {}
        for at in sorted(np.flatnonzero(fits).tolist(), key=rank):
            first_of.setdefault(frames[at].sequence, at)
        for at in list(first_of.values())[:NUM_OF_A_KIND]:
            place, given = places[at]
            shown.append(ShownFrame(kind, place, given, frames[at], threshold))
    return shown


def write_figure(path: Path, shown: Sequence[ShownFrame], *, classes: Sequence[str]) -> None:
    """Write frames and boxes, wide frames at half, a third ... of their size.

    Args:
        path: An ``.npz`` file: ``picture0`` (H, W, 3) uint8, ``truth0`` (M, 4) and ``found0``
            (N, 4) in px of it, ``scores0`` (N,), ``labels0`` (N,), and so on; ``kinds``,
            ``sequences``, ``places`` and ``classes``.
        shown: The frames.
        classes: Names of the labels 1, 2, ... .

    Raises:
        DataError: A frame cannot be read.
    """
    arrays: dict[str, Any] = {
        "kinds": np.array([one.kind for one in shown], dtype=str),
        "sequences": np.array([one.scored.sequence for one in shown], dtype=str),
        "places": np.array([one.place for one in shown], dtype=np.int64),
        "classes": np.array(classes, dtype=str),
    }
    for number, one in enumerate(shown):
        picture = read_frame(one.given)
        step = math.ceil(picture.shape[1] / LARGEST_WIDTH_PX)
        size = (max(picture.shape[1] // step, 1), max(picture.shape[0] // step, 1))
        counted = one.scored.above(one.threshold)
        arrays[f"picture{number}"] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        arrays[f"truth{number}"] = one.scored.truth_xyxy / step
        arrays[f"found{number}"] = one.scored.boxes_xyxy[counted] / step
        arrays[f"scores{number}"] = one.scored.scores[counted]
        arrays[f"labels{number}"] = one.scored.labels[counted]
    with replacing(path) as draft:
        np.savez_compressed(draft, **arrays)
