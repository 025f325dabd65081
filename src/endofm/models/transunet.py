"""The segmenter: a convolutional stem, the backbone's blocks on its map, and a decoder.

TransUNet (Chen et al., 2021) with the blocks of Endo-FM inside (Wang et al., MICCAI 2023), which
let the frames of a sequence see each other. Axes: B sequences, T frames, N frames of any sequence,
H and W pixels, h = H/16 and w = W/16, P = h*w patches a frame, C channels, D those of the
backbone, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise, zip_longest
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from endofm.errors import ConfigError
from endofm.models.resnetv2 import ResNetV2
from endofm.models.timesformer import PATCH_PX, TimeSformer

SLICE_FRAMES = 8
"""Most frames that pass the convolutions together, where each frame can pass alone."""

CPU_SLICE_FRAMES = 2
"""The same on a CPU: maps of two frames reuse memory, those of eight are fresh memory each time."""


class TransUNet(nn.Module):
    """Logits of every pixel of every frame; each frame sees its whole sequence.

    Args:
        backbone: Becomes part of the network. It loses its ``patch_embed``, ``pos_embed`` and
            ``time_embed``, because tokens come from the stem. Its ``checkpointing`` holds for the
            stem and the decoder, too.
        num_classes: Outputs K.
        width: Channels of the stem's finest map, to which all others of stem and decoder are in
            proportion: 64 in the original; a multiple of 32, or 16.
        grid: Side in patches of the stored ``pos_embed``; frames may have any size in patches.
        dropout: Rate for the tokens before the first block; works in training alone.

    Raises:
        ConfigError: The dropout is not in [0, 1), or the width cannot be split into groups.
    """

    def __init__(
        self,
        backbone: TimeSformer,
        *,
        num_classes: int = 2,
        width: int = 64,
        grid: int = 14,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ConfigError(f"dropout is {dropout}", hint="give a rate from 0 to below 1")
        if width != 16 and (width < 1 or width % 32):
            raise ConfigError(f"width is {width}", hint="give 16 or a multiple of 32")
        del backbone.patch_embed, backbone.pos_embed, backbone.time_embed
        self.grid = grid
        self.stem = ResNetV2(width=width)
        self.proj = nn.Conv2d(16 * width, backbone.embed_dim, 1)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid**2, backbone.embed_dim))
        self.dropout = nn.Dropout(dropout)
        self.backbone = backbone
        self.decoder = Decoder(in_channels=backbone.embed_dim, width=width)
        self.head = nn.Conv2d(width // 4, num_classes, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits: ``(B, T, 3, H, W) -> (B, T, K, H, W)``.

        Raises:
            ConfigError: The frames are not floating point, not 5-D, have not 3 channels or are
                none, or H or W is no multiple of 16.
        """
        _check(frames)
        recompute = self.backbone.checkpointing and self.training and torch.is_grad_enabled()
        pieces = [
            _pass(self._embed, piece, recompute=recompute)
            for piece in _slices(frames.flatten(0, 1))
        ]
        patches, *skips = zip(*pieces, strict=True)  # each of (N, C, ...)
        maps = self._encode(torch.cat(patches), num_frames=frames.shape[1])
        if self.training:  # the decoder's batch norm needs all frames
            whole = map(torch.cat, skips)
            logits = self.head(self.decoder(maps, *whole, recompute=recompute))
        else:
            levels = zip(_slices(maps), *skips, strict=True)
            logits = torch.cat([self.head(self.decoder(*level)) for level in levels])
        return logits.unflatten(0, frames.shape[:2])

    def _embed(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Patches with their position, ``(N, 3, H, W) -> (N, D, h, w)``, and the stem's skips."""
        features, *skips = self.stem(frames)
        return self.proj(features) + self._positions(*features.shape[2:]), *skips

    def _positions(self, rows: int, columns: int) -> Tensor:
        """As stored for the stored grid; for another a blend, so that neighbours still differ."""
        stored = self.pos_embed.mT.unflatten(2, (self.grid, self.grid))  # (1, D, grid, grid)
        return F.interpolate(stored, (rows, columns), mode="bilinear")  # (1, D, h, w)

    def _encode(self, patches: Tensor, *, num_frames: int) -> Tensor:
        """Class token, blocks and norm of the backbone: ``(N, D, h, w) -> (N, D, h, w)``."""
        x = patches.unflatten(0, (-1, num_frames)).permute(0, 3, 4, 1, 2)  # (B, h, w, T, D)
        tokens = self.dropout(x.flatten(1, 3))  # (B, P*T, D)
        class_token = self.backbone.cls_token.expand(len(tokens), -1, -1)
        tokens = torch.cat([class_token, tokens], 1)  # (B, 1 + P*T, D)
        encoded = self.backbone.encode(tokens, num_frames=num_frames)[:, 1:]
        return encoded.view(x.shape).permute(0, 3, 4, 1, 2).flatten(0, 1)


class Decoder(nn.Module):
    """From 1/16 up to full size, joined by the stem's maps on the way."""

    def __init__(self, *, in_channels: int, width: int) -> None:
        super().__init__()
        channels = (8 * width, 4 * width, 2 * width, width, width // 4)  # at 1/16, ..., 1/1
        skips = (8 * width, 4 * width, width, 0)
        self.conv_more = _convolution(in_channels, channels[0])
        self.blocks = nn.ModuleList(
            DecoderBlock(in_channels=below + skip, out_channels=above)
            for (below, above), skip in zip(pairwise(channels), skips, strict=True)
        )

    def forward(self, x: Tensor, *skips: Tensor, recompute: bool = False) -> Tensor:
        """``(N, D, h, w)`` and the maps at 1/8, 1/4 and 1/2 ``-> (N, C, H, W)``.

        With ``recompute`` the widest maps are not kept for the backward pass.
        """
        x = x.contiguous(memory_format=torch.channels_last)  # as the skips are
        x = F.relu(self.conv_more(x), inplace=True)
        for block, skip in zip_longest(self.blocks, skips):
            x = block(x, *([] if skip is None else [skip]), recompute=recompute)
        return x


class DecoderBlock(nn.Module):
    """To twice the size, then two convolutions, the first of which sees a skip, too."""

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = _convolution(in_channels, out_channels)
        self.conv2 = _convolution(out_channels, out_channels)

    def forward(self, x: Tensor, *skip: Tensor, recompute: bool = False) -> Tensor:
        """``(N, C, h, w)`` and perhaps ``(N, C_skip, 2h, 2w) -> (N, C_out, 2h, 2w)``."""
        # Without the batch norm, whose running statistics must see each batch once.
        x = _pass(self._widen, x, *skip, recompute=recompute)
        x = F.relu(self.conv1[1](x), inplace=True)
        return F.relu(self.conv2(x), inplace=True)

    def _widen(self, x: Tensor, *skip: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return self.conv1[0](torch.cat([x, *skip], 1) if skip else x)


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels))


def _pass(part: Callable[..., Any], *inputs: Tensor, recompute: bool) -> Any:
    """The part's output; with ``recompute`` it keeps its inputs alone and is computed twice."""
    return checkpoint(part, *inputs, use_reentrant=False) if recompute else part(*inputs)


def _slices(x: Tensor) -> tuple[Tensor, ...]:
    most = CPU_SLICE_FRAMES if x.device.type == "cpu" else SLICE_FRAMES
    return x.chunk(math.ceil(len(x) / most))


def _check(frames: Tensor) -> None:
    shape = tuple(frames.shape)
    if frames.ndim != 5 or shape[2] != 3 or 0 in shape[:2]:
        raise ConfigError(
            f"frames of shape {shape} are not (B, T, 3, H, W)",
            hint="stack RGB frames along the second axis and add a batch axis",
        )
    if not frames.is_floating_point():
        raise ConfigError(
            f"frames of shape {shape} hold {frames.dtype}", hint="normalise them to floating point"
        )
    height, width = shape[3:]
    if height % PATCH_PX or width % PATCH_PX or not height or not width:
        raise ConfigError(
            f"frames of {height} x {width} px do not split into {PATCH_PX} x {PATCH_PX} patches",
            hint=f"resize or crop height and width to multiples of {PATCH_PX} px",
        )
