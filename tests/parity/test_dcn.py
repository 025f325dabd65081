"""The deformable convolution against the original's: outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from endofm.models.deform_conv import TAPS, deform_conv
from tests.parity.golden_fill import compare, make_input

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("tag", ["small", "large_offsets", "c256"])
def test_outputs_and_gradients(golden: Callable[[str], Mapping[str, Any]], tag: str) -> None:
    arrays = golden("dcn")

    def given(name: str, like: str) -> torch.Tensor:
        shape = tuple(arrays[f"{tag}/{like}/shape"])
        return torch.from_numpy(make_input(f"dcn:{tag}:{name}", shape, int(arrays["seed"])))

    x, weight = given("x", "grad_x"), given("w", "grad_w")
    offsets = given("off", "grad_offset") * float(arrays[f"{tag}/offset_scale"])
    weight /= (TAPS * x.shape[1]) ** 0.5
    inputs = [x, offsets, weight]
    out = deform_conv(*(tensor.requires_grad_() for tensor in inputs))
    compare(out.detach().numpy(), arrays, f"{tag}/out")
    gradients = torch.autograd.grad(out, inputs, given("g", "out"))
    for name, gradient in zip(("grad_x", "grad_offset", "grad_w"), gradients, strict=True):
        compare(gradient.numpy(), arrays, f"{tag}/{name}")
