"""The backbone against the original's outputs for the same weights and clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from endofm.models import TimeSformer, timesformer_base
from tests.parity.golden_fill import compare, fill_array, fill_module, make_input

pytestmark = pytest.mark.parity

SMALLEST = "1x3x8x96x96"
TOLERANCE = 1e-5  # of the largest value, plus 1e-5

Golden = Mapping[str, Any]


@pytest.fixture(scope="module")
def arrays(golden: Callable[[str], Golden]) -> Golden:
    return golden("backbone")


@pytest.fixture(scope="module")
def backbone(arrays: Golden) -> TimeSformer:
    with torch.device("meta"):
        model = timesformer_base()
    model = model.to_empty(device="cpu").eval()
    fill_module(model, int(arrays["seed"]))
    return model


def _clip(name: str, arrays: Golden) -> Tensor:
    shape = [int(size) for size in name.split("x")]
    return torch.from_numpy(make_input(f"clip{name}", shape, int(arrays["seed"])))


def _check(x: Tensor, arrays: Golden, name: str) -> None:
    compare(x.numpy(), arrays, name, rtol=TOLERANCE, atol=TOLERANCE)


def test_keys_are_the_originals(golden_keys: Callable[[str], dict[str, Any]]) -> None:
    with torch.device("meta"):
        state = timesformer_base().state_dict()
    ours = {key: list(tensor.shape) for key, tensor in state.items()}
    original = {key: entry["shape"] for key, entry in golden_keys("backbone").items()}
    assert list(ours) == list(original)
    assert ours == original


@pytest.mark.parametrize("gradients", [False, True])  # inference on a CPU computes otherwise
def test_blocks_feature_and_logits(backbone: TimeSformer, arrays: Golden, gradients: bool) -> None:
    outputs: list[Tensor] = []
    hooks = [
        block.register_forward_hook(lambda _module, _args, output: outputs.append(output))
        for block in backbone.blocks
    ]
    with torch.set_grad_enabled(gradients):
        feature = backbone(_clip(SMALLEST, arrays)).detach()
    for hook in hooks:
        hook.remove()
    _check(feature, arrays, f"cls/{SMALLEST}")
    _check(feature, arrays, f"cls_float64/{SMALLEST}")
    assert len(outputs) == 12
    for index, output in enumerate(outputs):
        _check(output.detach(), arrays, f"block{index}/{SMALLEST}")
    head = nn.Linear(768, 400)
    for name, parameter in head.named_parameters():
        values = fill_array(f"head.{name}", parameter.shape, int(arrays["seed"]))
        parameter.data = torch.from_numpy(values)
    _check(head(feature).detach(), arrays, f"logits400/{SMALLEST}")


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    [
        "2x3x8x224x224",
        "1x3x2x96x96",
        "1x3x4x96x96",
        "1x3x16x96x96",
        "1x3x16x224x224",
        "1x3x3x160x224",
    ],
)
def test_feature(backbone: TimeSformer, arrays: Golden, name: str) -> None:
    _check(backbone(_clip(name, arrays)), arrays, f"cls/{name}")


@pytest.mark.slow
@torch.no_grad()
def test_tokens(backbone: TimeSformer, arrays: Golden) -> None:
    name = "1x3x8x224x224"
    tokens = backbone.tokens(_clip(name, arrays))
    _check(tokens, arrays, f"tokens/{name}")
    lengths = np.linalg.norm(tokens.double().numpy(), axis=-1)
    compare(lengths, arrays, f"tokens_per_token_l2/{name}", rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", [SMALLEST, "1x3x8x224x224"])
def test_last_attention(backbone: TimeSformer, arrays: Golden, name: str) -> None:
    _check(backbone.last_attention(_clip(name, arrays)), arrays, f"attn/{name}")
