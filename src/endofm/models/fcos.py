"""The FCOS head: at every cell of a map a class, a box, and how central the cell lies in it.

Tian et al., "FCOS: fully convolutional one-stage object detection", ICCV 2019. Axes: N frames,
C channels, K classes, H and W cells of a level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

TOWER_LAYERS = 4
INIT_STD = 0.01
PRIOR = 0.01
"""Probability of a class at a cell before training, as focal loss asks for (Lin et al., 2017)."""


@dataclass(frozen=True)
class CellMaps:
    """What the head makes of one level of some frames."""

    class_features: Tensor
    """(N, C, H, W), the class tower."""
    box_features: Tensor
    """(N, C, H, W), the box tower."""
    class_logits: Tensor
    """(N, K, H, W)."""
    centreness_logits: Tensor
    """(N, 1, H, W)."""
    distances_px: Tensor
    """(N, 4, H, W): from the cell's centre to the box's left, top, right and bottom, at least 0."""
    stride: int
    """Pixels from cell to cell."""

    def frames(self, which: slice | Tensor) -> CellMaps:
        """The same of some of the frames."""
        return CellMaps(
            class_features=self.class_features[which],
            box_features=self.box_features[which],
            class_logits=self.class_logits[which],
            centreness_logits=self.centreness_logits[which],
            distances_px=self.distances_px[which],
            stride=self.stride,
        )


def joined(levels: Sequence[CellMaps]) -> CellMaps:
    """The same level of several frames as one, in order."""
    names = [field.name for field in fields(CellMaps) if field.name != "stride"]
    maps = {name: torch.cat([getattr(level, name) for level in levels]) for name in names}
    return CellMaps(**maps, stride=levels[0].stride)


class FCOSHead(nn.Module):
    """Two towers of convolutions, shared by all levels, and what is read from them.

    Args:
        channels: C, a multiple of 32, at least 64.
        num_classes: K.
        num_levels: Levels that will come; each has its own scale for the distances.
    """

    def __init__(self, *, channels: int = 256, num_classes: int = 2, num_levels: int = 5) -> None:
        super().__init__()
        self.class_tower = _tower(channels)
        self.box_tower = _tower(channels)
        self.class_logits = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.distances = nn.Conv2d(channels, 4, 3, padding=1)
        self.centreness = nn.Conv2d(channels, 1, 3, padding=1)
        self.scales = nn.ParameterList(torch.ones(1) for _ in range(num_levels))
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                initialise(part)
        assert self.class_logits.bias is not None
        nn.init.constant_(self.class_logits.bias, prior_bias())

    def forward(self, level: Tensor, *, index: int, stride: int) -> CellMaps:
        """One level of the pyramid, ``(N, C, H, W)``."""
        class_features = self.class_tower(level)
        box_features = self.box_tower(level)
        return CellMaps(
            class_features=class_features,
            box_features=box_features,
            class_logits=self.class_logits(class_features),
            centreness_logits=self.centreness(box_features),
            distances_px=(self.distances(box_features) * self.scales[index]).relu() * stride,
            stride=stride,
        )


def cell_centres(size_hw: tuple[int, int], *, stride: int, like: Tensor) -> Tensor:
    """Where each cell of a level lies in the frame: (2, H, W), x then y, in px."""
    height, width = size_hw
    along = [(torch.arange(n, device=like.device) + 0.5) * stride for n in (width, height)]
    x, y = torch.meshgrid(*along, indexing="xy")
    return torch.stack([x, y]).to(like.dtype)


def boxes_at_cells(distances_px: Tensor, *, stride: int) -> Tensor:
    """The box that each cell proposes, x1, y1, x2, y2 in px: ``(N, 4, H, W) -> (N, 4, H, W)``."""
    height, width = distances_px.shape[-2:]
    centres = cell_centres((height, width), stride=stride, like=distances_px)
    return torch.cat([centres - distances_px[:, :2], centres + distances_px[:, 2:]], 1)


def initialise(convolution: nn.Conv2d) -> None:
    """As FCOS starts the convolutions of its head: normal weights of 0.01, no bias."""
    nn.init.normal_(convolution.weight, std=INIT_STD)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


def prior_bias() -> float:
    """The bias of class logits that gives ``PRIOR``."""
    return -math.log((1 - PRIOR) / PRIOR)


def _tower(channels: int) -> nn.Sequential:
    return nn.Sequential(
        *(
            layer
            for _ in range(TOWER_LAYERS)
            for layer in (
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.GroupNorm(32, channels),
                nn.ReLU(),
            )
        )
    )
