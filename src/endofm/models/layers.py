"""Transformer parts: attention, MLP, drop path, and the divided space-time block.

Axes: B clips, T frames, P patches a frame, D channels, N sequences of L tokens.
The block is that of TimeSformer (Bertasius et al., ICML 2021, figure 2e).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-6
INIT_STD = 0.02
SLICE_TOKENS = 2048
"""Tokens that pass a branch together in CPU inference, where the second axis can be cut so fine."""

Layer = Callable[[Tensor], Tensor]


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
        return self.proj(self.mix(x))

    def mix(self, x: Tensor) -> Tensor:
        """The values as attention weighs them, before ``proj``: ``(N, L, D) -> (N, L, D)``."""
        query, key, value = self._heads(x)
        out = F.scaled_dot_product_attention(query, key, value)
        return out.transpose(1, 2).flatten(2)

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
        frames = self._frames(tokens, num_frames)  # (B, T, 1 + P, D)
        frames = _add(frames, self._over_space, in_place=True)
        class_token = frames[:, :, 0].mean(1, keepdim=True)  # (B, 1, D)
        patches = frames[:, :, 1:].transpose(1, 2).flatten(1, 2)  # (B, P*T, D)
        tokens = torch.cat([class_token, patches], 1)  # (B, 1 + P*T, D)
        return _add(tokens, self._each_alone, in_place=True)

    def space_weights(self, tokens: Tensor, num_frames: int) -> Tensor:
        """The block's attention over space: ``(B, 1 + P*T, D) -> (B*T, heads, 1 + P, 1 + P)``."""
        frames = self._frames(tokens, num_frames)
        return self.attn.weights(self.norm1(frames).flatten(0, 1))

    def _frames(self, tokens: Tensor, num_frames: int) -> Tensor:
        """Patches after attention over time, each frame's behind a copy of the class token."""
        patches = tokens[:, 1:].unflatten(1, (-1, num_frames))  # (B, P, T, D)
        project = self._time_projection(num_tokens=patches.shape[:-1].numel())
        patches = _add(patches, partial(self._over_time, project=project))
        copies = tokens[:, None, :1].expand(-1, num_frames, -1, -1)  # (B, T, 1, D)
        return torch.cat([copies, patches.transpose(1, 2)], 2)  # (B, T, 1 + P, D)

    def _time_projection(self, *, num_tokens: int) -> Layer:
        first, second = self.temporal_attn.proj, self.temporal_fc
        if self.training or num_tokens < 2 * first.in_features:
            return lambda x: second(self._drop(first(x)))
        # Without drop path between them, the two are one linear map: a product less for each token.
        weight, bias = second.weight @ first.weight, second(first.bias)
        return lambda x: F.linear(x, weight, bias)

    def _over_time(self, patches: Tensor, project: Layer) -> Tensor:  # (B, P, T, D), as its output
        time = self.temporal_norm1(patches).flatten(0, 1)
        return project(self.temporal_attn.mix(time)).view_as(patches)

    def _over_space(self, frames: Tensor) -> Tensor:  # (B, T, 1 + P, D), as its output
        space = self.norm1(frames).flatten(0, 1)
        return self._drop(self.attn(space)).view_as(frames)

    def _each_alone(self, tokens: Tensor) -> Tensor:  # (B, L, D), as its output
        return self._drop(self.mlp(self.norm2(tokens)))

    def _drop(self, x: Tensor) -> Tensor:
        return drop_path(x, self.drop_rate if self.training else 0.0)


def _add(x: Tensor, branch: Layer, *, in_place: bool = False) -> Tensor:
    """``x + branch(x)``, both (B, N, ..., D), for a branch that mixes nothing along N.

    With ``in_place`` the memory of x may hold the sum: x is lost.
    """
    recorded = torch.is_grad_enabled() or torch.compiler.is_compiling()
    if recorded or x.device.type != "cpu":
        return x + branch(x)
    # Whole, the tensors within a branch are fresh memory each time: 200,000 page faults for 25
    # frames, a tenth of the time. Slices of them reuse the same memory.
    num_slices = math.ceil(x.shape[:-1].numel() / SLICE_TOKENS)
    total = x if in_place else torch.empty_like(x)
    for piece, place in zip(x.chunk(num_slices, 1), total.chunk(num_slices, 1), strict=True):
        torch.add(piece, branch(piece), out=place)
    return total
