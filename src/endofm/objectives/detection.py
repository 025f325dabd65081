"""What a detector should have said of every cell, and the five losses that compare.

FCOS (Tian et al., ICCV 2019) and STFT (Wu et al., MICCAI 2021). Axes: B frames, L cells of all
levels together, K classes, M boxes of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from endofm.boxes import pairwise_iou, sizes

CENTRE_STRIDES = 1.5
"""A cell answers for a box whose centre is nearer than this."""
RANGES_PX = ((0, 64), (64, 128), (128, 256), (256, 512), (512, float("inf")))
"""A level answers for boxes whose farthest side is this far from the cell."""
STFT_IOU_FROM = 0.1
FOCAL_ALPHA = 0.25
FOCAL_GAMMA = 2.0
SMOOTH_L1_BETA = 0.11


@dataclass(frozen=True)
class Cells:
    """Where the cells of all levels lie."""

    centres_xy: Tensor
    """(L, 2) px."""
    strides: Tensor
    """(L,) px."""
    levels: Tensor
    """(L,) int64, place of the level in ``RANGES_PX``."""


@dataclass(frozen=True)
class CellPredictions:
    """What the network says of each cell."""

    class_logits: Tensor  # (B, L, K)
    centreness_logits: Tensor  # (B, L)
    distances_px: Tensor  # (B, L, 4): left, top, right, bottom
    boxes_xyxy: Tensor  # (B, L, 4) px, without gradient
    stft_class_logits: Tensor  # (B, L, K)
    corrections: Tensor  # (B, L, 4)


@dataclass(frozen=True)
class CellTargets:
    """What it should have said."""

    labels: Tensor  # (B, L) int64: 0 is background, k + 1 class k
    distances_px: Tensor  # (B, L, 4), at positive cells
    centreness: Tensor  # (B, L) in 0..1, 0 at background
    stft_labels: Tensor  # (B, L) int64
    corrections: Tensor  # (B, L, 4), at cells that are positive for STFT

    def counts(self) -> Tensor:
        """Positive cells, the sum of their centre-ness, and STFT's positive cells: (3,) float."""
        return torch.stack(
            [
                (self.labels > 0).sum().float(),
                self.centreness.sum().float(),
                (self.stft_labels > 0).sum().float(),
            ]
        )


class DetectionLoss(NamedTuple):
    """The five terms; the method's loss is their plain sum."""

    classes: Tensor
    boxes: Tensor
    centreness: Tensor
    stft_classes: Tensor
    stft_boxes: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return torch.stack(self).sum()


def cell_targets(
    cells: Cells, proposed_xyxy: Tensor, boxes_xyxy: Sequence[Tensor], labels: Sequence[Tensor]
) -> CellTargets:
    """Which box each cell answers for.

    Args:
        cells: All L of them.
        proposed_xyxy: (B, L, 4) px, each cell's own box; it decides STFT's targets.
        boxes_xyxy: Of each frame (M, 4) px, M from 0.
        labels: Of each frame (M,) int64 from 1.
    """
    rows = []
    for frame, (boxes, kinds) in enumerate(zip(boxes_xyxy, labels, strict=True)):
        own = proposed_xyxy[frame].detach()
        if len(boxes):
            rows.append((*_fcos_targets(cells, boxes, kinds), *_stft_targets(own, boxes, kinds)))
        else:
            background = cells.levels.new_zeros(len(cells.levels))
            nothing = torch.zeros_like(own)
            rows.append((background, nothing, nothing[:, 0], background, nothing))
    return CellTargets(*(torch.stack(column) for column in zip(*rows, strict=True)))


def divisors(counts: Tensor, *, num_processes: int = 1) -> Tensor:
    """What each process divides its sums by so that their mean is the loss of all frames.

    The original takes 1 where the mean over processes is less; several processes would then learn
    something else than one with all frames does.

    Args:
        counts: (3,) as from ``CellTargets.counts``, summed over processes.
        num_processes: So many.
    """
    return counts.clamp(min=1) / num_processes


def detection_loss(
    predicted: CellPredictions, targets: CellTargets, divided_by: Tensor
) -> DetectionLoss:
    """The five losses.

    Args:
        predicted: What the network says.
        targets: What it should have said.
        divided_by: (3,) as from ``divisors``.
    """
    num_positive, sum_centreness, num_stft = divided_by
    positive = targets.labels > 0
    wanted = targets.centreness[positive]
    overlap = giou_of_distances(predicted.distances_px[positive], targets.distances_px[positive])
    stft_positive = targets.stft_labels > 0
    corrections = F.smooth_l1_loss(
        predicted.corrections[stft_positive],
        targets.corrections[stft_positive],
        beta=SMOOTH_L1_BETA,
        reduction="sum",
    )
    centreness = F.binary_cross_entropy_with_logits(
        predicted.centreness_logits[positive], wanted, reduction="sum"
    )
    return DetectionLoss(
        classes=focal_loss(predicted.class_logits, targets.labels) / num_positive,
        boxes=((1 - overlap) * wanted).sum() / sum_centreness,
        centreness=centreness / num_positive,
        stft_classes=focal_loss(predicted.stft_class_logits, targets.stft_labels) / num_stft,
        stft_boxes=corrections / num_stft,
    )


def focal_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over cells and classes of focal loss (Lin et al., ICCV 2017, equation 5).

    Args:
        logits: (..., K).
        labels: (...) int64, 0 is background, k + 1 class k.
    """
    classes = torch.arange(1, logits.shape[-1] + 1, device=labels.device)
    truth = (labels[..., None] == classes).to(logits.dtype)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    wrong = torch.where(truth > 0, 1 - logits.sigmoid(), logits.sigmoid())
    weight = torch.where(truth > 0, FOCAL_ALPHA, 1 - FOCAL_ALPHA)
    return (weight * wrong**FOCAL_GAMMA * cross_entropy).sum()


def giou_of_distances(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Generalised IoU (Rezatofighi et al., CVPR 2019) of boxes around the same cell.

    Args:
        predicted: (N, 4), distances to left, top, right and bottom, at least 0.
        wanted: (N, 4), above 0.

    Returns:
        (N,) in -1..1.
    """
    areas = [_extent(distances).prod(-1) for distances in (predicted, wanted)]
    intersection = _extent(torch.minimum(predicted, wanted)).prod(-1)
    hull = _extent(torch.maximum(predicted, wanted)).prod(-1)
    union = areas[0] + areas[1] - intersection
    return intersection / union - (hull - union) / hull


def centreness_of(distances_px: Tensor) -> Tensor:
    """How central a cell lies in its box: ``(..., 4) -> (...)`` in 0..1 (Tian et al., equation 3).

    Args:
        distances_px: To left, top, right and bottom, above 0.
    """
    pairs = distances_px.unflatten(-1, (2, 2))  # (..., near sides then far sides, x then y)
    return (pairs.amin(-2) / pairs.amax(-2)).prod(-1).sqrt()


def _extent(distances: Tensor) -> Tensor:
    """Width and height: ``(N, 4) -> (N, 2)``."""
    return distances[:, :2] + distances[:, 2:]


def _fcos_targets(cells: Cells, boxes: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Labels (L,), distances (L, 4) and centre-ness (L,) for boxes (M, 4), M above 0."""
    centres = cells.centres_xy[:, None]  # (L, 1, 2)
    distances = torch.cat([centres - boxes[:, :2], boxes[:, 2:] - centres], -1)  # (L, M, 4)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    reach = CENTRE_STRIDES * cells.strides[:, None]
    near = (centres - middle).abs().amax(-1) < reach  # (L, M)
    farthest = distances.amax(-1)
    low, high = distances.new_tensor(RANGES_PX)[cells.levels].T[..., None]
    fits = near & (distances.amin(-1) > 0) & (farthest >= low) & (farthest <= high)
    areas = torch.where(fits, sizes(boxes).prod(-1), torch.inf)  # (L, M)
    smallest, which = areas.min(1)
    positive = smallest.isfinite()
    chosen = distances[torch.arange(len(which), device=which.device), which]
    labels = torch.where(positive, kinds[which], 0)
    centreness = torch.zeros_like(smallest)
    centreness[positive] = centreness_of(chosen[positive])
    return labels, chosen, centreness


def _stft_targets(own: Tensor, boxes: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (L,) and corrections (L, 4) of cells that propose ``own`` (L, 4)."""
    overlap, which = pairwise_iou(own, boxes, add_px=1).max(1)
    size = sizes(own)
    positive = (overlap >= STFT_IOU_FROM) & (size > 0).all(-1)  # a point cannot be corrected
    half = torch.where(positive[:, None], size, 1).repeat(1, 2) / 2
    return torch.where(positive, kinds[which], 0), (boxes[which] - own) / half
