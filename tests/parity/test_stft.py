"""The detector against the original's outputs for the same weights and frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from endofm.engine.detector_layout import detector_state, original_detector
from endofm.models import Detector, timesformer_base
from endofm.models.detector import Features
from endofm.models.stft import LevelOutput
from endofm.objectives.detection import cell_targets, detection_loss, divisors
from endofm.tasks.detection import predictions_of
from tests.parity.golden_fill import compare, fill_array, make_input

pytestmark = [pytest.mark.parity, pytest.mark.slow]

Golden = Mapping[str, Any]
Keys = Callable[[str], dict[str, Any]]
LEVELS = ("p3", "p4", "p5", "p6", "p7")
SIZE_HW = (224, 256)


@pytest.fixture(scope="module")
def arrays(golden: Callable[[str], Golden]) -> Golden:
    return golden("stft")


@pytest.fixture(scope="module")
def detector(arrays: Golden, golden_keys: Keys) -> Detector:
    state = {
        key: torch.from_numpy(fill_array(key, entry["shape"], int(arrays["seed"])))
        for key, entry in golden_keys("stft_model").items()
    }
    with torch.device("meta"):
        model = Detector(timesformer_base())
    model.load_state_dict(detector_state(state, source="golden"), assign=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.endswith("offsets.weight"))
    return model.eval()


@pytest.fixture(scope="module")
def frames(arrays: Golden) -> dict[str, Tensor]:
    def given(name: str, num: int) -> Tensor:
        return torch.from_numpy(make_input(name, (num, 3, *SIZE_HW), int(arrays["seed"])))

    alone = [given(f"stft:test{index}", 1) for index in range(11)]
    return {"joint3": given("stft:3frames", 3)[None], "test11": torch.cat(alone)[None]}


def check_levels(outputs: tuple[LevelOutput, ...], arrays: Golden, tag: str) -> None:
    for level, name in zip(outputs, LEVELS, strict=True):
        for own, theirs in (
            (level.class_logits, "cls_logits"),
            (level.distances_px, "bbox_reg"),
            (level.centreness_logits, "centerness"),
            (level.stft_class_logits, "stft_cls_logits"),
            (level.corrections, "stft_bbox_reg"),
            (level.boxes_xyxy.flatten(2).mT, "pre_bbox"),
        ):
            compare(own.detach().numpy(), arrays, f"{tag}/{theirs}_{name}")


@pytest.mark.parametrize("tag", ["joint3", "test11"])
@torch.inference_mode()
def test_pyramid_heads_and_boxes(
    detector: Detector,
    frames: dict[str, Tensor],
    arrays: Golden,
    tag: str,
) -> None:
    features: Features = "joint" if tag == "joint3" else "independent"
    pyramids: list[tuple[Tensor, ...]] = []
    hook = detector.pyramid.register_forward_hook(lambda _m, _args, out: pyramids.append(out))
    outputs = detector(frames[tag], features=features)
    hook.remove()
    # Independent features run a frame at a time: the frames of a level are put together again.
    for level, name in zip(zip(*pyramids, strict=True), LEVELS, strict=True):
        compare(torch.cat(level).numpy(), arrays, f"{tag}/fpn_{name}")
    check_levels(outputs, arrays, tag)
    found = detector.detect(frames[tag], features=features)[0]
    np.testing.assert_allclose(found.boxes_xyxy.numpy(), arrays[f"{tag}/det_boxes"], atol=2e-3)
    np.testing.assert_allclose(found.scores.numpy(), arrays[f"{tag}/det_scores"], atol=5e-6)
    np.testing.assert_array_equal(found.labels.numpy(), arrays[f"{tag}/det_labels"])


def test_losses_and_gradients(
    detector: Detector, frames: dict[str, Tensor], arrays: Golden
) -> None:
    detector.zero_grad()
    cells, predicted = predictions_of(detector(frames["joint3"]))
    boxes = torch.from_numpy(arrays["joint3/gt_boxes"])
    labels = torch.from_numpy(arrays["joint3/gt_labels"])
    targets = cell_targets(cells, predicted.boxes_xyxy, [boxes], [labels])
    loss = detection_loss(predicted, targets, divisors(targets.counts()))
    names = ("cls", "reg", "centerness", "stft_cls", "stft_reg")
    for value, name in zip(loss, names, strict=True):
        assert value.item() == pytest.approx(float(arrays[f"joint3/loss_{name}"]), rel=1e-6)
    assert loss.total.item() == pytest.approx(float(arrays["joint3/loss_total"]), rel=1e-6)
    loss.total.backward()
    gradients = {name: p.grad for name, p in detector.named_parameters() if p.grad is not None}
    norms = {
        name: float(gradient.double().norm())
        for name, gradient in original_detector(gradients)["model"].items()
    }
    expected = dict(
        zip(arrays["joint3/grad_norm_names"].tolist(), arrays["joint3/grad_norms"], strict=True)
    )
    assert set(norms) == set(expected)
    for name, norm in expected.items():
        assert norms[name] == pytest.approx(float(norm), rel=1e-3, abs=1e-6), name
