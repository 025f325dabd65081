"""Average precision as COCO defines it, by ``faster-coco-eval``; and the same of resampled frames.

Axes: F frames, N found boxes of all of them, K classes, T thresholds of IoU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endofm.metrics.detection_matching import ScoredFrame, match, pairwise_iou

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MOST_A_FRAME = 100
"""Of a class; COCO counts no more."""


@dataclass(frozen=True)
class AveragePrecision:
    """Means over the classes that occur; ``nan`` where none does."""

    ap: float
    """The mean over ten IoUs from 0.5 to 0.95."""
    ap50: float
    ap75: float
    ap50_of_class: tuple[float, ...]


def average_precision(frames: Sequence[ScoredFrame], *, num_classes: int) -> AveragePrecision:
    """COCO's average precision of all boxes, whatever their score."""
    if not any(len(frame.truth_labels) for frame in frames):
        nothing = (math.nan,) * num_classes
        return AveragePrecision(math.nan, math.nan, math.nan, nothing)
    from faster_coco_eval import COCO, COCOeval_faster  # noqa: PLC0415 - slow to import

    truth, found = _as_coco(frames, num_classes)
    whole = COCO(truth)
    evaluation = COCOeval_faster(whole, whole.loadRes(found), "bbox", print_function=_say_nothing)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, -1]  # (T, 101, K): all areas, 100 a frame
    return _summary(np.where(precision < 0, np.nan, precision).mean(1))


class RankedBoxes:
    """All boxes by class, matched once, so that any resample of frames is quick to score.

    Args:
        frames: F.
        num_classes: K.
    """

    def __init__(self, frames: Sequence[ScoredFrame], *, num_classes: int) -> None:
        self.num_frames = len(frames)
        self._classes = [_Ranked.of(frames, label) for label in range(1, num_classes + 1)]

    def scores(self, chosen: NDArray[np.int64]) -> AveragePrecision:
        """``average_precision`` of the frames ``chosen``, repeats included."""
        weights = np.bincount(chosen, minlength=self.num_frames)
        by_class = [ranked.precisions(weights) for ranked in self._classes]
        return _summary(np.stack(by_class, 1))


@dataclass(frozen=True)
class _Ranked:
    """Boxes of one class, the surest first."""

    frame: NDArray[np.intp]  # (N,)
    hits: NDArray[np.bool_]  # (T, N)
    num_true: NDArray[np.int64]  # (F,)

    @classmethod
    def of(cls, frames: Sequence[ScoredFrame], label: int) -> _Ranked:
        places, scores, hits, num_true = [], [], [np.zeros((len(IOUS), 0), bool)], []
        for place, frame in enumerate(frames):
            truth = frame.truth_xyxy[frame.truth_labels == label]
            num_true.append(len(truth))
            order = frame.above(-math.inf)
            own = order[frame.labels[order] == label][:MOST_A_FRAME]
            likeness = pairwise_iou(frame.boxes_xyxy[own], truth)
            hits.append(np.stack([match(likeness, least=iou - 1e-10)[0] >= 0 for iou in IOUS]))
            places += [place] * len(own)
            scores += frame.scores[own].tolist()
        order = np.argsort(-np.array(scores), kind="stable")
        return cls(
            np.array(places, np.intp)[order],
            np.concatenate(hits, 1)[:, order],
            np.array(num_true, np.int64),
        )

    def precisions(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean precision over 101 recalls at each IoU, (T,), where a frame counts as often."""
        num_true = int(weights @ self.num_true)
        if not num_true:
            return np.full(len(IOUS), np.nan)
        weight = weights[self.frame]
        true = np.cumsum(weight * self.hits, 1)  # (T, N)
        every = np.maximum(np.cumsum(weight), 1)
        precision = np.maximum.accumulate((true / every)[:, ::-1], 1)[:, ::-1]
        padded = np.concatenate([precision, np.zeros((len(IOUS), 1))], 1)
        return np.array(
            [
                padded[row, np.searchsorted(true[row] / num_true, RECALLS, side="left")].mean()
                for row in range(len(IOUS))
            ]
        )


def _summary(by_iou_and_class: NDArray[np.float64]) -> AveragePrecision:
    """From (T, K) with ``nan`` for classes that do not occur."""
    occurs = ~np.isnan(by_iou_and_class[0])
    if not occurs.any():
        nothing = (math.nan,) * by_iou_and_class.shape[1]
        return AveragePrecision(math.nan, math.nan, math.nan, nothing)
    by_iou = by_iou_and_class[:, occurs].mean(1)
    return AveragePrecision(
        ap=float(by_iou.mean()),
        ap50=float(by_iou[0]),
        ap75=float(by_iou[5]),
        ap50_of_class=tuple(by_iou_and_class[0].tolist()),
    )


def _as_coco(
    frames: Sequence[ScoredFrame], num_classes: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    annotations: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, frame in enumerate(frames, start=1):
        for box, label in zip(_xywh(frame.truth_xyxy), frame.truth_labels.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": label,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
        table = zip(
            _xywh(frame.boxes_xyxy), frame.labels.tolist(), frame.scores.tolist(), strict=True
        )
        found += [
            {"image_id": number, "category_id": label, "bbox": box, "score": score}
            for box, label, score in table
        ]
    truth = {
        "images": [
            {"id": number, "height": frame.size_hw[0], "width": frame.size_hw[1]}
            for number, frame in enumerate(frames, start=1)
        ],
        "annotations": annotations,
        "categories": [{"id": k, "name": str(k)} for k in range(1, num_classes + 1)],
    }
    return truth, found


def _xywh(boxes: NDArray[np.float64]) -> list[list[float]]:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).tolist()


def _say_nothing(*_: object, **__: object) -> None:
    """COCO's table of numbers is not wanted."""
