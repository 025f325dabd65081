import copy
import math

import pytest
import torch
from torch import Tensor

from endofm.models import DINOHead, TimeSformer, ViewNetwork
from endofm.tasks.self_distillation import (
    NUM_RECENT_FEATURES,
    Schedule,
    SelfDistillation,
    collapse_warning,
)

SCHEDULE = Schedule(
    num_steps=20, steps_per_epoch=5, warmup_steps=5, freeze_steps=5, peak_learning_rate=1e-3
)


def _task(**changes: object) -> SelfDistillation:
    torch.manual_seed(0)
    network = ViewNetwork(
        TimeSformer(embed_dim=32, depth=2, num_heads=2, drop_path=0.5),
        DINOHead(in_dim=32, out_dim=8, hidden_dim=16, bottleneck_dim=4),
    )
    return SelfDistillation(
        student=network,
        network=network,
        teacher=copy.deepcopy(network),
        num_global=2,
        schedule=SCHEDULE,
        prepare=lambda views: views,
        **changes,  # type: ignore[arg-type]  # whatever a test wants to change
    )


def _views(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(3, 3, t, 16, 16, generator=generator) for t in (2, 2, 1)]


def test_the_centre_is_used_first_and_moved_afterwards() -> None:
    task = _task(centre_momentum=0.25)
    logits = task.teacher(_views(0)[:2])
    task.losses(_views(0), 0)
    assert torch.equal(task.centre, torch.zeros(1, 8))
    task.after_update(0)
    torch.testing.assert_close(task.centre, 0.75 * logits.mean(dim=0, keepdim=True))


def test_a_measured_centre_is_the_mean_over_all_its_batches() -> None:
    task = _task()
    expected = torch.cat([task.teacher(_views(seed)[:2]) for seed in range(3)]).mean(dim=0)
    task.measure_centre(_views(seed) for seed in range(3))
    torch.testing.assert_close(task.centre[0], expected)


def test_the_teacher_sees_no_gradient_and_drops_no_path_unless_told() -> None:
    task = _task()
    task.losses(_views(0), 0)["loss"].backward()
    assert all(p.grad is None for p in task.teacher.parameters())
    assert not task.teacher.training
    assert _task(teacher_drop_path=True).teacher.training


def test_a_teacher_that_drops_paths_answers_differently() -> None:
    steady, dropping = _task(), _task(teacher_drop_path=True)
    answers = [
        {float(task.losses(_views(0), 0)["teacher_entropy"]) for _ in range(6)}
        for task in (steady, dropping)
    ]
    assert len(answers[0]) == 1
    assert len(answers[1]) > 1


def test_prototypes_have_no_gradient_in_the_first_epoch() -> None:
    task = _task()
    for step, frozen in ((4, True), (5, False)):
        task.losses(_views(0), step)["loss"].backward()
        task.before_update(step)
        assert (task.network.head.last_layer.weight_v.grad is None) == frozen


def test_only_recent_features_are_remembered_and_survive_a_checkpoint() -> None:
    task = _task()
    for seed in range(NUM_RECENT_FEATURES // 6 + 3):
        task.losses(_views(seed), 0)
    assert task.recent_features.shape == (NUM_RECENT_FEATURES, 32)
    other = _task()
    other.restore(task.tensors())
    assert other.collapse_measures() == task.collapse_measures()


@pytest.mark.parametrize(
    ("spread", "entropy", "word"),
    [
        (0.01, 1.0, "nearly the same features"),
        (0.5, math.log(64), "every prototype equally likely"),
        (0.5, 0.9 * math.log(64), None),
    ],
)
def test_a_collapse_is_told_in_plain_words(spread: float, entropy: float, word: str | None) -> None:
    warning = collapse_warning(feature_spread=spread, teacher_entropy=entropy, num_prototypes=64)
    if word is None:
        assert warning is None
    else:
        assert warning is not None
        assert warning.startswith("collapse: ")
        assert word in warning


def test_temperature_moves_by_epoch_and_the_rest_by_step() -> None:
    schedule = Schedule(
        num_steps=20,
        steps_per_epoch=5,
        warmup_steps=5,
        freeze_steps=0,
        peak_learning_rate=1.0,
        teacher_temperature=0.07,
        temperature_epochs=3,
    )
    rates = [schedule.rates(step) for step in range(20)]
    assert [r["epoch"] for r in rates[4:6]] == [0, 1]
    assert rates[4]["teacher_temperature"] == pytest.approx(0.04)
    assert rates[5]["teacher_temperature"] == pytest.approx(0.055)
    assert rates[19]["teacher_temperature"] == pytest.approx(0.07)
    assert rates[0]["learning_rate"] == 0
    assert rates[5]["learning_rate"] == pytest.approx(1.0)
    assert rates[0]["teacher_momentum"] == pytest.approx(0.996)
