from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from endofm.errors import ConfigError
from endofm.models import TimeSformer, TransUNet, timesformer_base, transunet


def _network(*, checkpointing: bool = False, **options: Any) -> TransUNet:
    """A small one whose every parameter and statistic matters."""
    torch.manual_seed(0)
    backbone = TimeSformer(embed_dim=24, depth=2, num_heads=2, checkpointing=checkpointing)
    model = TransUNet(backbone, **options)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            nn.init.uniform_(tensor, 0.5, 1.5)
        elif name.startswith("backbone") or tensor.ndim == 1 or name == "pos_embed":
            is_gain = name.endswith("weight") and tensor.ndim == 1
            nn.init.normal_(tensor, mean=float(is_gain), std=0.2)
        elif (
            name.startswith("decoder") and tensor.ndim == 4
        ):  # or nothing from below would arrive at the top
            nn.init.kaiming_normal_(tensor)
    return model


@pytest.fixture(scope="module")
def model() -> TransUNet:
    return _network(num_classes=3, grid=3).eval()


def _frames(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def _naive_convolution(layers: Any, x: Tensor) -> Tensor:
    conv, norm = layers
    y = F.conv2d(x, conv.weight, padding=1)
    return F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias).relu()


def _naive_forward(model: TransUNet, frames: Tensor) -> Tensor:
    """One sequence ``(T, 3, H, W)``, of the stored grid, frame by frame."""
    levels = [model.stem(frame[None]) for frame in frames]
    patches = [
        F.conv2d(first, model.proj.weight, model.proj.bias).flatten(2).mT + model.pos_embed
        for first, *_ in levels
    ]  # each (1, P, D)
    num_frames, num_patches = len(frames), patches[0].shape[1]
    tokens = [model.backbone.cls_token[:, 0]]
    tokens += [patches[t][:, p] for p in range(num_patches) for t in range(num_frames)]
    encoded = model.backbone.encode(torch.stack(tokens, 1), num_frames=num_frames)[:, 1:]
    logits = []
    blocks: list[Any] = list(model.decoder.blocks)
    for t, (first, *skips) in enumerate(levels):
        x = encoded[:, t::num_frames].mT.reshape(1, -1, *first.shape[2:])
        x = _naive_convolution(model.decoder.conv_more, x)
        for block, skip in zip(blocks, [*skips, None], strict=True):
            size = (2 * x.shape[2], 2 * x.shape[3])
            x = F.interpolate(x, size, mode="bilinear", align_corners=True)
            x = x if skip is None else torch.cat([x, skip], 1)
            x = _naive_convolution(block.conv1, x)
            x = _naive_convolution(block.conv2, x)
        logits.append(F.conv2d(x, model.head.weight, model.head.bias, padding=1)[0])
    return torch.stack(logits)


@torch.no_grad()
def test_a_sequence_equals_its_written_out_layers(model: TransUNet) -> None:
    frames = _frames(4, 3, 48, 48)
    torch.testing.assert_close(
        model(frames[None])[0], _naive_forward(model, frames), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("num_frames", [1, 3, 9])
@pytest.mark.parametrize("size_hw", [(16, 16), (32, 64)])
@torch.no_grad()
def test_shapes(model: TransUNet, num_frames: int, size_hw: tuple[int, int]) -> None:
    logits = model(_frames(2, num_frames, 3, *size_hw))
    assert logits.shape == (2, num_frames, 3, *size_hw)
    assert logits.isfinite().all()


@torch.no_grad()
def test_a_batch_gives_what_its_sequences_give(model: TransUNet) -> None:
    frames = _frames(3, 5, 3, 32, 48)  # more frames than pass the stem together
    alone = torch.cat([model(sequence[None]) for sequence in frames])
    torch.testing.assert_close(model(frames), alone, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_slices_do_not_matter(model: TransUNet, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = _frames(1, 5, 3, 32, 48)
    outputs = []
    for slice_frames in (1, 2, 100):
        monkeypatch.setattr(transunet, "CPU_SLICE_FRAMES", slice_frames)
        outputs.append(model(frames))
    for output in outputs[:-1]:
        torch.testing.assert_close(output, outputs[-1], rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_the_order_of_frames_does_not_matter_but_their_company_does(model: TransUNet) -> None:
    frames = _frames(1, 4, 3, 32, 48)
    logits = model(frames)
    order = [2, 0, 3, 1]  # there is no embedding of time
    torch.testing.assert_close(model(frames[:, order]), logits[:, order], rtol=1e-3, atol=1e-4)
    assert (model(frames[:, :1]) - logits[:, :1]).abs().max() > 1e-3


@torch.no_grad()
def _tokens(model: TransUNet, num_frames: int, height: int, width: int) -> Tensor:
    """Before the class token, of stem features that are zero: ``(h, w, T, D)``."""
    seen: list[Tensor] = []
    hook = model.dropout.register_forward_hook(lambda _module, _args, output: seen.append(output))
    saved = model.proj
    model.proj = nn.Conv2d(1024, 24, 1)
    for parameter in model.proj.parameters():
        nn.init.zeros_(parameter)
    model(_frames(1, num_frames, 3, height, width))
    model.proj = saved
    hook.remove()
    return seen[0].reshape(height // 16, width // 16, num_frames, -1)


def test_positions_are_exactly_the_stored_ones_at_the_stored_grid(model: TransUNet) -> None:
    tokens = _tokens(model, 2, 48, 48)
    stored = model.pos_embed.detach().reshape(3, 3, 1, -1)
    assert torch.equal(tokens, stored.expand_as(tokens))


def test_positions_of_another_grid_are_blends(model: TransUNet) -> None:
    stored = model.pos_embed.detach().reshape(3, 3, -1)
    tokens = _tokens(model, 1, 96, 48)[:, :, 0]  # twice as many rows
    torch.testing.assert_close(tokens[0], stored[0])
    torch.testing.assert_close(tokens[1], 0.75 * stored[0] + 0.25 * stored[1])
    torch.testing.assert_close(tokens[2], 0.25 * stored[0] + 0.75 * stored[1])
    assert _tokens(model, 1, 16, 16).isfinite().all()


def _step(model: TransUNet) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients of a training step; dropout and drop path at work."""
    model.train()
    torch.manual_seed(2)
    loss = model(_frames(1, 3, 3, 32, 32)).square().mean()
    loss.backward()
    gradients = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        gradients[name] = parameter.grad
    return loss, gradients


def test_checkpointing_changes_no_gradient_and_no_statistic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transunet, "CPU_SLICE_FRAMES", 2)
    plain, thrifty = _network(), _network(checkpointing=True)
    lengths: list[int] = []
    thrifty.stem.register_forward_hook(lambda _module, args, _out: lengths.append(len(args[0])))
    (loss, gradients), (same_loss, same_gradients) = _step(plain), _step(thrifty)
    assert sorted(lengths) == [1, 1, 2, 2]  # each slice twice
    torch.testing.assert_close(loss, same_loss)
    for name, gradient in gradients.items():
        error = (same_gradients[name] - gradient).norm()
        assert error <= 1e-5 * gradient.norm() + 1e-8, name
    for (name, buffer), same in zip(plain.named_buffers(), thrifty.buffers(), strict=True):
        torch.testing.assert_close(buffer, same, msg=name)
        assert "num_batches" not in name or buffer == 1
    lengths.clear()
    thrifty.eval()(_frames(1, 1, 3, 32, 32)).sum().backward()
    assert lengths == [1]


@torch.no_grad()
def test_dropout_works_in_training_alone() -> None:
    frames = _frames(1, 2, 3, 32, 32)
    for dropout in (0.0, 0.5):
        model = _network(dropout=dropout)
        model.backbone.eval()  # without drop path
        once, again = model(frames), model(frames)
        assert torch.equal(once, again) == (dropout == 0)
        model.eval()
        assert torch.equal(model(frames), model(frames))


@torch.no_grad()
def test_low_precision_is_close() -> None:
    model, frames = _network().eval(), _frames(1, 1, 3, 32, 32)
    exact = model(frames)
    with torch.autocast("cpu", torch.bfloat16):
        near = model(frames)
    assert (near.float() - exact).norm() < 0.1 * exact.norm()
    assert model.bfloat16()(frames.bfloat16()).dtype == torch.bfloat16


def test_the_base_network_has_the_originals_size() -> None:
    with torch.device("meta"):
        model = TransUNet(timesformer_base())
    assert sum(parameter.numel() for parameter in model.parameters()) == 140_730_786
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("frames", "line"),
    [
        (
            torch.zeros(1, 3, 2, 32, 32),
            "frames of shape (1, 3, 2, 32, 32) are not (B, T, 3, H, W); "
            "stack RGB frames along the second axis and add a batch axis",
        ),
        (
            torch.zeros(2, 3, 32, 32),
            "frames of shape (2, 3, 32, 32) are not (B, T, 3, H, W); "
            "stack RGB frames along the second axis and add a batch axis",
        ),
        (
            torch.zeros(1, 0, 3, 32, 32),
            "frames of shape (1, 0, 3, 32, 32) are not (B, T, 3, H, W); "
            "stack RGB frames along the second axis and add a batch axis",
        ),
        (
            torch.zeros(1, 2, 3, 32, 32, dtype=torch.uint8),
            "frames of shape (1, 2, 3, 32, 32) hold torch.uint8; normalise them to floating point",
        ),
        (
            torch.zeros(1, 2, 3, 32, 40),
            "frames of 32 x 40 px do not split into 16 x 16 patches; "
            "resize or crop height and width to multiples of 16 px",
        ),
        (
            torch.zeros(1, 2, 3, 0, 32),
            "frames of 0 x 32 px do not split into 16 x 16 patches; "
            "resize or crop height and width to multiples of 16 px",
        ),
    ],
)
def test_other_frames_are_refused(model: TransUNet, frames: Tensor, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        model(frames)
    assert str(caught.value) == line


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_an_impossible_dropout_is_refused(dropout: float) -> None:
    with torch.device("meta"), pytest.raises(ConfigError) as caught:
        TransUNet(timesformer_base(), dropout=dropout)
    assert str(caught.value) == f"dropout is {dropout}; give a rate from 0 to below 1"
