from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from endofm.objectives.dino import (
    dino_loss,
    next_centre,
    pair_losses,
    teacher_entropy,
    teacher_probabilities,
)

NUM_CLIPS = 3
NUM_PROTOTYPES = 11


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _naive_softmax(row: Tensor, temperature: float) -> list[float]:
    powers = [math.exp(value / temperature) for value in row.tolist()]
    return [power / sum(powers) for power in powers]


def _naive_pair(student: Tensor, teacher_probs: Tensor, *, temperature: float) -> float:
    """Of one pair of views, both (B, K): the mean over clips of -sum q log p."""
    total = 0.0
    for student_row, probs in zip(student, teacher_probs.tolist(), strict=True):
        p = _naive_softmax(student_row, temperature)
        total -= sum(q * math.log(p[k]) for k, q in enumerate(probs))
    return total / len(student)


def _inputs(num_global: int, num_views: int) -> tuple[Tensor, Tensor]:
    student = torch.randn(num_views * NUM_CLIPS, NUM_PROTOTYPES) / 5
    teacher = torch.randn(num_global * NUM_CLIPS, NUM_PROTOTYPES).softmax(-1)
    return student, teacher


def test_teacher_probabilities_are_centred_and_sharpened() -> None:
    logits, centre = torch.randn(4, NUM_PROTOTYPES), torch.randn(1, NUM_PROTOTYPES)
    before = logits.clone()
    probs = teacher_probabilities(logits, centre, 0.5)
    naive = [_naive_softmax(row - centre[0], 0.5) for row in logits]
    torch.testing.assert_close(probs, torch.tensor(naive))
    torch.testing.assert_close(logits, before, rtol=0, atol=0)


@pytest.mark.parametrize(("num_global", "num_views"), [(2, 10), (1, 3), (2, 2)])
def test_pair_losses_equal_written_out_sums(num_global: int, num_views: int) -> None:
    student, teacher = _inputs(num_global, num_views)
    pairs = pair_losses(student, teacher, num_clips=NUM_CLIPS, temperature=0.1)
    assert pairs.shape == (num_global, num_views)
    for g, probs in enumerate(teacher.split(NUM_CLIPS)):
        for v, logits in enumerate(student.split(NUM_CLIPS)):
            naive = _naive_pair(logits, probs, temperature=0.1)
            assert pairs[g, v].item() == pytest.approx(naive, rel=1e-5)


def test_gradient_is_softmax_minus_teacher() -> None:
    student, teacher = _inputs(1, 1)
    student.requires_grad_()
    pair_losses(student, teacher, num_clips=NUM_CLIPS, temperature=0.1).sum().backward()
    expected = ((student / 0.1).softmax(-1) - teacher) / 0.1 / NUM_CLIPS
    torch.testing.assert_close(student.grad, expected.detach(), rtol=1e-4, atol=1e-5)


def test_autocast_does_not_touch_the_loss() -> None:
    student, teacher = _inputs(2, 10)
    exact = pair_losses(student, teacher, num_clips=NUM_CLIPS, temperature=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = pair_losses(student, teacher, num_clips=NUM_CLIPS, temperature=0.1)
    assert cast.dtype == torch.float32
    torch.testing.assert_close(cast, exact, rtol=0, atol=0)


def test_half_precision_logits_are_taken_as_float32() -> None:
    student, teacher = _inputs(2, 4)
    student = student.bfloat16()
    exact = pair_losses(student.float(), teacher, num_clips=NUM_CLIPS, temperature=0.1)
    half = pair_losses(student, teacher, num_clips=NUM_CLIPS, temperature=0.1)
    torch.testing.assert_close(half, exact, rtol=0, atol=0)
    probs = teacher_probabilities(student, torch.zeros(1, NUM_PROTOTYPES), 0.04)
    assert probs.dtype == torch.float32


def test_loss_is_the_mean_over_different_views() -> None:
    pairs = torch.rand(2, 10)
    loss = dino_loss(pairs)
    different = [pairs[g, v].item() for g in range(2) for v in range(10) if g != v]
    assert len(different) == 18
    assert loss.total.item() == pytest.approx(sum(different) / 18)
    assert loss.dynamic.item() == pytest.approx((pairs[0, 1] + pairs[1, 0]).item() / 2)
    assert loss.cross_view.item() == pytest.approx(pairs[:, 2:].mean().item())
    parts = 2 * loss.dynamic + 16 * loss.cross_view
    assert loss.total.item() == pytest.approx(parts.item() / 18)


@pytest.mark.parametrize(
    ("shape", "cross_view", "dynamic"), [((2, 2), 0.0, 1.0), ((1, 3), 1.0, 0.0)]
)
def test_a_part_without_pairs_is_zero(
    shape: tuple[int, int], cross_view: float, dynamic: float
) -> None:
    loss = dino_loss(torch.ones(shape))
    assert loss.total == 1
    assert loss.cross_view == cross_view
    assert loss.dynamic == dynamic


def test_a_view_paired_with_itself_has_no_gradient() -> None:
    pairs = torch.rand(2, 4, requires_grad=True)
    dino_loss(pairs).total.backward()
    expected = torch.full((2, 4), 1 / 6)
    expected[0, 0] = expected[1, 1] = 0
    torch.testing.assert_close(pairs.grad, expected)


def test_centre_moves_by_the_rest_of_the_momentum() -> None:
    centre, mean = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -2.0]])
    torch.testing.assert_close(next_centre(centre, mean, 0.9), torch.tensor([[1.2, 1.6]]))
    torch.testing.assert_close(centre, torch.tensor([[1.0, 2.0]]), rtol=0, atol=0)


def test_entropy_from_certain_to_even() -> None:
    certain = torch.eye(NUM_PROTOTYPES)[:2]
    even = torch.full((2, NUM_PROTOTYPES), 1 / NUM_PROTOTYPES)
    assert teacher_entropy(certain) == 0
    assert teacher_entropy(even).item() == pytest.approx(math.log(NUM_PROTOTYPES))
    both = torch.cat([certain, even])
    assert teacher_entropy(both).item() == pytest.approx(math.log(NUM_PROTOTYPES) / 2)
