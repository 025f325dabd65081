"""Targets and losses of detection against slow references."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from endofm.objectives.detection import (
    RANGES_PX,
    CellPredictions,
    Cells,
    DetectionLoss,
    cell_targets,
    centreness_of,
    detection_loss,
    divisors,
    focal_loss,
    giou_of_distances,
)

STRIDES = (8, 16, 32, 64, 128)
BOXES = torch.tensor([[10.0, 10, 60, 70], [24, 24, 40, 38], [100, 5, 250, 190], [3, 100, 9, 104]])
LABELS = torch.tensor([1, 2, 2, 1])


def cells_of(height: int = 192, width: int = 256) -> Cells:
    rows = [
        (x + 0.5, y + 0.5, stride, level)
        for level, stride in enumerate(STRIDES)
        for y in range(-(-height // stride))
        for x in range(-(-width // stride))
    ]
    table = torch.tensor(rows)
    return Cells(table[:, :2] * table[:, 2:3], table[:, 2], table[:, 3].long())


def proposals(cells: Cells) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    sides = torch.rand(len(cells.levels), 4, generator=generator) * 60
    centres = cells.centres_xy
    return torch.cat([centres - sides[:, :2], centres + sides[:, 2:]], 1)


def slow_label(x: float, y: float, stride: float, level: int) -> int:
    """0, or the class of the smallest box that the cell answers for."""
    best, label = math.inf, 0
    for (x1, y1, x2, y2), kind in zip(BOXES.tolist(), LABELS.tolist(), strict=True):
        sides = (x - x1, y - y1, x2 - x, y2 - y)
        near = max(abs(x - (x1 + x2) / 2), abs(y - (y1 + y2) / 2)) < 1.5 * stride
        low, high = RANGES_PX[level]
        area = (x2 - x1) * (y2 - y1)
        if near and min(sides) > 0 and low <= max(sides) <= high and area < best:
            best, label = area, kind
    return label


def test_each_cell_answers_for_the_smallest_box_that_fits() -> None:
    cells = cells_of()
    targets = cell_targets(cells, proposals(cells)[None], [BOXES], [LABELS])
    table = zip(
        *cells.centres_xy.T.tolist(), cells.strides.tolist(), cells.levels.tolist(), strict=True
    )
    assert targets.labels[0].tolist() == [slow_label(*row) for row in table]
    positive = targets.labels[0] > 0
    assert set(targets.labels[0].tolist()) == {0, 1, 2}
    centres, sides = cells.centres_xy[positive], targets.distances_px[0, positive]
    corners = torch.cat([centres - sides[:, :2], centres + sides[:, 2:]], 1)
    assert bool((corners[:, None] == BOXES).all(-1).any(1).all())
    assert bool(((targets.centreness[0] > 0) == positive).all())


def test_second_targets_lead_from_the_proposal_to_the_box() -> None:
    cells = cells_of()
    own = proposals(cells)
    targets = cell_targets(cells, own[None], [BOXES], [LABELS])
    positive = targets.stft_labels[0] > 0
    assert 0 < int(positive.sum()) < len(positive)
    chosen = own[positive]
    half = (chosen[:, 2:] - chosen[:, :2]).repeat(1, 2) / 2
    reached = chosen + targets.corrections[0, positive] * half
    distance = (reached[:, None] - BOXES).abs().amax(-1)
    torch.testing.assert_close(distance.amin(1), torch.zeros(len(chosen)), atol=1e-3, rtol=0)
    assert targets.stft_labels[0, positive].tolist() == LABELS[distance.argmin(1)].tolist()


def test_a_proposal_without_area_is_background() -> None:
    cells = cells_of()
    points = cells.centres_xy.repeat(1, 2)
    tiny = torch.cat([cells.centres_xy[:1] - 1, cells.centres_xy[:1] + 1], 1)
    targets = cell_targets(cells, points[None], [tiny], [LABELS[:1]])
    assert int(targets.stft_labels.sum()) == 0
    assert bool(targets.corrections.isfinite().all())


def predictions(cells: Cells, *, num_frames: int) -> CellPredictions:
    generator = torch.Generator().manual_seed(1)
    num = len(cells.levels)

    def draw(*shape: int) -> Tensor:
        drawn = torch.randn(num_frames, num, *shape, generator=generator)
        return drawn.requires_grad_()

    return CellPredictions(
        class_logits=draw(2),
        centreness_logits=draw(),
        distances_px=draw(4).detach().abs().mul(30).requires_grad_(),
        boxes_xyxy=proposals(cells).expand(num_frames, -1, -1),
        stft_class_logits=draw(2),
        corrections=draw(4),
    )


def test_frames_without_boxes_take_part() -> None:
    cells = cells_of()
    predicted = predictions(cells, num_frames=2)
    empty, none = torch.empty(0, 4), torch.empty(0, dtype=torch.int64)
    targets = cell_targets(cells, predicted.boxes_xyxy, [empty, BOXES], [none, LABELS])
    alone = cell_targets(cells, predicted.boxes_xyxy[1:], [BOXES], [LABELS])
    assert targets.counts().tolist() == alone.counts().tolist()
    assert int(targets.labels[0].sum()) == int(targets.stft_labels[0].sum()) == 0
    detection_loss(predicted, targets, divisors(targets.counts())).total.backward()
    gradient = predicted.class_logits.grad
    assert gradient is not None
    assert float(gradient[0].abs().sum()) > 0


def test_without_any_box_the_loss_is_finite_and_reaches_every_output() -> None:
    cells = cells_of()
    predicted = predictions(cells, num_frames=1)
    empty, none = torch.empty(0, 4), torch.empty(0, dtype=torch.int64)
    targets = cell_targets(cells, predicted.boxes_xyxy, [empty], [none])
    loss = detection_loss(predicted, targets, divisors(targets.counts()))
    assert (loss.boxes.item(), loss.centreness.item(), loss.stft_boxes.item()) == (0, 0, 0)
    assert loss.classes.item() > 0
    loss.total.backward()
    for outputs in (predicted.distances_px, predicted.corrections, predicted.centreness_logits):
        assert outputs.grad is not None  # several processes need a gradient from each
        assert int(outputs.grad.count_nonzero()) == 0


def test_processes_together_have_the_loss_of_all_frames() -> None:
    """One process has no box at all; of STFT's positive cells there is none anywhere."""
    cells = cells_of()
    predicted = predictions(cells, num_frames=2)
    empty, none = torch.empty(0, 4), torch.empty(0, dtype=torch.int64)
    far = torch.full_like(predicted.boxes_xyxy, 1e4)

    def loss_of(frames: slice, counts: Tensor | None = None) -> tuple[DetectionLoss, Tensor]:
        own = CellPredictions(**{name: of[frames] for name, of in vars(predicted).items()})
        boxes, labels = [BOXES, empty][frames], [LABELS, none][frames]
        targets = cell_targets(cells, far[frames], boxes, labels)
        num = 1 if counts is None else 2
        shared = targets.counts() if counts is None else counts
        return detection_loss(own, targets, divisors(shared, num_processes=num)), targets.counts()

    whole, counts = loss_of(slice(0, 2))
    assert counts[2] == 0
    assert counts[0] > 0
    shares = [loss_of(slice(k, k + 1), counts)[0] for k in range(2)]
    for one, first, second in zip(whole, *shares, strict=True):
        assert (first.item() + second.item()) / 2 == pytest.approx(one.item())


def test_focal_loss_is_that_of_each_cell() -> None:
    logits = torch.tensor([[0.3, -1.2], [2.0, 0.1], [-3.0, 4.0]])
    expected = 0.0
    for row, label in zip(logits.tolist(), (0, 1, 2), strict=True):
        for kind, logit in enumerate(row, start=1):
            p = 1 / (1 + math.exp(-logit))
            expected -= (
                0.25 * (1 - p) ** 2 * math.log(p)
                if kind == label
                else 0.75 * p**2 * math.log(1 - p)
            )
    assert focal_loss(logits, torch.tensor([0, 1, 2])).item() == pytest.approx(expected)


def test_giou_ends_at_one_and_falls_below_zero() -> None:
    wanted = torch.tensor([[2.0, 3, 4, 5]])
    assert giou_of_distances(wanted, wanted).item() == pytest.approx(1)
    # 6 x 8 against 2 x 2 inside of it
    inside = torch.ones(1, 4)
    assert giou_of_distances(inside, wanted).item() == pytest.approx(4 / 48)
    # a line: no intersection; the hull is 10 x 8
    line = torch.tensor([[0.0, 3, 8, -3]]).clamp(min=0)
    hull, union = 10 * 8, 48 + 8 * 3 - 4 * 3
    assert giou_of_distances(line, wanted).item() == pytest.approx(
        12 / union - (hull - union) / hull
    )


def test_centreness_is_one_in_the_middle_and_falls_to_the_edge() -> None:
    sides = torch.tensor([[5.0, 7, 5, 7], [1, 7, 9, 7], [1, 1, 4, 9]])
    assert centreness_of(sides).tolist() == pytest.approx([1, 1 / 3, 1 / 6])
