from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from endofm.objectives.segmentation import dice_loss, segmentation_loss


def _logits(*shape: int) -> Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def _labels(num_classes: int, *shape: int) -> Tensor:
    return torch.randint(num_classes, shape, generator=torch.Generator().manual_seed(1))


def _naive_losses(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Cross-entropy and Dice loss of one sequence ``(T, K, H, W)``, pixel by pixel."""
    num_frames, num_classes, height, width = logits.shape
    cross_entropy, overlap, areas = 0.0, [0.0] * num_classes, [0.0] * num_classes
    for t in range(num_frames):
        for row in range(height):
            for column in range(width):
                powers = [math.exp(value) for value in logits[t, :, row, column].tolist()]
                label = int(labels[t, row, column])
                cross_entropy -= math.log(powers[label] / sum(powers))
                for k in range(num_classes):
                    prob, truth = powers[k] / sum(powers), float(k == label)
                    overlap[k] += prob * truth
                    areas[k] += prob**2 + truth**2
    dice = [(2 * o + 1e-5) / (a + 1e-5) for o, a in zip(overlap, areas, strict=True)]
    return cross_entropy / labels.numel(), 1 - sum(dice) / num_classes


@pytest.mark.parametrize("num_classes", [2, 3])
def test_equals_the_naive_sums_of_each_sequence(num_classes: int) -> None:
    logits, labels = _logits(2, 3, num_classes, 4, 5), _labels(num_classes, 2, 3, 4, 5)
    labels[1] //= 2  # so that the sequences differ
    naive = [_naive_losses(*sequence) for sequence in zip(logits, labels, strict=True)]
    loss = segmentation_loss(logits, labels)
    assert dice_loss(logits, labels).tolist() == pytest.approx([dice for _, dice in naive])
    cross_entropy, dice = (sum(values) / 2 for values in zip(*naive, strict=True))
    assert loss.cross_entropy.item() == pytest.approx(cross_entropy)
    assert loss.dice.item() == pytest.approx(dice)
    assert loss.total.item() == pytest.approx(0.5 * cross_entropy + 0.5 * dice)


def test_a_class_is_counted_over_the_whole_sequence() -> None:
    labels = torch.zeros(1, 2, 4, 4, dtype=torch.int64)
    labels[0, 0, :2] = 1  # the second frame has none
    logits = _logits(1, 2, 2, 4, 4)
    as_one_frame = dice_loss(logits.transpose(1, 2).reshape(1, 1, 2, 8, 4), labels.view(1, 1, 8, 4))
    torch.testing.assert_close(dice_loss(logits, labels), as_one_frame)


@pytest.mark.parametrize("label", [0, 1])
def test_a_perfect_answer_costs_nothing_and_a_wrong_one_all(label: int) -> None:
    labels = torch.full((1, 2, 4, 4), label)  # one of the classes is nowhere
    logits = torch.full((1, 2, 2, 4, 4), -100.0)
    logits[:, :, label] = 100
    assert segmentation_loss(logits, labels).total.item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(logits, labels).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(-logits, labels).item() == pytest.approx(1, abs=1e-5)


def test_low_precision_and_autocast_lose_nothing() -> None:
    logits, labels = _logits(1, 2, 2, 4, 4).bfloat16(), _labels(2, 1, 2, 4, 4)
    exact = segmentation_loss(logits.float(), labels)
    with torch.autocast("cpu", torch.bfloat16):
        losses = segmentation_loss(logits, labels)
    for loss, same in zip(losses, exact, strict=True):
        assert loss.dtype == torch.float32
        assert torch.equal(loss, same)


def test_gradients_equal_finite_differences() -> None:
    logits, labels = _logits(1, 2, 2, 2, 2).requires_grad_(), _labels(2, 1, 2, 2, 2)
    segmentation_loss(logits, labels).total.backward()
    assert logits.grad is not None
    with torch.no_grad():
        for index in [(0, 0, 0, 0, 0), (0, 1, 1, 1, 0)]:
            step = torch.zeros_like(logits)
            step[index] = 1e-2
            above, below = (segmentation_loss(logits + s, labels).total for s in (step, -step))
            slope = float(above - below) / 2e-2
            assert logits.grad[index].item() == pytest.approx(slope, abs=1e-4)


@pytest.mark.slow  # importing MONAI takes seconds
def test_dice_is_monais_of_a_sequence_taken_as_a_volume() -> None:
    from monai.losses.dice import DiceLoss

    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(2, 3, 4, 8, 10, generator=generator)
    labels = torch.randint(4, (2, 3, 8, 10), generator=generator)
    theirs = DiceLoss(
        softmax=True, to_onehot_y=True, squared_pred=True, smooth_nr=1e-5, smooth_dr=1e-5
    )
    volumes = logits.transpose(1, 2)  # (B, K, T, H, W)
    torch.testing.assert_close(dice_loss(logits, labels).mean(), theirs(volumes, labels[:, None]))
