from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from endofm.models.resnetv2 import Bottleneck, GroupNorm, ResNetV2, StandardisedConv2d


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def stem() -> ResNetV2:
    torch.manual_seed(0)
    stem = ResNetV2().eval()
    _move_from_start(stem)
    return stem


def _move_from_start(module: nn.Module) -> None:
    """Gains and biases that matter."""
    for parameter in module.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, mean=0.5, std=0.2)


def _channels_last(*shape: int) -> Tensor:
    return (torch.randn(*shape) + 0.3).contiguous(memory_format=torch.channels_last)


def _naive_convolution(conv: StandardisedConv2d, x: Tensor) -> Tensor:
    kernels = []
    for kernel in conv.weight.double():  # of one output channel
        centred = kernel - kernel.sum() / kernel.numel()
        variance = (centred**2).sum() / kernel.numel()
        kernels.append(centred / (variance + 1e-5).sqrt())
    side = kernels[0].shape[-1]
    return F.conv2d(x, torch.stack(kernels), stride=conv.stride, padding=side // 2)


def _naive_norm(norm: GroupNorm, x: Tensor, *, num_groups: int, eps: float) -> Tensor:
    gain, bias = (table.double()[:, None, None] for table in (norm.weight, norm.bias))
    rows = []
    for frame in x:
        groups = [
            (g - g.mean()) / (g.var(correction=0) + eps).sqrt() for g in frame.chunk(num_groups)
        ]
        rows.append(torch.cat(groups) * gain + bias)
    return torch.stack(rows)


@pytest.mark.parametrize(("side", "stride", "size"), [(1, 1, 6), (1, 2, 3), (3, 2, 3), (7, 1, 6)])
def test_weights_are_standardised(side: int, stride: int, size: int) -> None:
    conv = StandardisedConv2d(4, 5, side, stride=stride)
    nn.init.normal_(conv.weight, mean=0.1, std=0.01)  # so small that the eps counts
    x = _channels_last(2, 4, 6, 6)
    y = conv(x)
    assert y.shape == (2, 5, size, size)
    torch.testing.assert_close(
        y, _naive_convolution(conv, x.double()).float(), rtol=1e-3, atol=1e-4
    )
    assert [name for name, _ in conv.named_parameters()] == ["weight"]


@pytest.mark.parametrize("num_groups", [1, 4, 8])
def test_groups_are_normalised_frame_by_frame(num_groups: int) -> None:
    norm = GroupNorm(num_groups, 8, eps=0.1)
    _move_from_start(norm)
    x = _channels_last(3, 8, 5, 6)
    naive = _naive_norm(norm, x.double(), num_groups=num_groups, eps=0.1)
    torch.testing.assert_close(norm(x), naive.float(), rtol=1e-5, atol=1e-5)


def test_the_norm_of_a_large_map_is_exact() -> None:
    norm, x = GroupNorm(32, 64, eps=1e-6), _channels_last(2, 64, 112, 112)
    naive = _naive_norm(norm, x.double(), num_groups=32, eps=1e-6)
    with torch.no_grad():
        assert (norm(x) - naive).norm() / naive.norm() < 2e-7


@pytest.mark.parametrize("shape", [(1, 8, 1, 1), (2, 8, 3, 3)])
def test_what_does_not_vary_becomes_the_bias(shape: tuple[int, ...]) -> None:
    norm = GroupNorm(8, 8, eps=1e-5)
    _move_from_start(norm)
    y = norm(torch.full(shape, 1000.0))  # whose mean square is not exactly the squared mean
    torch.testing.assert_close(y, norm.bias[:, None, None].expand(shape), atol=0.2, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_norm_keeps_the_precision(dtype: torch.dtype) -> None:
    norm, x = GroupNorm(4, 8, eps=1e-6).to(dtype), _channels_last(1, 8, 4, 4).to(dtype)
    y = norm(1000 * x)  # whose squares float16 could not hold
    assert y.dtype == dtype
    naive = _naive_norm(norm, 1000 * x.double(), num_groups=4, eps=1e-6)
    tolerance = 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(y.double(), naive, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("in_channels", "stride", "has_shortcut"), [(128, 1, False), (64, 1, True), (128, 2, True)]
)
def test_a_bottleneck_equals_its_written_out_layers(
    in_channels: int, stride: int, has_shortcut: bool
) -> None:
    unit = Bottleneck(in_channels=in_channels, inner_channels=32, stride=stride)
    _move_from_start(unit)
    x = 0.002 * torch.relu(_channels_last(2, in_channels, 7, 7))  # so small that each eps counts
    y, shortcut = x.double(), x.double()
    for name in ("1", "2", "3"):
        y = _naive_convolution(getattr(unit, f"conv{name}"), y)
        y = _naive_norm(getattr(unit, f"gn{name}"), y, num_groups=32, eps=1e-6)
        y = y if name == "3" else y.clamp(min=0)
    assert (unit.downsample is not None) == has_shortcut
    if unit.downsample is not None:
        shortcut = _naive_convolution(unit.downsample, shortcut)
        shortcut = _naive_norm(unit.gn_proj, shortcut, num_groups=128, eps=1e-5)
    side = 7 if stride == 1 else 4
    assert y.shape == (2, 128, side, side)
    expected = (y + shortcut).clamp(min=0).float()
    torch.testing.assert_close(unit(x), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 48), (112, 80)])
@torch.no_grad()
def test_sizes_of_the_maps(stem: ResNetV2, height: int, width: int) -> None:
    maps = stem(torch.randn(2, 3, height, width))
    assert [tuple(level.shape) for level in maps] == [
        (2, channels, height // step, width // step)
        for channels, step in ((1024, 16), (512, 8), (256, 4), (64, 2))
    ]


@torch.no_grad()
def test_the_map_at_a_quarter_is_filled_up_with_zeros(stem: ResNetV2) -> None:
    quarter = stem(torch.randn(1, 3, 64, 96))[2]
    assert not quarter[..., -1, :].any()
    assert not quarter[..., -1].any()
    assert quarter[..., -2, :-1].any()
    assert quarter[..., :-1, -2].any()
    assert quarter[..., 0, 0].any()


@torch.no_grad()
def test_the_stem_equals_its_written_out_stages(stem: ResNetV2) -> None:
    frames = torch.randn(2, 3, 32, 32)
    conv, norm = stem.root.children()
    x = torch.relu(norm(conv(frames)))
    sixteenth, eighth, quarter, half = stem(frames)
    torch.testing.assert_close(half, x)
    x = F.max_pool2d(x, kernel_size=3, stride=2, padding=0)
    for name, num_units, level in (
        ("block1", 3, quarter[..., :-1, :-1]),
        ("block2", 4, eighth),
        ("block3", 9, sixteenth),
    ):
        units = list(stem.body[name].children())
        assert len(units) == num_units
        for unit in units:
            x = unit(x)
        torch.testing.assert_close(level, x, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_each_frame_is_seen_alone(stem: ResNetV2) -> None:
    frames = torch.randn(3, 3, 32, 48)
    alone = [stem(frame[None]) for frame in frames]
    for together, *each in zip(stem(frames), *alone, strict=True):
        torch.testing.assert_close(together, torch.cat(each), rtol=1e-4, atol=1e-4)
