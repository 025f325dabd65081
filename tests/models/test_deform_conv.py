"""Deformable convolution against a plain one, a scalar one, and numerical gradients."""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from endofm.errors import ConfigError
from endofm.models import deform_conv as module
from endofm.models.deform_conv import deform_conv, deform_conv_by_rows


@pytest.fixture
def draw() -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    return normal


def test_without_offsets_it_is_a_convolution(draw: Callable[..., Tensor]) -> None:
    x, weight = draw(2, 8, 5, 7), draw(6, 8, 3, 3)
    out = deform_conv_by_rows(x, torch.zeros(2, 72, 5, 7), weight)
    torch.testing.assert_close(out, F.conv2d(x, weight, padding=1), rtol=1e-4, atol=1e-4)


def read(plane: Tensor, y: float, x: float) -> float:
    """Bilinearly, zero outside."""
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                share = (1 - abs(y - row)) * (1 - abs(x - column))
                total += share * float(plane[row, column])
    return total


@pytest.mark.parametrize("scale", [0.5, 5.0])
def test_it_is_the_scalar_one(draw: Callable[..., Tensor], scale: float) -> None:
    x, weight = draw(1, 4, 4, 3), draw(2, 4, 3, 3)
    offsets = draw(1, 2 * 18, 4, 3) * scale
    expected = torch.zeros(1, 2, 4, 3)
    shifts = offsets[0].view(2, 9, 2, 4, 3)
    for out, channel, tap in ((o, c, t) for o in range(2) for c in range(4) for t in range(9)):
        for row, column in ((r, c) for r in range(4) for c in range(3)):
            down, right = shifts[channel // 2, tap, :, row, column].tolist()
            seen = read(x[0, channel], row + tap // 3 - 1 + down, column + tap % 3 - 1 + right)
            expected[0, out, row, column] += float(weight[out, channel, tap // 3, tap % 3]) * seen
    found = deform_conv_by_rows(x, offsets, weight)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_gradients_are_exact(draw: Callable[..., Tensor]) -> None:
    inputs = [
        draw(*shape, dtype=torch.float64).requires_grad_()
        for shape in ((2, 4, 3, 4), (2, 36, 3, 4), (3, 4, 3, 3))
    ]
    assert torch.autograd.gradcheck(deform_conv_by_rows, inputs)


def test_offsets_that_are_no_numbers_stay_visible(draw: Callable[..., Tensor]) -> None:
    offsets = torch.zeros(1, 18, 3, 3)
    offsets[0, 0, 1, 1] = math.nan
    offsets[0, 1, 0, 0] = math.inf
    out = deform_conv_by_rows(draw(1, 2, 3, 3), offsets, draw(2, 2, 3, 3))
    assert out.isnan().sum() == 2  # both outputs of one cell
    assert bool(out[0, :, 1, 1].isnan().all())


@pytest.mark.parametrize(
    "shapes",
    [
        ((1, 4, 3, 3), (1, 72, 3, 4), (2, 4, 3, 3)),
        ((1, 4, 3, 3), (1, 20, 3, 3), (2, 4, 3, 3)),
        ((1, 5, 3, 3), (1, 72, 3, 3), (2, 5, 3, 3)),
        ((1, 4, 3, 3), (1, 72, 3, 3), (2, 4, 1, 1)),
        ((4, 3, 3), (72, 3, 3), (2, 4, 3, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ConfigError, match="a deformable convolution of maps"):
        deform_conv(*(torch.zeros(shape) for shape in shapes))


@pytest.fixture
def _fresh() -> Iterator[None]:
    module._torchvision_kernel.cache_clear()
    yield
    module._torchvision_kernel.cache_clear()


@pytest.mark.usefixtures("_fresh")
def test_torchvision_is_used_where_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def kernel(x: Tensor, offsets: Tensor, weight: Tensor, *, padding: int) -> Tensor:
        seen.append(padding)
        return x

    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    ops = types.ModuleType("torchvision.ops")
    vars(ops)["deform_conv2d"] = kernel
    monkeypatch.setitem(sys.modules, "torchvision.ops", ops)
    x = torch.zeros(1, 4, 3, 3)
    assert deform_conv(x, torch.zeros(1, 72, 3, 3), torch.zeros(2, 4, 3, 3)) is x
    assert seen == [1]


@pytest.mark.usefixtures("_fresh")
def test_a_torchvision_for_another_torch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(types.ModuleType):
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.ops", Broken("torchvision.ops"))
    out = deform_conv(torch.ones(1, 4, 3, 3), torch.zeros(1, 72, 3, 3), torch.ones(2, 4, 3, 3))
    assert out[0, 0, 1, 1] == 36
