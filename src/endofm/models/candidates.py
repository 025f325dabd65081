"""From what is known of every cell to the boxes that are found in a frame.

METHOD.md's order of FCOS with STFT: threshold, the best of each level, correction, suppression,
the best of all. Axes: B frames, K classes, H and W cells of a level, N boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from endofm.boxes import Detections, clip_boxes, nms, sizes
from endofm.models.stft import LevelOutput


@dataclass(frozen=True)
class Choice:
    """What counts as found; the values are the original's."""

    score_from: float = 0.05
    """A cell's class is kept above this: sqrt(class x centre-ness)."""
    most_a_level: int = 1000
    """Cells and classes that go on from each level."""
    iou_from: float = 0.6
    """A box that overlaps a surer one of its class by more is the same lesion."""
    most: int = 300
    """Boxes of a frame."""
    keep_inverted: bool = True
    """Keep boxes whose sides are above -1 px, as published, not only those that cover something."""


def detections(
    outputs: Sequence[LevelOutput], *, size_hw: tuple[int, int], choice: Choice
) -> list[Detections]:
    """The boxes of each frame, the surest first.

    Args:
        outputs: Every level of the same B frames.
        size_hw: Of the frames, to which boxes are clipped.
        choice: What counts as found.
    """
    num_frames = len(outputs[0].class_logits)
    return [_of_frame(outputs, frame, size_hw, choice) for frame in range(num_frames)]


def _of_frame(
    outputs: Sequence[LevelOutput], frame: int, size_hw: tuple[int, int], choice: Choice
) -> Detections:
    levels = [_of_level(level, frame, choice) for level in outputs]
    joined = Detections(
        torch.cat([level.boxes_xyxy for level in levels]),
        torch.cat([level.scores for level in levels]),
        torch.cat([level.labels for level in levels]),
    )
    found = nms(joined, iou_from=choice.iou_from).chosen(slice(choice.most))
    boxes = clip_boxes(found.boxes_xyxy, size_hw=size_hw)
    inside = Detections(boxes, found.scores, found.labels)
    covers = sizes(boxes) >= -1 if choice.keep_inverted else sizes(boxes) > 0
    return inside.chosen(covers.all(-1))


def _of_level(level: LevelOutput, frame: int, choice: Choice) -> Detections:
    """Candidates of one level, corrected, not yet clipped."""
    single = (level.class_logits[frame].sigmoid() * level.centreness_logits[frame].sigmoid()).sqrt()
    score = (single * level.stft_class_logits[frame].sigmoid()).sqrt()  # (K, H, W)
    by_cell = [x.flatten(1).mT for x in (single, score)]  # each (H*W, K)
    candidates = (by_cell[0] > choice.score_from).nonzero()  # (N, 2)
    scores = by_cell[1][candidates[:, 0], candidates[:, 1]]
    if len(scores) > choice.most_a_level:
        best = scores.topk(choice.most_a_level).indices
        candidates, scores = candidates[best], scores[best]
    cells = candidates[:, 0]
    boxes = level.boxes_xyxy[frame].flatten(1).mT[cells]  # (N, 4)
    corrections = level.corrections[frame].flatten(1).mT[cells]
    half: Tensor = sizes(boxes).repeat(1, 2) / 2
    return Detections(boxes + corrections * half, scores, candidates[:, 1] + 1)
