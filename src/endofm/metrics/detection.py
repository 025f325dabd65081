"""How well are lesions found?

Everything but the ranking belongs to a threshold on the score, which validation has to choose.
What is undefined is ``nan``: precision without a box, recall without a lesion, and so on.

* ranking: COCO's average precision, which knows no threshold.
* boxes: a box of a lesion's class that overlaps it by an IoU of 0.5 or more has found it; every
  other box is false, a second one on the same lesion included.
* centres: a box whose centre lies inside a lesion of its class has found it. As a tolerant
  measure, it does not count a second hit on a lesion at all.
* frames: a frame with a lesion is found if any box overlaps any lesion in it, whatever the class;
  a frame without one is right if it has no box. A frame with a lesion whose boxes all lie
  elsewhere is missed, but no false positive (TRUE-Colon's rule).
* froc: sensitivity for lesions of any class, at 0.5 IoU, where that many boxes a frame are false.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from endofm.metrics.average_precision import AveragePrecision, RankedBoxes, average_precision
from endofm.metrics.curves import ratio
from endofm.metrics.detection_matching import (
    IOU_FROM,
    ScoredFrame,
    centre_hits,
    match,
    pairwise_iou,
)
from endofm.metrics.detection_video import lesion_scores
from endofm.metrics.intervals import Estimate, cluster_bootstrap

__all__ = ["ScoredFrame", "box_counts", "choose_threshold", "detection_scores", "froc_points"]

FROC_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""False boxes a frame."""
Counts = NDArray[np.int64]


def detection_scores(
    frames: Sequence[ScoredFrame], *, classes: Sequence[str], threshold: float
) -> dict[str, dict[str, Estimate]]:
    """Every score by its level, with intervals from resampling whole groups.

    Args:
        frames: In any order, but those of a sequence in order of time.
        classes: Names of the labels 1, 2, ... .
        threshold: Score from which a box counts.
    """
    groups = [frame.group for frame in frames]
    scores = {
        "ranking": _ranking(frames, groups, classes),
        "boxes": _pooled(box_counts(frames, threshold, by_centre=False), groups, _OF_BOXES),
        "centres": _pooled(box_counts(frames, threshold, by_centre=True), groups, _OF_BOXES),
        "frames": _pooled(_frame_counts(frames, threshold), groups, _OF_FRAMES),
        "froc": _froc(frames, groups),
        "lesions": lesion_scores(frames, threshold=threshold),
    }
    return {level: found for level, found in scores.items() if found}


def choose_threshold(frames: Sequence[ScoredFrame]) -> float | None:
    """The score from which boxes count so that F1 at an IoU of 0.5 is highest.

    Of several the highest; none where no box finds a lesion.
    """
    scores, hits = _ranked(frames, same_class=True)
    num_true = sum(len(frame.truth_labels) for frame in frames)
    if not hits.any():
        return None
    true = np.cumsum(hits)
    f1 = 2 * true / (np.arange(1, len(hits) + 1) + num_true)
    last = np.append(scores[1:] != scores[:-1], True)  # boxes of one score go together
    return float(scores[last][f1[last].argmax()])


@dataclass(frozen=True)
class FrocPoints:
    """Sensitivity over false boxes a frame, from the highest threshold to the lowest."""

    false_per_frame: NDArray[np.float64]
    sensitivity: NDArray[np.float64]


def froc_points(frames: Sequence[ScoredFrame]) -> FrocPoints:
    """The free-response curve of lesions of any class; both arrays start at 0."""
    _, hits = _ranked(frames, same_class=False)
    num_true = sum(len(frame.truth_labels) for frame in frames)
    start = np.zeros(1)
    return FrocPoints(
        np.concatenate([start, np.cumsum(~hits) / max(len(frames), 1)]),
        np.concatenate([start, np.cumsum(hits) / num_true if num_true else np.full(len(hits), 0)]),
    )


def _ranking(
    frames: Sequence[ScoredFrame], groups: Sequence[str], classes: Sequence[str]
) -> dict[str, Estimate]:
    official = average_precision(frames, num_classes=len(classes))
    ranked = RankedBoxes(frames, num_classes=len(classes))
    wanted: dict[str, Callable[[AveragePrecision], float]] = {
        "ap": lambda found: found.ap,
        "ap50": lambda found: found.ap50,
        "ap75": lambda found: found.ap75,
    }
    if len(classes) > 1:
        for k, name in enumerate(classes):
            wanted[f"ap50_{name}"] = lambda found, k=k: found.ap50_of_class[k]  # type: ignore[misc]  # the k of now
    known: dict[bytes, AveragePrecision] = {}

    def of(chosen: NDArray[np.int64]) -> AveragePrecision:  # every metric sees the same resamples
        key = np.bincount(chosen, minlength=len(frames)).tobytes()
        if key not in known:
            known[key] = ranked.scores(chosen)
        return known[key]

    return {
        name: replace(
            cluster_bootstrap(lambda chosen, read=read: read(of(chosen)), groups),  # type: ignore[misc]  # the read of now
            value=read(official),
        )
        for name, read in wanted.items()
    }


def box_counts(frames: Sequence[ScoredFrame], threshold: float, *, by_centre: bool) -> Counts:
    """True positives, false positives and false negatives of each frame, (F, 3)."""
    rows = []
    for frame in frames:
        chosen = frame.above(threshold)
        likeness = _likeness(frame, chosen, by_centre=by_centre, same_class=True)
        given, repeats = match(likeness, least=IOU_FROM)
        found = int((given >= 0).sum())
        wrong = len(chosen) - found - (int(repeats.sum()) if by_centre else 0)
        rows.append([found, wrong, len(frame.truth_labels) - found])
    return np.array(rows, np.int64).reshape(-1, 3)


def _frame_counts(frames: Sequence[ScoredFrame], threshold: float) -> Counts:
    """Found, with lesion, clean, without lesion, false boxes; of each frame, (F, 5)."""
    rows = []
    for frame in frames:
        chosen = frame.above(threshold)
        overlap = pairwise_iou(frame.boxes_xyxy[chosen], frame.truth_xyxy) > 0
        lesion = len(frame.truth_labels) > 0
        false = int((~overlap.any(1)).sum())
        found = [lesion and bool(overlap.any()), lesion, not lesion and not len(chosen), not lesion]
        rows.append([*map(int, found), false])
    return np.array(rows, np.int64).reshape(-1, 5)


Measure = Callable[[NDArray[np.int64], int], float]
_OF_BOXES: dict[str, Measure] = {
    "precision": lambda n, _: _share(n[0], n[0] + n[1]),
    "recall": lambda n, _: _share(n[0], n[0] + n[2]),
    "f1": lambda n, _: _share(2 * n[0], 2 * n[0] + n[1] + n[2]),
    "f2": lambda n, _: _share(5 * n[0], 5 * n[0] + n[1] + 4 * n[2]),
}
_OF_FRAMES: dict[str, Measure] = {
    "sensitivity": lambda n, _: _share(n[0], n[1]),
    "specificity": lambda n, _: _share(n[2], n[3]),
    "false_boxes_per_frame": lambda n, num: _share(n[4], num),
}


def _pooled(
    counts: Counts, groups: Sequence[str], measures: dict[str, Measure]
) -> dict[str, Estimate]:
    return {
        name: cluster_bootstrap(
            lambda chosen, measure=measure: measure(counts[chosen].sum(0), len(chosen)),  # type: ignore[misc]  # the measure of now
            groups,
        )
        for name, measure in measures.items()
    }


def _froc(frames: Sequence[ScoredFrame], groups: Sequence[str]) -> dict[str, Estimate]:
    _, hits, places = _ranked_with_places(frames, same_class=False)
    num_true = np.array([len(frame.truth_labels) for frame in frames], np.int64)

    def sensitivities(chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        weights = np.bincount(chosen, minlength=len(frames))
        every = int(weights @ num_true) if len(frames) else 0
        if not every:
            return np.full(len(FROC_RATES), np.nan)
        true = np.concatenate([[0], np.cumsum(weights[places] * hits)]) / every
        false = np.concatenate([[0], np.cumsum(weights[places] * ~hits)]) / len(chosen)
        last = np.searchsorted(false, FROC_RATES, side="right") - 1
        return true[last]

    found = {
        f"sensitivity_at_{rate:g}": cluster_bootstrap(
            lambda chosen, k=k: float(sensitivities(chosen)[k]),  # type: ignore[misc]  # the k of now
            groups,
        )
        for k, rate in enumerate(FROC_RATES)
    }
    mean = cluster_bootstrap(lambda chosen: float(sensitivities(chosen).mean()), groups)
    return {**found, "mean_sensitivity": mean}


def _ranked(
    frames: Sequence[ScoredFrame], *, same_class: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    scores, hits, _ = _ranked_with_places(frames, same_class=same_class)
    return scores, hits


def _ranked_with_places(
    frames: Sequence[ScoredFrame], *, same_class: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.intp]]:
    """Scores of all boxes, falling; whether each has found a lesion; and its frame."""
    scores, hits, places = [np.zeros(0)], [np.zeros(0, bool)], [np.zeros(0, np.intp)]
    for place, frame in enumerate(frames):
        chosen = frame.above(-math.inf)
        likeness = _likeness(frame, chosen, by_centre=False, same_class=same_class)
        given, _ = match(likeness, least=IOU_FROM)
        scores.append(frame.scores[chosen])
        hits.append(given >= 0)
        places.append(np.full(len(chosen), place, np.intp))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return np.concatenate(scores)[order], np.concatenate(hits)[order], np.concatenate(places)[order]


def _likeness(
    frame: ScoredFrame, chosen: NDArray[np.intp], *, by_centre: bool, same_class: bool
) -> NDArray[np.float64]:
    measure = centre_hits if by_centre else pairwise_iou
    likeness = measure(frame.boxes_xyxy[chosen], frame.truth_xyxy)
    if same_class:
        likeness = likeness * (frame.labels[chosen, None] == frame.truth_labels)
    return likeness


def _share(part: float, whole: float) -> float:
    return float(ratio(np.asarray(part, float), np.asarray(whole, float)))
