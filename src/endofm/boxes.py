"""Boxes: what is found in a frame, how much boxes overlap, and which of several to keep.

Boxes are (x1, y1, x2, y2) in pixels, x to the right, y down. Axes: N and M boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ROWS_AT_ONCE = 64
"""Boxes that suppression compares with all others in one step: what is in work stays in cache."""


@dataclass(frozen=True)
class Detections:
    """The boxes found in one frame, the surest first."""

    boxes_xyxy: Tensor
    """(N, 4) float, px of the frame."""
    scores: Tensor
    """(N,) float in 0..1, descending."""
    labels: Tensor
    """(N,) int64 from 1: the class's place in the list of classes, counted from one."""

    def __len__(self) -> int:
        return len(self.scores)

    def chosen(self, which: Tensor | slice) -> Detections:
        """Some of them, by a mask, by indices, or a stretch."""
        return Detections(self.boxes_xyxy[which], self.scores[which], self.labels[which])


def sizes(boxes_xyxy: Tensor) -> Tensor:
    """Width and height, ``(..., 4) -> (..., 2)``; negative where a box is inverted."""
    return boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]


def pairwise_iou(first: Tensor, second: Tensor, *, add_px: float = 0) -> Tensor:
    """Intersection over union of each with each, ``(N, 4), (M, 4) -> (N, M)`` in 0..1.

    Args:
        first: The rows.
        second: The columns.
        add_px: Added to every width and height; 1 where x2 is the last pixel inside.

    A pair without area together has an IoU of 0.
    """
    # Side by side, so that each step runs along the columns as they lie in memory.
    left, top, right, bottom = first.mT[..., None]  # each (N, 1)
    x1, y1, x2, y2 = second.mT.contiguous()  # each (M,)
    width = (torch.minimum(right, x2) - torch.maximum(left, x1) + add_px).clamp(min=0)
    height = (torch.minimum(bottom, y2) - torch.maximum(top, y1) + add_px).clamp(min=0)
    intersection = width * height  # (N, M)
    areas = [(sizes(boxes) + add_px).prod(-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1] - intersection
    return torch.where(union > 0, intersection / union, torch.zeros_like(union))


def clip_boxes(boxes_xyxy: Tensor, *, size_hw: tuple[int, int]) -> Tensor:
    """With every corner on a pixel of the frame, ``(N, 4) -> (N, 4)``."""
    height, width = size_hw
    highest = boxes_xyxy.new_tensor([width - 1, height - 1, width - 1, height - 1])
    return boxes_xyxy.clamp(min=0).minimum(highest)


def nms(found: Detections, *, iou_from: float, add_px: float = 0) -> Detections:
    """Non-maximum suppression: of boxes of a class that overlap, the surest; the surest first.

    Args:
        found: Boxes in any order.
        iou_from: A box goes if its IoU with a kept one is above this.
        add_px: As for ``pairwise_iou``.
    """
    order = found.scores.argsort(descending=True, stable=True)
    found = found.chosen(order)
    kept = torch.zeros(len(found), dtype=torch.bool, device=found.scores.device)
    for label in found.labels.unique().tolist():
        own = (found.labels == label).nonzero()[:, 0]
        boxes = found.boxes_xyxy[own]
        gone = np.zeros(len(own), dtype=bool)
        for start in range(0, len(own), ROWS_AT_ONCE):
            rows = start + np.flatnonzero(~gone[start : start + ROWS_AT_ONCE])
            iou = pairwise_iou(boxes[torch.from_numpy(rows).to(boxes.device)], boxes, add_px=add_px)
            for row, overlaps in zip(rows, (iou > iou_from).cpu().numpy(), strict=True):
                if not gone[row]:
                    gone[row + 1 :] |= overlaps[row + 1 :]
        kept[own[torch.from_numpy(~gone).to(own.device)]] = True
    return found.chosen(kept)
