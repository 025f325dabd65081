"""Head, loss and centre against the original's, at full width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from endofm.models import DINOHead, ViewNetwork, timesformer_base
from endofm.objectives.dino import dino_loss, next_centre, pair_losses, teacher_probabilities
from tests.parity.golden_fill import compare, fill_module, make_input

pytestmark = pytest.mark.parity

NUM_PROTOTYPES = 65536
FRAMES = {"fixed8": (8,) * 10, "randfr": (8, 16, 2, 2, 4, 4, 8, 8, 16, 16)}
NUM_CLIPS = {"fixed8": 2, "randfr": 1}

Golden = Mapping[str, Any]


def _network() -> ViewNetwork:
    with torch.device("meta"):
        backbone = timesformer_base()
        head = DINOHead(in_dim=backbone.embed_dim, out_dim=NUM_PROTOTYPES)
        return ViewNetwork(backbone, head)


@pytest.mark.parametrize(("name", "prefix"), [("ssl_student", "module."), ("ssl_teacher", "")])
def test_keys_are_the_originals(
    golden_keys: Callable[[str], dict[str, Any]], name: str, prefix: str
) -> None:
    ours = {f"{prefix}{key}": list(t.shape) for key, t in _network().state_dict().items()}
    assert ours == {key: entry["shape"] for key, entry in golden_keys(name).items()}


@pytest.fixture(scope="module")
def networks(golden: Callable[[str], Golden]) -> tuple[ViewNetwork, ViewNetwork]:
    """Student and teacher."""
    seed = int(golden("dino")["seed"])
    student, teacher = (_network().to_empty(device="cpu").eval() for _ in range(2))
    fill_module(student, seed)
    fill_module(teacher, seed + 1000)
    return student, teacher


def _views(tag: str, seed: int) -> list[Tensor]:
    views = []
    for index, num_frames in enumerate(FRAMES[tag]):
        size_px = 224 if index < 2 else 96
        shape = (NUM_CLIPS[tag], 3, num_frames, size_px, size_px)
        views.append(torch.from_numpy(make_input(f"{tag}:crop{index}", shape, seed)))
    return views


def _loss(student: Tensor, teacher: Tensor, centre: Tensor, temperature: float) -> float:
    probs = teacher_probabilities(teacher, centre, temperature)
    num_clips = len(teacher) // 2
    pairs = pair_losses(student, probs, num_clips=num_clips, temperature=0.1)
    return dino_loss(pairs).total.item()


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("tag", ["fixed8", "randfr"])
def test_logits_losses_and_centres(
    golden: Callable[[str], Golden], networks: tuple[ViewNetwork, ViewNetwork], tag: str
) -> None:
    arrays = golden("dino")
    views = _views(tag, int(arrays["seed"]))
    student, teacher = networks[0](views), networks[1](views[:2])
    compare(student.numpy(), arrays, f"{tag}/student_logits", rtol=1e-5, atol=1e-5)
    compare(teacher.numpy(), arrays, f"{tag}/teacher_logits", rtol=1e-5, atol=1e-5)

    batch_mean = teacher.mean(dim=0, keepdim=True)
    centre = torch.zeros(1, NUM_PROTOTYPES)
    for call in (0, 1):
        loss = _loss(student, teacher, centre, 0.04)
        assert loss == pytest.approx(float(arrays[f"{tag}/loss_center{call}"]), rel=1e-6)
        centre = next_centre(centre, batch_mean, 0.9)
        compare(centre.numpy(), arrays, f"{tag}/center{call + 1}", rtol=1e-5, atol=1e-6)
    warmed_up = _loss(student, teacher, centre, 0.0625)
    assert warmed_up == pytest.approx(float(arrays[f"{tag}/loss_warmup_temp_epoch3"]), rel=1e-6)
