"""Transformer parts: attention, MLP, drop path, and the divided space-time block.

Axes: B clips, T frames, P patches a frame, D channels, N sequences of L tokens.
The block is that of TimeSformer (Bertasius et al., ICML 2021, figure 2e).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-6
INIT_STD = 0.02
SLICE_TOKENS = 1024
"""Most tokens that pass an MLP together in CPU inference."""


def drop_path(x: Tensor, rate: float) -> Tensor:
    """Zero each row of the first axis with probability ``rate``; divide the kept ones by 1 - rate.

    Stochastic depth (Huang et al., ECCV 2016). ``(N, ...) -> (N, ...)``; rate 0 is the identity.
    """
    if rate == 0:
        return x
    row = x.new_empty(x.shape[0], *[1] * (x.ndim - 1)).bernoulli_(1 - rate)  # (N, 1, ...)
    return x * (row / (1 - rate))


def initialise_linear(module: nn.Module) -> None:
    """Draw the weights of every linear layer inside from a truncated normal; zero their biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=INIT_STD)
            nn.init.zeros_(layer.bias)


class Attention(nn.Module):
    """Multi-head self-attention within each sequence."""

    def __init__(self, *, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, L, D) -> (N, L, D)``."""
        query, key, value = self._heads(x)
        out = F.scaled_dot_product_attention(query, key, value)
        return self.proj(out.transpose(1, 2).flatten(2))  # (N, L, D)

    def weights(self, x: Tensor) -> Tensor:
        """Attention from each token (row) to each token: ``(N, L, D) -> (N, heads, L, L)``."""
        query, key, _ = self._heads(x)
        scale = query.shape[-1] ** -0.5
        return (query * scale @ key.transpose(-2, -1)).softmax(-1)

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))  # (N, L, 3, heads, D/heads)
        query, key, value = qkv.transpose(1, 3).unbind(2)  # each (N, heads, L, D/heads)
        return query, key, value


class Mlp(nn.Module):
    """Two linear layers with the exact (erf) GELU between them."""

    def __init__(self, *, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D) -> (..., D)``."""
        recorded = torch.is_grad_enabled() or torch.compiler.is_compiling()
        if recorded or x.device.type != "cpu":
            return self._layers(x)
        # The hidden layer is the widest tensor of all. Whole, it is fresh memory in every block:
        # up to 100,000 page faults a clip, a tenth of the time. Slices of it reuse one piece.
        rows = x.flatten(0, -2)  # (N, D)
        slices = rows.chunk(math.ceil(len(rows) / SLICE_TOKENS))
        return torch.cat([self._layers(piece) for piece in slices]).view(x.shape)

    def _layers(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention over time, then over space, then an MLP, each added to its input.

    Tokens are the class token, then for each patch its T frames. In training alone, drop path at
    ``drop_rate`` drops a patch over time, a frame over space, a clip in the MLP.
    """

    def __init__(self, *, dim: int, num_heads: int, mlp_ratio: float, drop_rate: float) -> None:
        super().__init__()
        self.drop_rate = drop_rate
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim=dim, num_heads=num_heads)
        self.temporal_norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.temporal_attn = Attention(dim=dim, num_heads=num_heads)
        self.temporal_fc = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim=dim, hidden_dim=int(dim * mlp_ratio))

    def forward(self, tokens: Tensor, num_frames: int) -> Tensor:
        """``(B, 1 + P*T, D) -> (B, 1 + P*T, D)``, with T = ``num_frames``."""
        class_token = tokens[:, :1]
        patches = self._over_time(tokens[:, 1:], num_frames)  # (B, P, T, D)
        frames = _frames(class_token, patches)  # (B*T, 1 + P, D)
        space = self._drop(self.attn(self.norm1(frames)))
        space = space.unflatten(0, (-1, num_frames)).transpose(1, 2)  # (B, 1 + P, T, D)
        class_token = class_token + space[:, :1].mean(2)  # (B, 1, D)
        patches = patches + space[:, 1:]
        tokens = torch.cat([class_token, patches.flatten(1, 2)], 1)  # (B, 1 + P*T, D)
        return tokens + self._drop(self.mlp(self.norm2(tokens)))

    def space_weights(self, tokens: Tensor, num_frames: int) -> Tensor:
        """The block's attention over space: ``(B, 1 + P*T, D) -> (B*T, heads, 1 + P, 1 + P)``."""
        patches = self._over_time(tokens[:, 1:], num_frames)
        return self.attn.weights(self.norm1(_frames(tokens[:, :1], patches)))

    def _over_time(self, patches: Tensor, num_frames: int) -> Tensor:
        patches = patches.unflatten(1, (-1, num_frames))  # (B, P, T, D)
        time = self.temporal_norm1(patches).flatten(0, 1)  # (B*P, T, D)
        time = self.temporal_fc(self._drop(self.temporal_attn(time)))
        return patches + time.view_as(patches)

    def _drop(self, x: Tensor) -> Tensor:
        return drop_path(x, self.drop_rate if self.training else 0.0)


def _frames(class_token: Tensor, patches: Tensor) -> Tensor:
    """Each frame's tokens behind a copy of the class token: ``-> (B*T, 1 + P, D)``."""
    batch, _, num_frames, _ = patches.shape
    copies = class_token[:, None].expand(batch, num_frames, 1, -1)
    return torch.cat([copies, patches.transpose(1, 2)], 2).flatten(0, 1)
