"""Boxes against slow references, and where there is nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from endofm.boxes import Detections, clip_boxes, nms, pairwise_iou


def some_boxes(num: int, *, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(num, 2, generator=generator) * 40
    return torch.cat([corners, corners + torch.rand(num, 2, generator=generator) * 40], 1)


def slow_iou(first: list[float], second: list[float], add_px: float) -> float:
    (a1, b1, a2, b2), (c1, d1, c2, d2) = first, second
    overlap = [min(a2, c2) - max(a1, c1) + add_px, min(b2, d2) - max(b1, d1) + add_px]
    inside = max(overlap[0], 0) * max(overlap[1], 0)
    areas = [(z - x + add_px) * (w - y + add_px) for x, y, z, w in (first, second)]
    return inside / (sum(areas) - inside)


@pytest.mark.parametrize("add_px", [0, 1])
def test_iou_is_that_of_each_pair(add_px: float) -> None:
    first, second = some_boxes(7, seed=0), some_boxes(5, seed=1)
    found = pairwise_iou(first, second, add_px=add_px)
    expected = [[slow_iou(a, b, add_px) for b in second.tolist()] for a in first.tolist()]
    torch.testing.assert_close(found, torch.tensor(expected))
    torch.testing.assert_close(pairwise_iou(first, first).diag(), torch.ones(7))


def test_iou_without_area_or_boxes() -> None:
    point = torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    assert pairwise_iou(point, point).tolist() == [[0.0]]
    assert pairwise_iou(point[:0], point).shape == (0, 1)


def slow_nms(found: Detections, iou_from: float) -> list[int]:
    """Indices kept, the surest first."""
    kept: list[int] = []
    for index in found.scores.argsort(descending=True, stable=True).tolist():
        rivals = [k for k in kept if found.labels[k] == found.labels[index]]
        boxes = found.boxes_xyxy.tolist()
        if all(slow_iou(boxes[index], boxes[k], 0) <= iou_from for k in rivals):
            kept.append(index)
    return kept


@pytest.mark.parametrize("seed", range(4))
def test_nms_keeps_what_the_slow_one_keeps(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    found = Detections(
        some_boxes(60, seed=seed),
        torch.rand(60, generator=generator),
        torch.randint(1, 4, (60,), generator=generator),
    )
    kept = nms(found, iou_from=0.3)
    expected = slow_nms(found, 0.3)
    assert 3 < len(expected) < 60
    torch.testing.assert_close(kept.boxes_xyxy, found.boxes_xyxy[expected])
    torch.testing.assert_close(kept.scores, found.scores[expected])
    torch.testing.assert_close(kept.labels, found.labels[expected])


def test_nms_of_nothing() -> None:
    nothing = Detections(torch.empty(0, 4), torch.empty(0), torch.empty(0, dtype=torch.int64))
    assert len(nms(nothing, iou_from=0.5)) == 0


def test_equal_scores_keep_their_order() -> None:
    boxes = torch.tensor([[0.0, 0, 9, 9], [50, 50, 59, 59], [0, 0, 9, 9]])
    found = Detections(boxes, torch.full((3,), 0.5), torch.ones(3, dtype=torch.int64))
    torch.testing.assert_close(nms(found, iou_from=0.5).boxes_xyxy, boxes[:2])


def test_clipped_boxes_end_on_the_last_pixel() -> None:
    boxes = torch.tensor([[-5.0, 2, 70, 90], [3, -9, 4, -2]])
    clipped = clip_boxes(boxes, size_hw=(60, 50))
    assert clipped.tolist() == [[0, 2, 49, 59], [3, 0, 4, 0]]
