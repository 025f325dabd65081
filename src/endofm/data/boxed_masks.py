"""Boxes around the lesions of masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.data.boxed import BoxedFrame, BoxedSequence, BoxedSet, BoxXYXY
from endofm.data.masks import THRESHOLD, read_mask
from endofm.data.segmented import SegmentedSet

LEAST_PX = 16
"""A smaller spot of a mask is taken for a slip of the pen."""


def boxes_of_mask(mask: NDArray[np.bool_]) -> tuple[BoxXYXY, ...]:
    """A box around each connected part of a mask (H, W), corners counting as connected."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    boxes = []
    for left, top, width, height, area in stats[1:count].tolist():
        if area >= LEAST_PX:
            edges = (left, top, left + width, top + height)
            boxes.append((float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3])))
    return tuple(boxes)


def boxed_from_masks(
    segmented: SegmentedSet,
    *,
    label: str,
    threshold: int = THRESHOLD,
    progress: Callable[[int, int], None] | None = None,
) -> BoxedSet:
    """The same sequences and splits with boxes of one class instead of masks.

    Args:
        segmented: Frames with masks.
        label: What the class is called.
        threshold: Least value of a mask that is lesion, 1 to 255.
        progress: Called with (frames done, frames altogether) after each frame.

    Raises:
        DataError: A mask cannot be read.
    """
    sequences = dict.fromkeys(one for part in segmented.splits.values() for one in part)
    total = sum(len(one.frames) for one in sequences)
    done = 0
    boxed: dict[object, BoxedSequence] = {}
    for sequence in sequences:
        frames = []
        for picture, mask in zip(sequence.frames, sequence.masks, strict=True):
            frames.append(_frame(picture, boxes_of_mask(read_mask(mask, threshold=threshold))))
            done += 1
            if progress:
                progress(done, total)
        boxed[sequence] = BoxedSequence(sequence.name, tuple(frames), sequence.group)
    splits = {
        split: tuple(boxed[sequence] for sequence in part)
        for split, part in segmented.splits.items()
    }
    return BoxedSet((label,), splits, segmented.notes)


def _frame(picture: Path, boxes: tuple[BoxXYXY, ...]) -> BoxedFrame:
    return BoxedFrame(picture, None, boxes, (1,) * len(boxes), ("",) * len(boxes))
