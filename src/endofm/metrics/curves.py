"""What lies behind a single number: ROC, precision-recall and reliability, ready to be drawn.

Each is about one question with the answers yes and no. Axes: N items, P points, M bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RocCurve:
    """Points from (0, 0) to (1, 1), one for each score that occurs, after the first."""

    false_positive_rate: np.ndarray  # (P,), nan without negatives
    sensitivity: np.ndarray  # (P,), nan without positives
    thresholds: np.ndarray  # (P,) falling from infinity; a score as high means yes


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Points in the order of rising recall, one for each score that occurs."""

    recall: np.ndarray  # (P,), nan without positives
    precision: np.ndarray  # (P,)
    thresholds: np.ndarray  # (P,) falling; a score as high means yes


@dataclass(frozen=True)
class ReliabilityBins:
    """Confidence against the share of right answers, in bins of equal width."""

    edges: np.ndarray  # (M + 1,) from 0 to 1; a bin holds its upper edge
    num: np.ndarray  # (M,) answers in the bin
    confidence: np.ndarray  # (M,) their mean, nan where there are none
    accuracy: np.ndarray  # (M,) share of them that is right, nan where there are none


def roc_points(scores: np.ndarray, positives: np.ndarray) -> RocCurve:
    """Sensitivity against false positive rate at every threshold.

    Args:
        scores: (N,), higher for yes.
        positives: (N,) bool, the truth.
    """
    thresholds, hits, false_alarms = _counts(scores, positives)
    num_positives = positives.sum()
    return RocCurve(
        ratio(np.append(0, false_alarms), len(positives) - num_positives),
        ratio(np.append(0, hits), num_positives),
        np.append(math.inf, thresholds),
    )


def precision_recall_points(scores: np.ndarray, positives: np.ndarray) -> PrecisionRecallCurve:
    """Precision against recall at every threshold; arguments as in ``roc_points``."""
    thresholds, hits, false_alarms = _counts(scores, positives)
    return PrecisionRecallCurve(
        ratio(hits, positives.sum()), ratio(hits, hits + false_alarms), thresholds
    )


def area_under_roc(scores: np.ndarray, positives: np.ndarray) -> float:
    """Chance that a positive scores above a negative, ties counting half.

    Arguments as in ``roc_points``; ``nan`` without positives or without negatives.
    """
    if positives.all() or not positives.any():
        return math.nan
    curve = roc_points(scores, positives)
    return float(np.trapezoid(curve.sensitivity, curve.false_positive_rate))


def average_precision(scores: np.ndarray, positives: np.ndarray) -> float:
    """Area under the precision-recall curve: precision summed over the steps of recall.

    No interpolation between points, which would flatter (Davis & Goadrich 2006). Arguments as in
    ``roc_points``; ``nan`` without positives.
    """
    if not positives.any():
        return math.nan
    curve = precision_recall_points(scores, positives)
    return float(np.sum(np.diff(curve.recall, prepend=0) * curve.precision))


def reliability_bins(
    confidences: np.ndarray, right: np.ndarray, *, num_bins: int = 15
) -> ReliabilityBins:
    """Sort answers by their confidence (Guo et al. 2017, Section 2).

    Args:
        confidences: (N,) in 0..1.
        right: (N,) bool, whether the answer was right.
        num_bins: M.

    Raises:
        ValueError: There is no bin.
    """
    if num_bins < 1:
        raise ValueError(f"{num_bins} bins")
    edges = np.linspace(0, 1, num_bins + 1)
    bins = np.maximum(np.searchsorted(edges, confidences) - 1, 0)  # (N,); 0 is in the first bin
    num = np.bincount(bins, minlength=num_bins)
    return ReliabilityBins(
        edges,
        num,
        ratio(np.bincount(bins, weights=confidences, minlength=num_bins), num),
        ratio(np.bincount(bins, weights=right, minlength=num_bins), num),
    )


def expected_calibration_error(bins: ReliabilityBins) -> float:
    """Mean distance of confidence from accuracy (Guo et al. 2017, Equation 3).

    Every answer counts alike; ``nan`` for none.
    """
    distances = np.nan_to_num(np.abs(bins.accuracy - bins.confidence))
    return float(ratio(np.sum(bins.num * distances), bins.num.sum()))


def ratio(numerator: np.ndarray, denominator: np.ndarray | int) -> np.ndarray:
    """Divide element by element: ``nan`` for what is divided by 0, silently."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, float), denominator)
    return np.divide(top, bottom, out=np.full(top.shape, math.nan), where=bottom != 0)


def _counts(scores: np.ndarray, positives: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Falling thresholds, and how many positives and negatives score at least as high: (P,)."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.flatnonzero(np.diff(ranked, append=-math.inf))  # the last item of each score
    hits = np.cumsum(positives[order])[last]
    return ranked[last], hits, last + 1 - hits
