"""How good are the answers of a classifier?

Axes as in ``predictions``: N items, K classes, Q questions. The bootstrap asks for all scores a
thousand times, and wants ``nan`` where they are undefined: hence the few lines of NumPy here and in
``curves``, tested against scikit-learn.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np

from endofm.metrics.curves import (
    area_under_roc,
    average_precision,
    expected_calibration_error,
    ratio,
    reliability_bins,
)
from endofm.metrics.intervals import Estimate, cluster_bootstrap
from endofm.metrics.predictions import (
    Predictions,
    confident_answers,
    decide,
    threshold_of_each,
)


def confusion_matrix(predictions: Predictions, *, thresholds: float | np.ndarray) -> np.ndarray:
    """Number of items by true and answered class: (K, K) int64, rows are the truth.

    Multi-label: (K, 2, 2), for each class a matrix of no and yes. Arguments as in ``decide``.
    """
    decided, targets = _decided(predictions, thresholds), predictions.targets
    if not predictions.multi_label:
        return targets.T.astype(np.int64) @ decided.astype(np.int64)
    truth = np.stack([~targets, targets]).astype(np.int64)  # (2, N, K)
    answer = np.stack([~decided, decided]).astype(np.int64)  # (2, N, K)
    return np.einsum("tnk,ank->kta", truth, answer)


def classification_scores(
    predictions: Predictions,
    *,
    thresholds: float | np.ndarray,
    num_resamples: int = 1000,
    seed: int = 0,
    num_bins: int = 15,
) -> dict[str, Estimate]:
    """Score predictions, with intervals clustered by the groups.

    Args:
        predictions: What is scored.
        thresholds: As in ``decide``; from ``choose_thresholds`` on other, validation data.
        num_resamples: Draws for the intervals; 0 for the values alone.
        seed: Of these draws.
        num_bins: Bins of the calibration error.

    Returns:
        By name; ``nan`` where undefined, which for a mean over classes is where it is for one.

        * ``accuracy``: share of right answers, multi-label over all items and classes.
        * ``balanced_accuracy``: mean over the classes of the recall; multi-label, of the mean of
          sensitivity and specificity. ``nan`` without an item of each class.
        * ``f1``: of the positive class, else the mean over classes. Undefined where the class
          neither occurs nor is answered.
        * ``auroc``, ``auprc``: area under the ROC curve, average precision; of the positive
          class, else the mean over classes, each against the rest. Undefined without positives
          and, for ``auroc``, without negatives.
        * ``sensitivity``, ``specificity``: likewise, at the thresholds even for one of several
          classes. Undefined without positives, or without negatives.
        * ``ece``: top-label expected calibration error (Guo et al. 2017, Equation 3) of the most
          probable answer, at no threshold; multi-label over all items and classes.
        * ``brier``: mean squared error of the positive class's probability; for one of several
          classes, summed over them (Brier 1950, Equation 2: for two classes, twice ours);
          multi-label, averaged over them.

        Where there is more than one question, ``f1/<class>`` and so on for each class.

    Raises:
        ValueError: Thresholds do not fit, or there is no bin.
    """
    answers = _answers(predictions, thresholds)

    @functools.cache  # each score draws the same items, which are measured once for all
    def measured(items: bytes) -> dict[str, float]:
        return _measure(answers.take(np.frombuffer(items, np.int64)), predictions, num_bins)

    def estimate(name: str) -> Estimate:
        return cluster_bootstrap(
            lambda items: measured(items.tobytes())[name],
            predictions.groups,
            num_resamples=num_resamples,
            seed=seed,
        )

    return {name: estimate(name) for name in _measure(answers, predictions, num_bins)}


@dataclass(frozen=True)
class _Answers:
    """All that the scores depend on, item by item."""

    scores: np.ndarray  # (N, Q)
    targets: np.ndarray  # (N, Q) bool
    decided: np.ndarray  # (N, Q) bool, the answer
    reached: np.ndarray  # (N, Q) bool, score at least the threshold
    right: np.ndarray  # (N,) share of right answers
    squared_error: np.ndarray  # (N,)
    confidence: np.ndarray  # (N, Q) of the most probable answers, or (N, 1) of the only one
    confidently_right: np.ndarray  # of the same shape, whether these are right

    def take(self, items: np.ndarray) -> _Answers:
        arrays = (getattr(self, field.name) for field in dataclasses.fields(self))
        return _Answers(*(array[items] for array in arrays))


def _answers(predictions: Predictions, thresholds: float | np.ndarray) -> _Answers:
    asked = predictions.questions
    scores, targets = predictions.scores[:, asked], predictions.targets[:, asked]
    decided = _decided(predictions, thresholds)[:, asked]
    same, squared = decided == targets, (scores - targets) ** 2
    several = predictions.one_of_several
    confidence, confidently_right = confident_answers(predictions)
    return _Answers(
        scores=scores,
        targets=targets,
        decided=decided,
        reached=scores >= threshold_of_each(len(predictions.classes), thresholds)[asked],
        right=same.all(1) if several else same.mean(1),
        squared_error=squared.sum(1) if several else squared.mean(1),
        confidence=confidence,
        confidently_right=confidently_right,
    )


def _decided(predictions: Predictions, thresholds: float | np.ndarray) -> np.ndarray:
    return decide(predictions.scores, thresholds=thresholds, multi_label=predictions.multi_label)


def _measure(answers: _Answers, predictions: Predictions, num_bins: int) -> dict[str, float]:
    num, truth, decided = len(answers.right), answers.targets, answers.decided
    recall = _rate(decided, among=truth)
    balanced = (
        recall if predictions.one_of_several else (recall + _rate(~decided, among=~truth)) / 2
    )
    bins = reliability_bins(
        answers.confidence.ravel(), answers.confidently_right.ravel(), num_bins=num_bins
    )
    columns = list(zip(answers.scores.T, truth.T, strict=True))
    by_class = {
        "f1": ratio(2 * (truth & decided).sum(0), truth.sum(0) + decided.sum(0)),
        "auroc": np.array([area_under_roc(scores, target) for scores, target in columns]),
        "auprc": np.array([average_precision(scores, target) for scores, target in columns]),
        "sensitivity": _rate(answers.reached, among=truth),
        "specificity": _rate(~answers.reached, among=~truth),
    }
    values = {
        "accuracy": float(ratio(answers.right.sum(), num)),
        "balanced_accuracy": float(balanced.mean()),
        **{name: float(each.mean()) for name, each in by_class.items()},
        "ece": expected_calibration_error(bins),
        "brier": float(ratio(answers.squared_error.sum(), num)),
    }
    if len(columns) > 1:
        for name, each in by_class.items():
            named = zip(predictions.classes, each.tolist(), strict=True)
            values |= {f"{name}/{label}": value for label, value in named}
    return values


def _rate(answered: np.ndarray, *, among: np.ndarray) -> np.ndarray:
    return ratio((answered & among).sum(0), among.sum(0))  # (Q,)
