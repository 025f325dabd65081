"""The convolutional stem of the segmenter: three stages of a ResNet-50 without batch statistics.

Big Transfer (Kolesnikov et al., ECCV 2020) as R50-ViT uses it (Dosovitskiy et al., ICLR 2021),
with each activation after its norm. Axes: N frames, C channels, H and W pixels.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_GROUPS = 32
"""Of a norm; one a channel where there are fewer channels."""

_GROUP_EPS = 1e-6
_CHANNEL_EPS = 1e-5
_STANDARDISE_EPS = 1e-5
EXPANSION = 4
_STAGES = {  # inner channels in widths, number of units, stride of the first unit
    "block1": (1, 3, 1),
    "block2": (2, 4, 2),
    "block3": (4, 9, 2),
}


class StandardisedConv2d(nn.Conv2d):
    """A convolution without bias whose weights have mean 0 and variance 1 in each output channel.

    Weight standardisation (Qiao et al., 2019) with the population variance.
    """

    def __init__(self, in_channels: int, out_channels: int, side: int, *, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, side, stride, side // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C_in, H, W) -> (N, C_out, H / stride, W / stride)``, sizes rounded up."""
        # Each output channel's weights are one row of a layer norm without scale and shift.
        weight = F.layer_norm(self.weight, self.weight.shape[1:], eps=_STANDARDISE_EPS)
        return F.conv2d(x, weight, stride=self.stride, padding=self.padding)


class GroupNorm(nn.GroupNorm):
    """Its channels in groups, each group with mean 0 and variance 1, then a gain and a bias.

    PyTorch's own sums the pixels of a map of ours one after the other on a CPU: at 1/2 of a frame
    it is ten times less exact, which the following layers amplify; and it refuses single pixels.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W) -> (N, C, H, W)``."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        grouped = (len(x), self.num_groups, -1)  # (N, G, C/G)
        mean = wide.mean((2, 3)).view(grouped).mean(2, keepdim=True)  # (N, G, 1)
        mean_square = wide.square().mean((2, 3)).view(grouped).mean(2, keepdim=True)
        variance = (mean_square - mean.square()).clamp_min(0)
        scale = torch.rsqrt(variance + self.eps) * self.weight.view(grouped[1:])  # (N, G, C/G)
        shift = self.bias.view(grouped[1:]) - mean * scale
        scale, shift = (table.flatten(1)[..., None, None] for table in (scale, shift))
        return torch.addcmul(shift, wide, scale).to(x.dtype)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 (with the stride) and 1 x 1 convolution to four times the inner channels.

    The input is added before the last activation, through a convolution of its own where its
    shape differs.
    """

    def __init__(self, *, in_channels: int, inner_channels: int, stride: int) -> None:
        super().__init__()
        out_channels = EXPANSION * inner_channels
        self.conv1 = StandardisedConv2d(in_channels, inner_channels, 1)
        self.gn1 = _norm(inner_channels)
        self.conv2 = StandardisedConv2d(inner_channels, inner_channels, 3, stride=stride)
        self.gn2 = _norm(inner_channels)
        self.conv3 = StandardisedConv2d(inner_channels, out_channels, 1)
        self.gn3 = _norm(out_channels)
        self.downsample: StandardisedConv2d | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = StandardisedConv2d(in_channels, out_channels, 1, stride=stride)
            self.gn_proj = GroupNorm(out_channels, out_channels, eps=_CHANNEL_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C_in, H, W) -> (N, C_out, H / stride, W / stride)``, sizes rounded up."""
        shortcut = x if self.downsample is None else self.gn_proj(self.downsample(x))
        y = F.relu(self.gn1(self.conv1(x)), inplace=True)
        y = F.relu(self.gn2(self.conv2(y)), inplace=True)
        y = self.gn3(self.conv3(y))
        y += shortcut
        return F.relu(y, inplace=True)


class ResNetV2(nn.Module):
    """Each frame becomes a map of 16 W channels at 1/16, and three finer maps on the way.

    Args:
        width: Channels W of the finest map, 64 in a ResNet-50; a multiple of 32, or fewer.
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        conv = StandardisedConv2d(3, width, 7, stride=2)
        self.root = nn.Sequential(OrderedDict(conv=conv, gn=_norm(width)))
        self.body = nn.ModuleDict()
        in_channels = width
        for name, (num_widths, num_units, stride) in _STAGES.items():
            inner_channels = num_widths * width
            units = OrderedDict[str, nn.Module]()
            for i in range(num_units):
                units[f"unit{i + 1}"] = Bottleneck(
                    in_channels=in_channels,
                    inner_channels=inner_channels,
                    stride=1 if i else stride,
                )
                in_channels = EXPANSION * inner_channels
            self.body[name] = nn.Sequential(units)

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """The maps from coarse to fine; H and W are multiples of 16.

        ``(N, 3, H, W) -> (N, 16 W, H/16, W/16), (N, 8 W, H/8, W/8), (N, 4 W, H/4, W/4),
        (N, W, H/2, W/2)``, where the channels' W is the stem's width.
        """
        # With the channels of a pixel side by side, convolutions need no copies in another order.
        x = frames.contiguous(memory_format=torch.channels_last)
        maps = [F.relu(self.root(x), inplace=True)]  # (N, C, H/2, W/2)
        x = F.max_pool2d(maps[0], 3, 2)  # (N, C, H/4 - 1, W/4 - 1)
        for stage in self.body.values():
            x = stage(x)
            maps.append(x)
        maps[1] = F.pad(maps[1], (0, 1, 0, 1))  # (N, C, H/4, W/4), zeros below and to the right
        return tuple(reversed(maps))


def _norm(num_channels: int) -> GroupNorm:
    return GroupNorm(min(NUM_GROUPS, num_channels), num_channels, eps=_GROUP_EPS)
