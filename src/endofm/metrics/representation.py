"""How good are features nobody has fine-tuned, and have they collapsed?

Axes: N items, D features, C classes. Everything is defined for empty and degenerate input.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from endofm.metrics.intervals import Estimate, cluster_bootstrap

Measure = Callable[[np.ndarray, np.ndarray], float]
"""From true and predicted labels to a number."""
PROBE_STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Candidates for the probe's inverse regularisation C."""
FIXED_STRENGTH = 0.1
"""The probe's C where there is too little to choose it by."""


@dataclass(frozen=True)
class LabelledFeatures:
    """Features with what is known about them."""

    features: np.ndarray  # (N, D) float
    labels: np.ndarray  # (N,) int
    groups: Sequence[str]  # N patients or videos: what must not be split


@dataclass(frozen=True)
class Score:
    """An accuracy, and what answering the commonest training class would have scored."""

    estimate: Estimate
    chance: float


def knn_predictions(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    *,
    k: int = 20,
    temperature: float = 0.07,
) -> np.ndarray:
    """Weighted k-nearest-neighbour votes by cosine similarity, as DINO evaluates.

    Each of the ``k`` nearest training items (all, if there are fewer) votes for its label with
    weight exp(similarity / temperature) (Wu et al. 2018, Section 3.4; Caron et al. 2021,
    Appendix F.1). Of equal classes the smaller label wins.

    Args:
        train_features: (N, D), N >= 1.
        train_labels: (N,) int.
        test_features: (M, D), M may be 0.
        k: Number of neighbours.
        temperature: Smaller lets the nearest decide.

    Returns:
        Predicted labels, (M,).
    """
    _check_train(train_features, train_labels)
    if not len(test_features):
        return train_labels[:0]

    def weights(distance: np.ndarray) -> np.ndarray:
        return np.exp(-distance / temperature)  # distance = 1 - similarity: the same votes

    classifier = KNeighborsClassifier(
        n_neighbors=min(k, len(train_features)), weights=weights, metric="cosine"
    )
    return classifier.fit(train_features, train_labels).predict(test_features)


def linear_probe_predictions(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    *,
    train_groups: Sequence[str] | None = None,
) -> np.ndarray:
    """Logistic regression on frozen features, standardised by the training part.

    The regularisation is chosen by cross-validation that keeps groups whole, on the training part
    alone; without groups, or with too few to hold each class on both sides, it is fixed.

    Args:
        train_features: (N, D), N >= 1.
        train_labels: (N,) int; if all are equal, so are the predictions.
        test_features: (M, D), M may be 0.
        train_groups: Patient or video of each training item.

    Returns:
        Predicted labels, (M,).
    """
    _check_train(train_features, train_labels)
    if not len(test_features):
        return train_labels[:0]
    if len(np.unique(train_labels)) == 1:
        return np.full(len(test_features), train_labels[0])
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=FIXED_STRENGTH, max_iter=1000))
    if folds := whole_group_folds(train_labels, train_groups):
        candidates = {"logisticregression__C": PROBE_STRENGTHS}
        probe = GridSearchCV(probe, candidates, cv=folds, scoring="accuracy")
    return probe.fit(train_features, train_labels).predict(test_features)


def whole_group_folds(
    labels: np.ndarray, groups: Sequence[str] | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Up to five pairs of fitting and held-out items that split no group.

    A fold whose fitting side would lack a class is left out; none may remain.
    """
    if groups is None:
        return []
    names, classes = np.asarray(groups, dtype=str), np.unique(labels)
    num_folds = min(5, *(len(np.unique(names[labels == label])) for label in classes))
    if num_folds < 2:
        return []
    folds = StratifiedGroupKFold(num_folds).split(labels, labels, names)
    return [(fit, held) for fit, held in folds if len(np.unique(labels[fit])) == len(classes)]


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Share of right answers; ``nan`` for none."""
    return float(np.mean(labels == predictions)) if len(labels) else math.nan


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean recall of the classes that occur in ``labels``; ``nan`` for none."""
    recalls = [np.mean(predictions[labels == label] == label) for label in np.unique(labels)]
    return float(np.mean(recalls)) if recalls else math.nan


def representation_scores(
    train: LabelledFeatures,
    test: LabelledFeatures,
    *,
    k: int = 20,
    num_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Score features by how well nearest neighbours and a linear probe read labels off them.

    Args:
        train: What neighbours and probe are made of.
        test: What they are scored on; it shares no group with ``train``.
        k: Number of neighbours.
        num_resamples: Draws for the intervals.
        seed: Of these draws.

    Returns:
        ``knn_accuracy``, ``knn_balanced_accuracy``, ``linear_probe_accuracy`` and
        ``linear_probe_balanced_accuracy`` on ``test``, the intervals clustered by its groups.
    """
    x, y = train.features, train.labels
    predictions = {
        "knn": knn_predictions(x, y, test.features, k=k),
        "linear_probe": linear_probe_predictions(x, y, test.features, train_groups=train.groups),
    }
    measures: dict[str, Measure] = {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy}
    commonest = np.full_like(test.labels, _commonest(y))
    scores: dict[str, Score] = {}
    for probe, predicted in predictions.items():
        for name, measure in measures.items():
            statistic = functools.partial(_measure_some, measure, test.labels, predicted)
            estimate = cluster_bootstrap(
                statistic, test.groups, num_resamples=num_resamples, seed=seed
            )
            scores[f"{probe}_{name}"] = Score(estimate, measure(test.labels, commonest))
    return scores


def feature_spread(features: Tensor) -> float:
    """Spread of the directions of features: 1 for an isotropic cloud, 0 after a collapse.

    The standard deviation over items of the L2-normalised features, averaged over the dimensions
    and multiplied by √D (Chen & He 2021, Section 4.1). From (N, D); ``nan`` for N < 2.
    """
    if len(features) < 2:
        return math.nan
    directions = torch.nn.functional.normalize(features.float(), dim=1)
    return float(directions.std(dim=0, correction=0).mean()) * math.sqrt(features.shape[1])


def effective_rank(features: Tensor) -> float:
    """Number of directions that features fill: exp of the entropy of their singular values.

    Roy & Vetterli 2007, Equation 4; as a label-free measure of pre-training: RankMe, Garrido et
    al. 2023. Features are not centred. From (N, D); between 1 and min(N, D), ``nan`` for N = 0.
    """
    if not len(features):
        return math.nan
    values = torch.linalg.svdvals(features.float())
    shares = values / values.sum().clamp_min(torch.finfo(values.dtype).tiny)
    return float(torch.special.entr(shares).sum().exp())


def _check_train(features: np.ndarray, labels: np.ndarray) -> None:
    if not len(features) or len(features) != len(labels):
        raise ValueError(f"{len(features)} training features with {len(labels)} labels")


def _measure_some(
    measure: Measure, labels: np.ndarray, predictions: np.ndarray, items: np.ndarray
) -> float:
    return measure(labels[items], predictions[items])


def _commonest(labels: np.ndarray) -> int:
    values, counts = np.unique(labels, return_counts=True)
    return int(values[counts.argmax()])
