"""The segmenter and its loss against the original's outputs for the same weights and frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from endofm.engine.segmenter_layout import original_segmenter, segmenter_state
from endofm.models import TransUNet, timesformer_base
from endofm.objectives.segmentation import dice_loss, segmentation_loss
from tests.parity.golden_fill import compare, fill_array, make_input

pytestmark = pytest.mark.parity

Golden = Mapping[str, Any]
Keys = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def arrays(golden: Callable[[str], Golden]) -> Golden:
    return golden("transunet")


@pytest.fixture(scope="module")
def segmenter(arrays: Golden, golden_keys: Keys) -> TransUNet:
    state = {
        key: torch.from_numpy(fill_array(key, entry["shape"], int(arrays["seed"])))
        for key, entry in golden_keys("transunet").items()
    }
    with torch.device("meta"):
        model = TransUNet(timesformer_base())
    model.load_state_dict(segmenter_state(state, source="golden"), assign=True)
    return model.requires_grad_().eval()


@pytest.fixture(scope="module")
def frames(arrays: Golden) -> Tensor:
    return torch.from_numpy(make_input("tu:5frames", (5, 3, 224, 224), int(arrays["seed"])))


@pytest.fixture(scope="module")
def labels(arrays: Golden) -> Tensor:
    patches = make_input("tu:mask", (5, 14, 14), int(arrays["seed"])) > 0.8
    labels = torch.from_numpy(patches.repeat(16, axis=1).repeat(16, axis=2)).long()
    assert int(labels.sum()) == int(arrays["mask_fg"])
    return labels


@pytest.mark.slow
@torch.no_grad()
def test_logits(segmenter: TransUNet, frames: Tensor, arrays: Golden) -> None:
    embedded: list[Tensor] = []
    encoded: list[Tensor] = []
    hooks = [
        segmenter.dropout.register_forward_hook(lambda _m, _args, out: embedded.append(out)),
        segmenter.backbone.norm.register_forward_hook(lambda _m, _args, out: encoded.append(out)),
    ]
    logits = segmenter(frames[None])[0]
    for hook in hooks:
        hook.remove()
    compare(logits.numpy(), arrays, "logits")
    compare(logits.softmax(1)[:, 1].numpy(), arrays, "softmax_fg")
    for tokens, name in ((embedded[0], "embeddings"), (encoded[0][:, 1:], "encoded")):
        by_frame = tokens.unflatten(1, (196, 5))[0].transpose(0, 1)
        compare(by_frame.numpy(), arrays, name)


@pytest.mark.slow
@torch.no_grad()
def test_logits_of_one_frame(segmenter: TransUNet, frames: Tensor, arrays: Golden) -> None:
    compare(segmenter(frames[None, :1])[0].numpy(), arrays, "logits_1frame")


@pytest.mark.slow
@torch.no_grad()
def test_skips(segmenter: TransUNet, frames: Tensor, arrays: Golden) -> None:
    for index, skip in enumerate(segmenter.stem(frames)[1:]):
        compare(skip.numpy(), arrays, f"skip{index}")


@pytest.mark.slow
def test_loss_and_gradients(
    segmenter: TransUNet, frames: Tensor, labels: Tensor, arrays: Golden
) -> None:
    segmenter.zero_grad()
    loss = segmentation_loss(segmenter(frames[None]), labels[None])
    for value, name in zip(loss, ("loss", "loss_ce", "loss_dice"), strict=True):
        assert value.item() == pytest.approx(float(arrays[name]), rel=1e-6)
    loss.total.backward()
    gradients = {name: p.grad for name, p in segmenter.named_parameters() if p.grad is not None}
    norms = {
        name: float(gradient.double().norm())
        for name, gradient in original_segmenter(gradients).items()
    }
    assert set(norms) == set(arrays["grad_norm_names"].tolist())
    for name, norm in zip(arrays["grad_norm_names"].tolist(), arrays["grad_norms"], strict=True):
        assert norms[name] == pytest.approx(float(norm), rel=1e-2), name


def test_dice_loss(golden: Callable[[str], Golden]) -> None:
    vectors = golden("metrics")
    seed = int(vectors["seed"])
    logits = torch.from_numpy(make_input("metrics:logits", (3, 2, 16, 16), seed))
    labels = torch.from_numpy(make_input("metrics:lab", (3, 16, 16), seed) > 0).long()
    loss = dice_loss(logits[None], labels[None]).item()
    assert np.isclose(loss, float(vectors["diceloss"]), rtol=1e-6, atol=0)
