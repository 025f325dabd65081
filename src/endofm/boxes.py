"""Boxes: what is found in a frame, how much boxes overlap, and which of several to keep.

Boxes are (x1, y1, x2, y2) in pixels, x to the right, y down. Axes: N and M boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


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
    low = torch.maximum(first[:, None, :2], second[:, :2])
    high = torch.minimum(first[:, None, 2:], second[:, 2:])
    intersection = (high - low + add_px).clamp(min=0).prod(-1)  # (N, M)
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
        overlap = (pairwise_iou(boxes, boxes, add_px=add_px) > iou_from).cpu().numpy()
        gone = np.zeros(len(own), dtype=bool)
        for index in range(len(own)):
            if not gone[index]:
                gone[index + 1 :] |= overlap[index, index + 1 :]
        kept[own[torch.from_numpy(~gone).to(own.device)]] = True
    return found.chosen(kept)
