"""Help from neighbouring frames: spatial-temporal feature transformation.

Wu et al., "Multi-frame collaboration for effective endoscopic video polyp detection via
spatial-temporal feature transformation", MICCAI 2021. Axes: B current frames, R references of
each, F = 1 + R, C channels, K classes, H and W cells of a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from endofm.models.deform_conv import TAPS, deform_conv
from endofm.models.fcos import CellMaps, boxes_at_cells, cell_centres, initialise, prior_bias

OFFSET_GROUPS = 4


@dataclass(frozen=True)
class LevelOutput:
    """All that is known of one level of the current frames."""

    class_logits: Tensor
    """(B, K, H, W)."""
    centreness_logits: Tensor
    """(B, 1, H, W)."""
    distances_px: Tensor
    """(B, 4, H, W): from the cell's centre to left, top, right and bottom of its box."""
    boxes_xyxy: Tensor
    """(B, 4, H, W) px: the same as corners; no gradient passes."""
    stft_class_logits: Tensor
    """(B, K, H, W), with help from the references."""
    corrections: Tensor
    """(B, 4, H, W): what to add to the corners, in halves of the box's width and height."""
    stride: int
    """Pixels from cell to cell."""


class FeatureTransform(nn.Module):
    """References are aligned to the current frame, weighed by likeness, and added to it.

    Args:
        channels: C.
        num_classes: K.
    """

    def __init__(self, *, channels: int = 256, num_classes: int = 2) -> None:
        super().__init__()
        self.class_branch = Alignment(channels=channels)
        self.box_branch = Alignment(channels=channels)
        self.class_logits = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.corrections = nn.Conv2d(channels, 4, 3, padding=1)
        for part in (self.class_logits, self.corrections):
            initialise(part)
        assert self.class_logits.bias is not None
        nn.init.constant_(self.class_logits.bias, prior_bias())

    def forward(self, current: CellMaps, references: list[CellMaps]) -> LevelOutput:
        """One level: B current frames, and R times the B references to go with them."""
        distances = current.distances_px.detach()
        boxes = boxes_at_cells(distances, stride=current.stride)
        own = box_cues(distances, stride=current.stride)
        cues = [own] + [
            own - box_cues(one.distances_px.detach(), stride=one.stride) for one in references
        ]
        frames = [current, *references]
        class_maps = self.class_branch([frame.class_features for frame in frames], cues)
        box_maps = self.box_branch([frame.box_features for frame in frames], cues)
        return LevelOutput(
            class_logits=current.class_logits,
            centreness_logits=current.centreness_logits,
            distances_px=current.distances_px,
            boxes_xyxy=boxes,
            stft_class_logits=self.class_logits(class_maps),
            corrections=self.corrections(box_maps),
            stride=current.stride,
        )


class Alignment(nn.Module):
    """Frames' maps seen through deformable convolutions that their boxes steer, then joined."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        # No gradient reaches the offsets: they keep their random start, as published.
        self.offsets = nn.Conv2d(4, OFFSET_GROUPS * TAPS * 2, 1, bias=False)
        self.adaption = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.offsets.requires_grad_(requires_grad=False)
        for part in (self.offsets, self.adaption):
            initialise(part)

    def forward(self, maps: list[Tensor], cues: list[Tensor]) -> Tensor:
        """Of F maps (B, C, H, W), the current one first, and cues (B, 4, H, W): (B, C, H, W)."""
        current, *others = (self._aligned(x, cue) for x, cue in zip(maps, cues, strict=True))
        return attend(current, torch.stack(others, 1)) if others else current

    def _aligned(self, features: Tensor, cue: Tensor) -> Tensor:
        with torch.no_grad():
            offsets = self.offsets(cue)
        return deform_conv(features, offsets, self.adaption.weight).relu()


def box_cues(distances_px: Tensor, *, stride: int) -> Tensor:
    """Corners of each cell's box from the cell, in cells: ``(B, 4, H, W) -> (B, 4, H, W)``.

    Both are first brought onto the map, 0 to W - 1 and 0 to H - 1.
    """
    height, width = distances_px.shape[-2:]
    highest = distances_px.new_tensor([width - 1, height - 1])[:, None, None]
    corners = boxes_at_cells(distances_px, stride=stride) / stride
    centres = cell_centres((height, width), stride=stride, like=distances_px) / stride
    onto = centres.clamp(min=0).minimum(highest)
    corners = corners.unflatten(1, (2, 2)).clamp(min=0).minimum(highest)  # (B, 2, 2, H, W)
    return (corners - onto).flatten(1, 2)


def attend(current: Tensor, others: Tensor) -> Tensor:
    """Add to each channel the same of the others, weighed by how like they are to it.

    Args:
        current: (B, C, H, W).
        others: (B, R, C, H, W).

    Returns:
        (B, C, H, W): ``current`` plus the sum over R of softmax(current . other / sqrt(H*W)) other.
    """
    size = current.shape[-2:].numel()
    likeness = (current[:, None] * others).sum((-2, -1)) / size**0.5  # (B, R, C)
    return current + (likeness.softmax(1)[..., None, None] * others).sum(1)
