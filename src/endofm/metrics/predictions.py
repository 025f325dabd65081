"""What a classifier says, and what that decides.

Axes: N items, K classes, Q questions with the answers yes and no. Two classes make one question:
is it the second, the *positive* class? Several labels an item make K independent questions. One of
several classes (K > 2) makes K questions too, each class against the rest, but a single answer.

A question is answered with yes if the score reaches the class's threshold; one of several classes
is chosen by the highest score instead, the first of equals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from endofm.errors import DataError

SUM_TOLERANCE = 1e-4
"""How far the probabilities of an item may sum to something else than 1."""


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of items, and the truth.

    Raises:
        ValueError: Shapes do not fit, or classes share a name.
        DataError: A score is no probability, those of an item do not sum to 1, or a label is no
            class.
    """

    scores: np.ndarray  # (N, K) float64 in 0..1; each row sums to 1 unless multi_label
    labels: np.ndarray  # (N,) int class index; multi_label: (N, K) zeros and ones
    groups: Sequence[str]  # N patients or videos, for the intervals
    classes: Sequence[str]  # K names
    multi_label: bool = False

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_values(self)

    @property
    def targets(self) -> np.ndarray:
        """Whether the item is of the class: (N, K) bool."""
        if self.multi_label:
            return self.labels.astype(bool)
        return self.labels[:, None] == np.arange(len(self.classes))

    @property
    def one_of_several(self) -> bool:
        """Whether an item is one of more than two classes."""
        return not self.multi_label and len(self.classes) > 2

    @property
    def questions(self) -> slice:
        """The Q of the K classes that are asked for: of two, the second."""
        return questions(len(self.classes), multi_label=self.multi_label)


def questions(num_classes: int, *, multi_label: bool) -> slice:
    """The classes that are asked for: all, or of two alternatives the second."""
    return slice(1, 2) if num_classes == 2 and not multi_label else slice(None)


def choose_thresholds(predictions: Predictions) -> np.ndarray:
    """The thresholds of best F1, class by class: (K,).

    For **validation** data only: on test data the scores at these thresholds would be too good.
    Candidates are 0.5 and the middle between any two neighbouring scores, or between the lowest
    and 0; of equally good ones the nearest to 0.5 is taken, and 0.5 for a class without positives.
    Of two classes the second decides; the first gets what remains to 1.
    """
    targets = predictions.targets
    thresholds = np.array(
        [
            _best_threshold(predictions.scores[:, index], targets[:, index])
            for index in range(len(predictions.classes))
        ]
    )
    if not (predictions.multi_label or predictions.one_of_several):
        thresholds[0] = 1 - thresholds[1]
    return thresholds


def decide(
    scores: np.ndarray, *, thresholds: float | np.ndarray, multi_label: bool = False
) -> np.ndarray:
    """The classes that are answered: (N, K) bool, exactly one an item unless ``multi_label``.

    Args:
        scores: Probabilities (N, K).
        thresholds: (K,) in 0..1, or one for all classes. Of two classes the second's decides:
            0.5 is the highest score, a tie being positive. Unused for one of several classes.
        multi_label: Each class is a question of its own.
    """
    num_classes = scores.shape[1]
    each = threshold_of_each(num_classes, thresholds)
    if multi_label:
        return scores >= each
    if num_classes > 2:
        return scores.argmax(1)[:, None] == np.arange(num_classes)
    positive = scores[:, 1] >= each[1]
    return np.stack([~positive, positive], axis=1)


def confident_answers(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Probability of each most probable answer, and whether it is right: both (N, A).

    At no threshold; a tie is a yes. One of several classes has one answer (A = 1), else each
    question has one (A = Q). What calibration is measured on (Guo et al. 2017, Section 2).
    """
    scores, asked = predictions.scores, predictions.questions
    if predictions.one_of_several:
        return scores.max(1, keepdims=True), (scores.argmax(1) == predictions.labels)[:, None]
    scores, targets = scores[:, asked], predictions.targets[:, asked]
    return np.maximum(scores, 1 - scores), (scores >= 0.5) == targets


def threshold_of_each(num_classes: int, thresholds: float | np.ndarray) -> np.ndarray:
    """One threshold a class, (K,), from as many or one for all.

    Raises:
        ValueError: There are as many as neither, or one is outside 0..1.
    """
    each = np.asarray(thresholds, float)
    if each.shape not in {(), (num_classes,)}:
        raise ValueError(f"thresholds {each.shape} for {num_classes} classes")
    if not np.all((each >= 0) & (each <= 1)):
        raise ValueError(f"thresholds {each.tolist()} are not all within 0..1")
    return np.broadcast_to(each, num_classes)  # (K,)


def _best_threshold(scores: np.ndarray, positives: np.ndarray) -> float:
    if not positives.any():
        return 0.5
    edges = np.unique(np.append(0, scores))
    middles = np.maximum((edges[:-1] + edges[1:]) / 2, np.nextafter(edges[:-1], 1))
    candidates = np.concatenate([edges[:1], middles, [0.5]])
    hits = positives.sum() - np.searchsorted(np.sort(scores[positives]), candidates)
    answered = len(scores) - np.searchsorted(np.sort(scores), candidates)
    f1 = 2 * hits / (answered + positives.sum())
    best = candidates[f1 == f1.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def _check_shapes(predictions: Predictions) -> None:
    scores, labels, names = predictions.scores, predictions.labels, predictions.classes
    num, num_classes = len(predictions.groups), len(names)
    if num_classes < (1 if predictions.multi_label else 2) or len(set(names)) < num_classes:
        raise ValueError(f"classes {list(names)} are too few or not distinct")
    if scores.shape != (num, num_classes):
        raise ValueError(f"scores {scores.shape} of {num} items and {num_classes} classes")
    if labels.shape != ((num, num_classes) if predictions.multi_label else (num,)):
        raise ValueError(f"labels {labels.shape} of {num} items and {num_classes} classes")
    if labels.dtype.kind not in "biu":
        raise ValueError(f"labels of type {labels.dtype} instead of int64")


def _check_values(predictions: Predictions) -> None:
    scores, labels, multi_label = predictions.scores, predictions.labels, predictions.multi_label
    improbable = ~((scores >= 0) & (scores <= 1))  # nan is neither
    if improbable.any():
        item, index = np.argwhere(improbable)[0].tolist()
        raise DataError(
            f"item {item} has the score {scores[item, index]:g} for '{predictions.classes[index]}'",
            "scores are probabilities, from 0 to 1",
        )
    off = np.abs(scores.sum(1) - 1) > SUM_TOLERANCE
    if not multi_label and off.any():
        raise DataError(
            f"the scores of item {off.argmax()} sum to {scores[off.argmax()].sum():g}",
            "apply a softmax, or say that items bear several labels",
        )
    num_values = 2 if multi_label else len(predictions.classes)
    wrong = (labels < 0) | (labels >= num_values)
    if wrong.any():
        item = np.argwhere(wrong)[0, 0]
        raise DataError(f"item {item} has the label {labels[wrong][0]}, not in 0..{num_values - 1}")
