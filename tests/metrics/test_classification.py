import math

import numpy as np
import pytest
from sklearn import metrics as reference

from endofm.metrics.classification import classification_scores, confusion_matrix
from endofm.metrics.predictions import Predictions, choose_thresholds

KINDS = ["two", "four", "labels"]
BY_CLASS = ["f1", "auroc", "auprc", "sensitivity", "specificity"]


def random_predictions(kind: str, num: int = 90, *, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    num_classes = {"two": 2, "four": 4, "labels": 3}[kind]
    groups, classes = [f"p{i // 3}" for i in range(num)], [f"c{k}" for k in range(num_classes)]
    if kind == "labels":
        labels = rng.integers(2, size=(num, num_classes))
        scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.25), 0, 1)
        return Predictions(scores, labels, groups, classes, multi_label=True)
    labels = rng.integers(num_classes, size=num)
    logits = rng.normal(size=(num, num_classes)) + np.eye(num_classes)[labels]
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Predictions(scores, labels, groups, classes)


def values(
    predictions: Predictions, thresholds: float | np.ndarray = 0.5, *, num_bins: int = 15
) -> dict[str, float]:
    scores = classification_scores(
        predictions, thresholds=thresholds, num_resamples=0, num_bins=num_bins
    )
    return {name: estimate.value for name, estimate in scores.items()}


@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_two_classes_are_scored_as_by_scikit_learn(threshold: float) -> None:
    predictions = random_predictions("two")
    truth, positive = predictions.labels, predictions.scores[:, 1]
    answer = (positive >= threshold).astype(int)
    expected = {
        "accuracy": reference.accuracy_score(truth, answer),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, answer),
        "f1": reference.f1_score(truth, answer),
        "auroc": reference.roc_auc_score(truth, positive),
        "auprc": reference.average_precision_score(truth, positive),
        "sensitivity": reference.recall_score(truth, answer),
        "specificity": reference.recall_score(truth, answer, pos_label=0),
        "brier": reference.brier_score_loss(truth, positive),
    }
    ours = values(predictions, threshold)
    assert ours.pop("ece") >= 0
    assert ours == pytest.approx(expected)


def test_several_classes_are_scored_as_by_scikit_learn() -> None:
    predictions = random_predictions("four")
    thresholds = choose_thresholds(predictions)
    scores, truth, targets = predictions.scores, predictions.labels, predictions.targets
    answer, reached = scores.argmax(1), scores >= thresholds
    per_class = {
        "f1": reference.f1_score(truth, answer, average=None),
        "auroc": reference.roc_auc_score(truth, scores, multi_class="ovr", average=None),
        "auprc": reference.average_precision_score(targets, scores, average=None),
        "sensitivity": reference.recall_score(targets, reached, average=None),
        "specificity": reference.recall_score(~targets, ~reached, average=None),
    }
    expected = {
        "accuracy": reference.accuracy_score(truth, answer),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, answer),
        "brier": reference.brier_score_loss(truth, scores, labels=range(4), scale_by_half=False),
    }
    for name, each in per_class.items():
        expected |= {name: each.mean()} | {f"{name}/c{k}": each[k] for k in range(4)}
    ours = values(predictions, thresholds)
    assert ours.pop("ece") >= 0
    assert ours == pytest.approx(expected)


def test_several_labels_are_scored_as_by_scikit_learn() -> None:
    predictions = random_predictions("labels")
    thresholds = choose_thresholds(predictions)
    scores, truth = predictions.scores, predictions.labels
    answer = scores >= thresholds
    columns = range(3)
    per_class = {
        "f1": reference.f1_score(truth, answer, average=None),
        "auroc": reference.roc_auc_score(truth, scores, average=None),
        "auprc": reference.average_precision_score(truth, scores, average=None),
        "sensitivity": reference.recall_score(truth, answer, average=None),
        "specificity": reference.recall_score(1 - truth, ~answer, average=None),
    }
    balanced = [reference.balanced_accuracy_score(truth[:, k], answer[:, k]) for k in columns]
    expected = {
        "accuracy": 1 - reference.hamming_loss(truth, answer),
        "balanced_accuracy": np.mean(balanced),
        "brier": np.mean([reference.brier_score_loss(truth[:, k], scores[:, k]) for k in columns]),
    }
    for name, each in per_class.items():
        expected |= {name: each.mean()} | {f"{name}/c{k}": each[k] for k in columns}
    ours = values(predictions, thresholds)
    assert ours.pop("ece") >= 0
    assert ours == pytest.approx(expected)


def test_confusion_matrices_are_those_of_scikit_learn() -> None:
    two, four, labels = (random_predictions(kind) for kind in KINDS)
    np.testing.assert_array_equal(
        confusion_matrix(two, thresholds=0.4),
        reference.confusion_matrix(two.labels, two.scores[:, 1] >= 0.4),
    )
    np.testing.assert_array_equal(
        confusion_matrix(four, thresholds=0.4),
        reference.confusion_matrix(four.labels, four.scores.argmax(1)),
    )
    np.testing.assert_array_equal(
        confusion_matrix(labels, thresholds=0.4),
        reference.multilabel_confusion_matrix(labels.labels, labels.scores >= 0.4),
    )


def by_hand(positive: list[float], labels: list[int], groups: str = "abcd") -> Predictions:
    scores = np.array(positive)
    return Predictions(
        np.stack([1 - scores, scores], axis=1), np.array(labels), list(groups), ["no", "yes"]
    )


def test_scores_by_hand() -> None:
    predictions = by_hand([0.1, 0.6, 0.8, 0.3], [0, 0, 1, 1])
    assert confusion_matrix(predictions, thresholds=0.5).tolist() == [[1, 1], [1, 1]]
    ours = values(predictions, num_bins=2)
    assert ours == pytest.approx(
        {
            "accuracy": 0.5,
            "balanced_accuracy": 0.5,
            "f1": 0.5,
            "auroc": 0.75,
            "auprc": 0.5 + 0.5 * 2 / 3,
            "sensitivity": 0.5,
            "specificity": 0.5,
            "ece": (0.9 + 0.6 + 0.8 + 0.7) / 4 - 0.5,
            "brier": (0.01 + 0.36 + 0.04 + 0.49) / 4,
        }
    )


def test_calibration_error_is_of_the_most_probable_answer() -> None:
    four = random_predictions("four")
    right = four.scores.argmax(1) == four.labels
    mean_confidence = four.scores.max(1).mean()
    assert values(four, num_bins=1)["ece"] == pytest.approx(abs(mean_confidence - right.mean()))
    labels = random_predictions("labels")
    confidence = np.where(labels.scores >= 0.5, labels.scores, 1 - labels.scores)
    pooled = (labels.scores >= 0.5) == labels.labels
    for thresholds in (0.1, 0.5):  # the threshold plays no part
        ece = values(labels, thresholds, num_bins=1)["ece"]
        assert ece == pytest.approx(abs(confidence.mean() - pooled.mean()))


@pytest.mark.parametrize("kind", KINDS)
def test_the_perfect_and_the_wrong(kind: str) -> None:
    some = random_predictions(kind)
    truth = some.targets.astype(float)
    perfect = Predictions(truth, some.labels, some.groups, some.classes, some.multi_label)
    for name, value in values(perfect).items():
        assert value == (0 if name in {"ece", "brier"} else 1), name
    shifted = truth[:, ::-1] if kind == "two" else np.roll(truth, 1, axis=1)
    if kind == "labels":
        shifted = 1 - truth
    wrong = values(Predictions(shifted, some.labels, some.groups, some.classes, some.multi_label))
    assert (wrong["accuracy"], wrong["f1"], wrong["sensitivity"], wrong["ece"]) == (0, 0, 0, 1)
    assert wrong["brier"] == (2 if kind == "four" else 1)


def test_several_labels_of_one_class_are_the_two_class_question() -> None:
    two = random_predictions("two")
    one = Predictions(two.scores[:, 1:], two.labels[:, None], two.groups, ["yes"], multi_label=True)
    for threshold in (0.3, 0.5):
        assert values(one, threshold) == pytest.approx(values(two, threshold))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_undefined_under_every_name(kind: str) -> None:
    nothing = random_predictions(kind, 0)
    scores = classification_scores(nothing, thresholds=choose_thresholds(nothing))
    assert list(scores) == list(values(random_predictions(kind)))
    for estimate in scores.values():
        assert (estimate.n, estimate.num_groups) == (0, 0)
        assert all(math.isnan(x) for x in (estimate.value, estimate.low, estimate.high))
    assert confusion_matrix(nothing, thresholds=0.5).sum() == 0


def undefined(ours: dict[str, float]) -> set[str]:
    return {name for name, value in ours.items() if math.isnan(value)}


def test_what_one_class_leaves_undefined() -> None:
    negatives = values(by_hand([0.1, 0.6, 0.2, 0.3], [0] * 4))
    assert undefined(negatives) == {"balanced_accuracy", "auroc", "auprc", "sensitivity"}
    assert (negatives["f1"], negatives["specificity"]) == (0, 0.75)
    unanswered = values(by_hand([0.1, 0.2, 0.2, 0.3], [0] * 4))
    assert undefined(unanswered) == undefined(negatives) | {"f1"}
    positives = values(by_hand([0.1, 0.6, 0.2, 0.3], [1] * 4))
    assert undefined(positives) == {"balanced_accuracy", "auroc", "specificity"}


def test_a_missing_class_leaves_the_means_over_classes_undefined() -> None:
    four = random_predictions("four")
    kept = np.flatnonzero(four.labels != 2)
    groups = [four.groups[i] for i in kept.tolist()]
    ours = values(Predictions(four.scores[kept], four.labels[kept], groups, four.classes))
    lost = {"auroc", "auprc", "sensitivity"}
    assert undefined(ours) == {"balanced_accuracy", *lost, *(f"{name}/c2" for name in lost)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_score_has_an_interval_by_groups(kind: str) -> None:
    predictions = random_predictions(kind)
    scores = classification_scores(predictions, thresholds=0.4, num_resamples=60)
    assert set(BY_CLASS) < set(scores)
    for name, estimate in scores.items():
        assert (estimate.n, estimate.num_groups) == (90, 30)
        assert estimate.low < estimate.high, name
        assert estimate.low <= estimate.value <= estimate.high or name == "ece"  # biased upwards
    again = classification_scores(predictions, thresholds=0.4, num_resamples=60)
    other = classification_scores(predictions, thresholds=0.4, num_resamples=60, seed=1)
    assert again == scores
    assert other["auroc"].low != scores["auroc"].low


def test_intervals_are_of_the_scores_of_the_drawn_groups() -> None:
    predictions = by_hand([0.1, 0.6, 0.8, 0.3], [0, 0, 1, 1], groups="aabb")
    scores = classification_scores(predictions, thresholds=0.5, num_resamples=50)
    assert (scores["brier"].low, scores["brier"].high) == pytest.approx((0.185, 0.265))
    # Draws of one group alone lack a class, and all others are both groups once.
    assert (scores["auroc"].low, scores["auroc"].high) == (0.75, 0.75)
