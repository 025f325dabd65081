"""The video transformer: TimeSformer with divided space-time attention.

Bertasius et al., "Is space-time attention all you need for video understanding?", ICML 2021.
Axes: B clips, T frames, H and W pixels, P = (H/16)(W/16) patches a frame, D channels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from endofm.errors import ConfigError
from endofm.models.layers import INIT_STD, NORM_EPS, Block, initialise_linear

PATCH_PX = 16


class TimeSformer(nn.Module):
    """A clip becomes one feature, or one token a patch and frame.

    Args:
        embed_dim: Channels D, a multiple of ``num_heads``.
        depth: Number of blocks.
        num_heads: Attention heads of a block.
        num_frames: Length of the stored ``time_embed``; clips may have any number of frames.
        grid: Side in patches of the stored ``pos_embed``; clips may have any size in patches.
        mlp_ratio: Hidden channels of a block's MLP over D.
        drop_path: Rate of the last block, reached linearly from 0; works in training alone.
        checkpointing: In training, keep only each block's input and compute the block twice.

    Raises:
        ConfigError: D does not split into the heads, or the drop path is not in [0, 1).
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        num_heads: int,
        num_frames: int = 8,
        grid: int = 14,
        mlp_ratio: float = 4,
        drop_path: float = 0.1,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ConfigError(
                f"embed_dim {embed_dim} cannot be split into {num_heads} heads",
                hint="make it a multiple of num_heads",
            )
        if not 0 <= drop_path < 1:
            raise ConfigError(f"drop_path is {drop_path}", hint="give a rate from 0 to below 1")
        self.embed_dim = embed_dim
        self.grid = grid
        self.checkpointing = checkpointing
        self.cls_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + grid**2, embed_dim))
        self.time_embed = nn.Parameter(torch.empty(1, num_frames, embed_dim))
        self.patch_embed = PatchEmbed(embed_dim=embed_dim)
        self.blocks = nn.ModuleList(
            Block(
                dim=embed_dim,
                num_heads=num_heads,
                mlp_ratio=mlp_ratio,
                drop_rate=drop_path * i / max(depth - 1, 1),
            )
            for i in range(depth)
        )
        self.norm = nn.LayerNorm(embed_dim, eps=NORM_EPS)
        self._initialise()

    def forward(self, clips: Tensor) -> Tensor:
        """One feature a clip: ``(B, 3, T, H, W) -> (B, D)``.

        Raises:
            ConfigError: As ``embed``.
        """
        tokens = self._through(self.blocks, self.embed(clips), clips.shape[2])
        return self.norm(tokens[:, 0])

    def tokens(self, clips: Tensor) -> Tensor:
        """Class token, then for each patch its T frames: ``(B, 3, T, H, W) -> (B, 1 + P*T, D)``.

        Raises:
            ConfigError: As ``embed``.
        """
        return self.encode(self.embed(clips), num_frames=clips.shape[2])

    def last_attention(self, clips: Tensor) -> Tensor:
        """Attention over space in the last block, summing to 1 over the last axis.

        ``(B, 3, T, H, W) -> (B*T, heads, 1 + P, 1 + P)``; token 0 is the class token.

        Raises:
            ConfigError: As ``embed``.
        """
        *first, last = self.blocks
        tokens = self._through(first, self.embed(clips), clips.shape[2])
        return cast(Block, last).space_weights(tokens, clips.shape[2])

    def embed(self, clips: Tensor) -> Tensor:
        """The blocks' input: patches with their position and time, behind the class token.

        ``(B, 3, T, H, W) -> (B, 1 + P*T, D)``.

        Raises:
            ConfigError: The clips are not floating point, not 5-D, have not 3 channels or no
                frame, or H or W is no multiple of 16.
        """
        _check(clips)
        batch, _, num_frames, height, width = clips.shape
        position = self._positions(height // PATCH_PX, width // PATCH_PX)  # (P, D)
        patches = self.patch_embed(clips) + (position[:, None] + self._times(num_frames))
        class_token = (self.cls_token + self.pos_embed[:, :1]).expand(batch, -1, -1)
        return torch.cat([class_token, patches.flatten(1, 2)], 1)  # (B, 1 + P*T, D)

    def encode(self, tokens: Tensor, *, num_frames: int) -> Tensor:
        """All blocks and the final norm: ``(B, 1 + P*T, D) -> (B, 1 + P*T, D)``."""
        return self.norm(self._through(self.blocks, tokens, num_frames))

    def _through(self, blocks: Iterable[nn.Module], tokens: Tensor, num_frames: int) -> Tensor:
        recompute = self.checkpointing and self.training and torch.is_grad_enabled()
        for block in blocks:
            if recompute:
                tokens = checkpoint(block, tokens, num_frames, use_reentrant=False)
            else:
                tokens = block(tokens, num_frames)
        return tokens

    def _positions(self, rows: int, columns: int) -> Tensor:
        stored = self.pos_embed[0, 1:].unflatten(0, (self.grid, self.grid))  # (grid, grid, D)
        row = self._nearest(self.grid, rows)
        column = self._nearest(self.grid, columns)
        return stored[row[:, None], column].flatten(0, 1)  # (P, D)

    def _times(self, num_frames: int) -> Tensor:
        return self.time_embed[0, self._nearest(self.time_embed.shape[1], num_frames)]  # (T, D)

    def _nearest(self, stored: int, wanted: int) -> Tensor:
        """Index of the stored entry for each wanted one: floor(i * stored / wanted), exactly."""
        return torch.arange(wanted, device=self.pos_embed.device) * stored // wanted

    def _initialise(self) -> None:
        for table in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(table, std=INIT_STD)
        nn.init.zeros_(self.time_embed)
        initialise_linear(self)
        for block in self.blocks:  # so that a new network starts without mixing over time
            nn.init.zeros_(cast(Block, block).temporal_fc.weight)


class PatchEmbed(nn.Module):
    """A 16 x 16 convolution of stride 16 on each frame."""

    def __init__(self, *, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, PATCH_PX, PATCH_PX)

    def forward(self, clips: Tensor) -> Tensor:
        """``(B, 3, T, H, W) -> (B, P, T, D)``."""
        squares = clips.unflatten(4, (-1, PATCH_PX)).unflatten(3, (-1, PATCH_PX))
        squares = squares.permute(0, 3, 5, 2, 1, 4, 6).flatten(4)  # (B, H/16, W/16, T, 3*16*16)
        # Squares do not overlap, so one matrix product yields the tokens in their final order.
        weight = self.proj.weight.flatten(1)
        return F.linear(squares, weight, self.proj.bias).flatten(1, 2)  # (B, P, T, D)


def _check(clips: Tensor) -> None:
    shape = tuple(clips.shape)
    if clips.ndim != 5 or shape[1] != 3 or shape[2] < 1:
        raise ConfigError(
            f"clips of shape {shape} are not (B, 3, T, H, W)",
            hint="stack RGB frames along the third axis and add a batch axis",
        )
    if not clips.is_floating_point():
        raise ConfigError(
            f"clips of shape {shape} hold {clips.dtype}", hint="normalise them to floating point"
        )
    height, width = shape[3:]
    if height % PATCH_PX or width % PATCH_PX or not height or not width:
        raise ConfigError(
            f"frames of {height} x {width} px do not split into {PATCH_PX} x {PATCH_PX} patches",
            hint=f"resize or crop height and width to multiples of {PATCH_PX} px",
        )


def timesformer_tiny(**options: Any) -> TimeSformer:
    """For demonstrations and tests; ``options`` are other arguments of ``TimeSformer``."""
    return TimeSformer(embed_dim=192, depth=4, num_heads=3, **options)


def timesformer_small(**options: Any) -> TimeSformer:
    """Half the channels of ``timesformer_base``."""
    return TimeSformer(embed_dim=384, depth=12, num_heads=6, **options)


def timesformer_base(**options: Any) -> TimeSformer:
    """Endo-FM's backbone, ViT-B/16: 121,258,752 parameters."""
    return TimeSformer(embed_dim=768, depth=12, num_heads=12, **options)
