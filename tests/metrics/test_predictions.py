from typing import Any

import numpy as np
import pytest

from endofm.errors import DataError
from endofm.metrics.predictions import (
    Predictions,
    choose_thresholds,
    decide,
    threshold_of_each,
)


def two_class(positive: list[float], labels: list[int]) -> Predictions:
    scores = np.array(positive, float)
    return Predictions(
        np.stack([1 - scores, scores], axis=1),
        np.array(labels, int),
        [str(i) for i in range(len(labels))],
        ["healthy", "diseased"],
    )


def multi_label(scores: np.ndarray, labels: np.ndarray) -> Predictions:
    classes = [f"finding {k}" for k in range(scores.shape[1])]
    return Predictions(scores, labels, ["a"] * len(scores), classes, multi_label=True)


def f1_at(threshold: float, scores: np.ndarray, truth: np.ndarray) -> float:
    hits = sum(1 for s, t in zip(scores, truth, strict=True) if s >= threshold and t)
    wrong = sum(1 for s, t in zip(scores, truth, strict=True) if (s >= threshold) != bool(t))
    return 2 * hits / (2 * hits + wrong)


@pytest.mark.parametrize("num_values", [5, 10**9])
def test_no_threshold_has_a_better_f1(num_values: int) -> None:
    rng = np.random.default_rng(num_values)
    for _ in range(10):
        labels = (rng.random((25, 3)) < [0.1, 0.5, 0.9]).astype(int)
        labels[0] = 1
        scores = np.clip(rng.normal(0.3 + 0.3 * labels, 0.3), 0, 1)
        scores = np.round(scores * num_values) / num_values
        chosen = choose_thresholds(multi_label(scores, labels))
        for index in range(3):
            column, truth = scores[:, index], labels[:, index]
            best = max(f1_at(t, column, truth) for t in [0, *column, 1])
            assert f1_at(chosen[index], column, truth) == best


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 0.5),  # 0.5 is among the best
        ([0.1, 0.2, 0.25, 0.35], [0, 0, 1, 1], 0.225),
        ([0.6, 0.7, 0.8, 0.9], [0, 0, 1, 1], 0.75),
        ([0.4, 0.7, 0.8], [1, 1, 1], 0.2),  # all are positive
        ([0.0, 0.7, 0.8], [1, 1, 1], 0.0),
        ([0.6, 0.7], [0, 0], 0.5),  # no positives
        ([], [], 0.5),
    ],
)
def test_the_threshold_nearest_to_a_half_is_chosen(
    scores: list[float], labels: list[int], expected: float
) -> None:
    rest, chosen = choose_thresholds(two_class(scores, labels))
    assert chosen == pytest.approx(expected)
    assert rest == 1 - chosen


def test_a_threshold_parts_scores_with_no_number_between_them() -> None:
    for low in (0.7, float(np.nextafter(0.7, 1))):
        high = float(np.nextafter(low, 1))
        assert choose_thresholds(two_class([low, high], [0, 1]))[1] == high


def test_thresholds_of_several_classes_are_each_against_the_rest() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.dirichlet(np.ones(4), 50), rng.integers(4, size=50)
    single = Predictions(scores, labels, ["a"] * 50, list("abcd"))
    each = multi_label(scores, np.eye(4, dtype=int)[labels])
    assert choose_thresholds(single).tolist() == choose_thresholds(each).tolist()


def test_two_classes_are_decided_by_the_threshold_of_the_second() -> None:
    scores = two_class([0.2, 0.5, 0.7, 0.9], [0, 0, 1, 1]).scores
    assert decide(scores, thresholds=0.5)[:, 1].tolist() == [False, True, True, True]
    high = decide(scores, thresholds=np.array([0.0, 0.7]))
    assert high[:, 1].tolist() == [False, False, True, True]
    assert (high.sum(1) == 1).all()


def test_one_of_several_classes_is_the_most_probable_whatever_the_thresholds() -> None:
    scores = np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])
    for thresholds in (0.0, 0.9):
        decided = decide(scores, thresholds=thresholds)
        assert decided.argmax(1).tolist() == [0, 2]
        assert (decided.sum(1) == 1).all()


def test_labels_are_decided_each_by_its_threshold() -> None:
    scores = np.array([[0.3, 0.3], [0.6, 0.6]])
    decided = decide(scores, thresholds=np.array([0.3, 0.7]), multi_label=True)
    assert decided.tolist() == [[True, False], [True, False]]


def test_bad_thresholds() -> None:
    with pytest.raises(ValueError, match=r"thresholds \(3,\) for 2 classes"):
        threshold_of_each(2, np.zeros(3))
    for bad in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match=r"are not all within 0\.\.1"):
            decide(np.array([[0.8, 0.2]]), thresholds=bad)


def test_targets_and_questions() -> None:
    predictions = two_class([0.2, 0.4], [0, 1])
    assert predictions.targets.tolist() == [[True, False], [False, True]]
    assert predictions.targets[:, predictions.questions].tolist() == [[False], [True]]
    single = multi_label(np.array([[0.3]]), np.array([[1]]))
    assert single.targets[:, single.questions].tolist() == [[True]]


GOOD: dict[str, Any] = {
    "scores": np.array([[0.2, 0.8], [0.5, 0.5]]),
    "labels": np.array([0, 1]),
    "groups": ["a", "b"],
    "classes": ["no", "yes"],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["no"]}, r"classes \['no'\] are too few or not distinct"),
        ({"classes": ["no", "no"]}, "are too few or not distinct"),
        ({"groups": ["a"]}, r"scores \(2, 2\) of 1 items and 2 classes"),
        ({"scores": np.zeros((2, 3))}, r"scores \(2, 3\) of 2 items and 2 classes"),
        ({"labels": np.zeros((2, 2), int)}, r"labels \(2, 2\) of 2 items"),
        ({"multi_label": True}, r"labels \(2,\) of 2 items"),
        ({"labels": np.zeros(2)}, "labels of type float64 instead of int64"),
    ],
)
def test_shapes_that_do_not_fit(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predictions(**GOOD | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"scores": np.array([[0.5, 0.5], [0.5, np.nan]])},
            "item 1 has the score nan for 'yes'; scores are probabilities, from 0 to 1",
        ),
        (
            {"scores": np.array([[-0.5, 1.5], [0.5, 0.5]])},
            "item 0 has the score -0.5 for 'no'; scores are probabilities, from 0 to 1",
        ),
        (
            {"scores": np.array([[0.5, 0.5], [0.5, 0.6]])},
            "the scores of item 1 sum to 1.1; apply a softmax, or say that items bear several "
            "labels",
        ),
        ({"labels": np.array([0, 2])}, "item 1 has the label 2, not in 0..1"),
        ({"labels": np.array([-1, 0])}, "item 0 has the label -1, not in 0..1"),
        (
            {"labels": np.array([[0, 1], [1, 3]]), "multi_label": True},
            "item 1 has the label 3, not in 0..1",
        ),
    ],
)
def test_values_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        Predictions(**GOOD | change)
    assert str(caught.value) == message


def test_several_labels_need_no_sum_of_one() -> None:
    scores = np.array([[0.9, 0.9], [0.0, 0.0]])
    assert not multi_label(scores, np.zeros((2, 2), int)).one_of_several
