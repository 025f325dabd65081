from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from endofm.errors import ConfigError
from endofm.models import MODELS, TimeSformer, timesformer_base
from endofm.models.layers import Block


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _small(**options: Any) -> TimeSformer:
    """A network whose every parameter matters: no zeros as at the start."""
    settings = {"embed_dim": 24, "depth": 3, "num_heads": 2} | options
    model = TimeSformer(**settings)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("norm" in name), std=0.2)
    return model


def _blocks(model: TimeSformer) -> list[Block]:
    return [block for block in model.blocks if isinstance(block, Block)]


def _naive_embed(model: TimeSformer, clip: Tensor) -> Tensor:
    """Tokens (1 + P*T, D) of one clip (3, T, H, W), entry by entry."""
    _, num_frames, height, width = clip.shape
    rows, columns = height // 16, width // 16
    tokens = [model.cls_token[0, 0] + model.pos_embed[0, 0]]
    maps = F.conv2d(
        clip.transpose(0, 1),
        model.patch_embed.proj.weight,
        model.patch_embed.proj.bias,
        stride=16,
    )  # (T, D, rows, columns)
    for row in range(rows):
        for column in range(columns):
            entry = (row * 14 // rows) * 14 + column * 14 // columns
            for t in range(num_frames):
                position = model.pos_embed[0, 1 + entry]
                time = model.time_embed[0, t * 8 // num_frames]
                tokens.append(maps[t, :, row, column] + position + time)
    return torch.stack(tokens)


@pytest.mark.parametrize(
    ("name", "width", "depth", "num_heads"),
    [
        ("timesformer_tiny", 192, 4, 3),
        ("timesformer_small", 384, 12, 6),
        ("timesformer_base", 768, 12, 12),
    ],
)
def test_sizes(name: str, width: int, depth: int, num_heads: int) -> None:
    with torch.device("meta"):
        model = MODELS[name]()
    assert model.embed_dim == width
    assert [block.attn.num_heads for block in _blocks(model)] == [num_heads] * depth
    assert model.pos_embed.shape == (1, 197, width)
    assert model.time_embed.shape == (1, 8, width)


def test_base_has_the_parameters_of_the_paper() -> None:
    with torch.device("meta"):
        model = timesformer_base()
    assert sum(parameter.numel() for parameter in model.parameters()) == 121_258_752


@pytest.mark.parametrize(
    ("num_frames", "height", "width"),
    [
        (8, 224, 224),  # as stored
        (1, 32, 48),
        (3, 112, 448),  # as many patches as stored, in another grid
        (5, 16, 736),  # where floor(i * 14 / 46) differs in float32
        (16, 304, 16),
    ],
)
def test_embedding_equals_the_naive_one(num_frames: int, height: int, width: int) -> None:
    model = _small(depth=1)
    clips = torch.randn(2, 3, num_frames, height, width)
    with torch.no_grad():
        naive = torch.stack([_naive_embed(model, clip) for clip in clips])
        torch.testing.assert_close(model.embed(clips), naive, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_frames", [1, 2, 8, 11])
@pytest.mark.parametrize("size_hw", [(16, 16), (48, 32)])
def test_shapes(num_frames: int, size_hw: tuple[int, int]) -> None:
    model = _small().eval()
    clips = torch.randn(2, 3, num_frames, *size_hw)
    num_patches = size_hw[0] * size_hw[1] // 256
    with torch.no_grad():
        feature, tokens, attention = model(clips), model.tokens(clips), model.last_attention(clips)
    assert feature.shape == (2, 24)
    assert tokens.shape == (2, 1 + num_patches * num_frames, 24)
    assert attention.shape == (2 * num_frames, 2, 1 + num_patches, 1 + num_patches)
    torch.testing.assert_close(feature, tokens[:, 0])
    torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:3]))


def test_a_batch_gives_what_its_clips_give() -> None:
    model = _small().eval()
    clips = torch.randn(3, 3, 4, 32, 48)
    with torch.no_grad():
        alone = torch.cat([model.tokens(clip[None]) for clip in clips])
        torch.testing.assert_close(model.tokens(clips), alone, rtol=1e-4, atol=1e-5)
        alone = torch.cat([model.last_attention(clip[None]) for clip in clips])
        torch.testing.assert_close(model.last_attention(clips), alone, rtol=1e-4, atol=1e-5)


def test_last_attention_is_that_of_the_last_block() -> None:
    model = _small().eval()
    clips = torch.randn(1, 3, 2, 32, 32)
    seen: list[Tensor] = []
    last = _blocks(model)[-1].attn
    with torch.no_grad(), last.register_forward_pre_hook(lambda _, args: seen.extend(args)):
        model(clips)
        torch.testing.assert_close(model.last_attention(clips), last.weights(seen[0]))


def test_a_new_network_has_the_start_of_the_paper() -> None:
    model = TimeSformer(embed_dim=96, depth=2, num_heads=2)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            assert (parameter == float(name.endswith("weight"))).all(), name
        elif "temporal_fc" in name or "time_embed" in name:
            assert (parameter == 0).all(), name
        elif "patch_embed" in name:
            bound = (3 * 16 * 16) ** -0.5
            assert 0.9 * bound < parameter.abs().max() <= bound, name
        elif name.endswith("bias"):
            assert (parameter == 0).all(), name
        else:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.3), name


def test_a_new_network_does_not_see_the_order_of_frames() -> None:
    model = TimeSformer(embed_dim=24, depth=2, num_heads=2).eval()
    clips = torch.randn(1, 3, 4, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model(clips.flip(2)), model(clips))
        assert not torch.allclose(model(clips.flip(3)), model(clips))


def test_drop_path_rises_linearly_and_works_in_training_alone() -> None:
    model = _small(depth=5, drop_path=0.2)
    rates = [block.drop_rate for block in _blocks(model)]
    assert rates == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    clips = torch.randn(1, 3, 4, 32, 32)
    with torch.no_grad():
        assert not torch.equal(model(clips), model(clips))
        model.eval()
        assert torch.equal(model(clips), model(clips))


def _gradients(model: TimeSformer, clips: Tensor) -> tuple[dict[str, Tensor], int]:
    """Gradients, and how often blocks were computed, with the same drop path in every call."""
    model.zero_grad()
    calls: list[object] = []
    hooks = [
        block.register_forward_pre_hook(lambda *_: calls.append(None)) for block in model.blocks
    ]
    torch.manual_seed(1)
    model(clips).square().sum().backward()
    for hook in hooks:
        hook.remove()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return gradients, len(calls)


def test_checkpointing_recomputes_blocks_for_the_same_gradients() -> None:
    model = _small(drop_path=0.5)
    clips = torch.randn(2, 3, 4, 32, 32)
    plain, num_plain = _gradients(model, clips)
    model.checkpointing = True
    recomputed, num_recomputed = _gradients(model, clips)
    assert (num_plain, num_recomputed) == (3, 6)
    assert plain.keys() == recomputed.keys() == dict(model.named_parameters()).keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(recomputed[name], gradient, rtol=1e-6, atol=1e-6)


def test_no_checkpointing_outside_training() -> None:
    model = _small(checkpointing=True).eval()
    _, num_calls = _gradients(model, torch.randn(1, 3, 2, 16, 16))
    assert num_calls == 3


@pytest.mark.parametrize("training", [False, True])
def test_compiles_to_one_graph(training: bool) -> None:
    model = _small(drop_path=0.0).train(training)
    clips = torch.randn(2, 3, 3, 32, 48)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.set_grad_enabled(training):
        torch.testing.assert_close(compiled(clips), model(clips))


def test_drop_path_compiles_to_one_graph() -> None:
    model = _small(drop_path=0.5).train()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert compiled(torch.randn(2, 3, 3, 32, 48)).isfinite().all()


def test_runs_in_bfloat16_under_autocast() -> None:
    model = _small().eval()
    clips = torch.randn(1, 3, 2, 32, 32)
    with torch.no_grad():
        exact = model(clips)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.testing.assert_close(model(clips).float(), exact, rtol=0.1, atol=0.2)


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (
            torch.zeros(1, 3, 8, 100, 224),
            "frames of 100 x 224 px do not split into 16 x 16 patches; "
            "resize or crop height and width to multiples of 16 px",
        ),
        (
            torch.zeros(1, 3, 8, 224, 8),
            "frames of 224 x 8 px do not split into 16 x 16 patches; "
            "resize or crop height and width to multiples of 16 px",
        ),
        (
            torch.zeros(3, 8, 224, 224),
            "clips of shape (3, 8, 224, 224) are not (B, 3, T, H, W); "
            "stack RGB frames along the third axis and add a batch axis",
        ),
        (
            torch.zeros(1, 8, 3, 224, 224),
            "clips of shape (1, 8, 3, 224, 224) are not (B, 3, T, H, W); "
            "stack RGB frames along the third axis and add a batch axis",
        ),
        (
            torch.zeros(1, 3, 0, 224, 224),
            "clips of shape (1, 3, 0, 224, 224) are not (B, 3, T, H, W); "
            "stack RGB frames along the third axis and add a batch axis",
        ),
        (
            torch.zeros(1, 3, 8, 32, 32, dtype=torch.uint8),
            "clips of shape (1, 3, 8, 32, 32) hold torch.uint8; normalise them to floating point",
        ),
    ],
)
@pytest.mark.parametrize("method", ["forward", "tokens", "last_attention"])
def test_clips_that_do_not_fit(clips: Tensor, message: str, method: str) -> None:
    model = _small(depth=1)
    with pytest.raises(ConfigError) as caught:
        getattr(model, method)(clips)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"embed_dim": 100, "num_heads": 3},
            "embed_dim 100 cannot be split into 3 heads; make it a multiple of num_heads",
        ),
        ({"drop_path": 1.0}, "drop_path is 1.0; give a rate from 0 to below 1"),
    ],
)
def test_sizes_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _small(**options)
    assert str(caught.value) == message
