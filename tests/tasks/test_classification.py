import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from endofm.models import Classifier, TimeSformer
from endofm.tasks.classification import (
    Classification,
    Schedule,
    balanced_weights,
    classification_loss,
)


def _schedule(*, by_epoch: bool = False, warmup_steps: int = 0) -> Schedule:
    return Schedule(
        num_steps=20,
        steps_per_epoch=5,
        warmup_steps=warmup_steps,
        peak_learning_rate=1.0,
        final_learning_rate=0.0,
        weight_decay=0.1,
        by_epoch=by_epoch,
    )


def test_the_papers_rate_changes_from_epoch_to_epoch() -> None:
    rates = [_schedule(by_epoch=True).rates(step)["learning_rate"] for step in range(20)]
    expected = [0.5 * (1 + np.cos(np.pi * epoch / 4)) for epoch in range(4)]
    np.testing.assert_allclose(rates, np.repeat(expected, 5))


def test_the_rate_rises_to_its_peak_and_falls_towards_its_end() -> None:
    rates = [_schedule(warmup_steps=5).rates(step)["learning_rate"] for step in range(20)]
    assert rates[0] == 0
    assert max(rates) == rates[4] == 1
    assert rates[5:] == sorted(rates[5:], reverse=True)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_of_classes_equals_written_out_sums(weighted: bool) -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    weights = torch.tensor([1.0, 3.0, 0.5]) if weighted else torch.ones(3)
    terms = [-logits[i].log_softmax(0)[t] for i, t in enumerate(targets)]
    shares = weights[targets]
    expected = sum(w * t for w, t in zip(shares, terms, strict=True)) / shares.sum()
    got = classification_loss(logits, targets, weights if weighted else None)
    torch.testing.assert_close(got, expected)


def test_the_loss_of_labels_weighs_ones() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(4, 2), torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0]])
    weights = torch.tensor([2.0, 0.5])
    p = logits.sigmoid()
    expected = -(weights * targets * p.log() + (1 - targets) * (1 - p).log()).mean()
    torch.testing.assert_close(classification_loss(logits, targets, weights), expected)


def test_balanced_classes_count_alike() -> None:
    targets = np.array([0, 0, 0, 1, 3, 3])
    weights = balanced_weights(targets, 4)
    sums = [weights[c] * np.sum(targets == c) for c in (0, 1, 3)]
    np.testing.assert_allclose(sums, sums[0])
    assert weights[2] == 1
    several = np.array([[1, 0], [1, 0], [0, 0], [1, 1]])
    np.testing.assert_allclose(balanced_weights(several, 2), [1 / 3, 3])


def _task(*, frozen: bool = False, momentum: float | None = None) -> Classification:
    torch.manual_seed(0)
    network = Classifier(TimeSformer(embed_dim=64, depth=2, num_heads=1, grid=2), num_classes=2)
    network.backbone.requires_grad_(not frozen)
    return Classification(
        model=network,
        network=network.train(),
        schedule=_schedule(),
        prepare=lambda batch: batch,
        average=None if momentum is None else copy.deepcopy(network),
        average_momentum=momentum or 0.0,
    )


def _batch() -> tuple[Tensor, Tensor]:
    return torch.randn(3, 3, 2, 32, 32), torch.tensor([0, 1, 1])


def test_a_frozen_backbone_gets_no_gradient_and_drops_no_path() -> None:
    task = _task(frozen=True)
    batch = _batch()
    first, second = (task.losses(batch, 0)["loss"] for _ in range(2))
    assert torch.equal(first, second)
    first.backward()
    with_gradient = [n for n, p in task.network.named_parameters() if p.grad is not None]
    assert with_gradient == ["linear.weight", "linear.bias"]
    assert any(block.training is False for block in task.network.backbone.blocks)


def test_accuracy_is_the_share_of_right_answers() -> None:
    task = _task(frozen=True)
    with torch.no_grad():
        task.network.linear.weight.zero_()
        task.network.linear.bias.copy_(torch.tensor([0.0, 1.0]))
    assert float(task.losses(_batch(), 0)["accuracy"]) == pytest.approx(2 / 3)


def test_the_average_is_what_is_evaluated() -> None:
    task = _task(momentum=0.75)
    assert task.average is not None
    assert task.evaluated is task.average
    before = task.average.linear.weight.clone()
    with torch.no_grad():
        task.network.linear.weight.add_(1)
    task.after_update(0)
    torch.testing.assert_close(task.average.linear.weight, before + 0.25)
    plain = _task()
    assert plain.evaluated is plain.network
