from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from endofm.models import layers
from endofm.models.layers import Attention, Block, Mlp, drop_path


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@torch.no_grad()
def _naive_attention(attention: Attention, x: Tensor) -> tuple[Tensor, Tensor]:
    """Output (L, D) and weights (heads, L, L) of one sequence, each entry a written-out sum."""
    length, dim = x.shape
    query, key, value = (x @ attention.qkv.weight.T + attention.qkv.bias).split(dim, dim=1)
    size = dim // attention.num_heads
    weights = torch.zeros(attention.num_heads, length, length)
    mixed = torch.zeros(length, dim)
    for head in range(attention.num_heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(length):
            scores = [float(query[i, part] @ key[j, part]) / math.sqrt(size) for j in range(length)]
            total = sum(math.exp(score) for score in scores)
            for j in range(length):
                weights[head, i, j] = math.exp(scores[j]) / total
                mixed[i, part] += weights[head, i, j] * value[j, part]
    return mixed @ attention.proj.weight.T + attention.proj.bias, weights


def _naive_mlp(mlp: Mlp, x: Tensor) -> Tensor:
    hidden = x @ mlp.fc1.weight.T + mlp.fc1.bias
    hidden = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
    return hidden @ mlp.fc2.weight.T + mlp.fc2.bias


def _naive_norm(norm: torch.nn.LayerNorm, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return centred / spread * norm.weight + norm.bias


def _naive_block(
    block: Block, tokens: Tensor, num_frames: int, *, kept: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """METHOD section 1, step 3, clip by clip; ``kept``: factors (B, P), (B, T) and (B,)."""
    over_time, over_space, in_mlp = kept
    out = tokens.clone()
    for b in range(len(tokens)):
        x = out[b, 1:].unflatten(0, (-1, num_frames))  # (P, T, D), a view
        for p in range(len(x)):
            time, _ = _naive_attention(block.temporal_attn, _naive_norm(block.temporal_norm1, x[p]))
            time = time * over_time[b, p]
            x[p] += time @ block.temporal_fc.weight.T + block.temporal_fc.bias
        class_token = out[b, 0].clone()
        for t in range(num_frames):
            frame = _naive_norm(block.norm1, torch.stack([class_token, *x[:, t]]))
            space = _naive_attention(block.attn, frame)[0] * over_space[b, t]
            out[b, 0] += space[0] / num_frames
            x[:, t] += space[1:]
        out[b] += _naive_mlp(block.mlp, _naive_norm(block.norm2, out[b])) * in_mlp[b]
    return out


def _randomise(block: Block) -> Block:
    for name, parameter in block.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("norm" in name), std=0.3)
    return block


def test_drop_path_zeroes_whole_rows_and_scales_the_others() -> None:
    x = torch.rand(4000, 3, 2) + 1
    y = drop_path(x, 0.25)
    dropped = (y == 0).all(dim=(1, 2))
    torch.testing.assert_close(y[~dropped], x[~dropped] / 0.75)
    assert 0.22 < dropped.float().mean() < 0.28


def test_drop_path_of_rate_zero_is_the_identity() -> None:
    x = torch.rand(3, 2)
    assert drop_path(x, 0.0) is x


@pytest.mark.parametrize("length", [1, 9])
def test_attention_equals_written_out_sums(length: int) -> None:
    attention = Attention(dim=12, num_heads=3)
    x = torch.randn(2, length, 12)
    naive = [_naive_attention(attention, sequence) for sequence in x]
    with torch.no_grad():
        torch.testing.assert_close(attention(x), torch.stack([out for out, _ in naive]))
        torch.testing.assert_close(attention.weights(x), torch.stack([w for _, w in naive]))


def test_mlp_equals_written_out_gelu() -> None:
    mlp = Mlp(dim=6, hidden_dim=24)
    x = torch.randn(2, 3, 6)
    torch.testing.assert_close(mlp(x), _naive_mlp(mlp, x))


@pytest.mark.parametrize("num_frames", [1, 4, 12])  # few tokens have two layers after time
def test_block_equals_written_out_sums(num_frames: int) -> None:
    block = _randomise(Block(dim=12, num_heads=3, mlp_ratio=4, drop_rate=0.5)).eval()
    tokens = torch.randn(2, 1 + 3 * num_frames, 12)
    kept = torch.ones(2, 3), torch.ones(2, num_frames), torch.ones(2)
    with torch.no_grad():
        naive = _naive_block(block, tokens, num_frames, kept=kept)
        torch.testing.assert_close(block(tokens, num_frames), naive, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("slice_tokens", [1, 7, 1000])
def test_slices_do_not_matter(slice_tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    block = _randomise(Block(dim=12, num_heads=3, mlp_ratio=4, drop_rate=0.5)).eval()
    tokens = torch.randn(2, 1 + 3 * 4, 12)
    whole, before = block(tokens, 4).detach(), tokens.clone()
    monkeypatch.setattr(layers, "SLICE_TOKENS", slice_tokens)
    with torch.no_grad():
        torch.testing.assert_close(block(tokens, 4), whole)
    assert torch.equal(tokens, before)


def test_drop_path_acts_on_patch_frame_and_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = torch.rand(2, 3), torch.rand(2, 4), torch.rand(2)
    draws: Iterator[Tensor] = iter(kept)
    rates = []

    def drawn(x: Tensor, rate: float) -> Tensor:
        rates.append(rate)
        return x * next(draws).flatten().view(-1, *[1] * (x.ndim - 1))

    monkeypatch.setattr(layers, "drop_path", drawn)
    block = _randomise(Block(dim=12, num_heads=3, mlp_ratio=4, drop_rate=0.5)).train()
    tokens = torch.randn(2, 1 + 3 * 4, 12)
    with torch.no_grad():
        naive = _naive_block(block, tokens, 4, kept=kept)
        torch.testing.assert_close(block(tokens, 4), naive, rtol=1e-5, atol=1e-5)
    assert rates == [0.5, 0.5, 0.5]
