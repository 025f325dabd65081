"""From a vision transformer's one map to a pyramid of five.

Simple up- and downsampling as in ViTDet's forerunners, then a feature pyramid (Lin et al., CVPR
2017) with the two coarser levels of RetinaNet. Axes: N frames, D channels of the backbone, C of
the pyramid, h = H/16 and w = W/16.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

STRIDES = (8, 16, 32, 64, 128)
"""Pixels from cell to cell of each level."""


class FeaturePyramid(nn.Module):
    """Five maps of C channels from one of D.

    Args:
        in_channels: D.
        channels: C.
    """

    def __init__(self, *, in_channels: int, channels: int = 256) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels, 2, 2)
        self.inner = nn.ModuleList(nn.Conv2d(in_channels, channels, 1) for _ in range(3))
        self.outer = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
        self.coarser = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, stride=2, padding=1) for _ in range(2)
        )
        for part in (*self.inner, *self.outer, *self.coarser):
            nn.init.kaiming_uniform_(part.weight, a=1)
            nn.init.zeros_(part.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """``(N, D, h, w)``, h and w even, ``->`` five of ``(N, C, H/stride, W/stride)``."""
        scales = (self.up(features), features, F.max_pool2d(features, 2))
        fine, middle, coarse = (part(scale) for part, scale in zip(self.inner, scales, strict=True))
        middle = middle + _twice(coarse)
        fine = fine + _twice(middle)
        levels = [part(x) for part, x in zip(self.outer, (fine, middle, coarse), strict=True)]
        levels.append(self.coarser[0](levels[-1]))
        levels.append(self.coarser[1](F.relu(levels[-1])))
        return tuple(levels)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
