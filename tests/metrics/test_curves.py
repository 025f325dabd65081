import math

import numpy as np
import pytest
from sklearn import metrics as reference

from endofm.metrics.curves import (
    area_under_roc,
    average_precision,
    expected_calibration_error,
    precision_recall_points,
    ratio,
    reliability_bins,
    roc_points,
)


def question(
    num: int, *, seed: int, num_values: int = 1000, shift: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """Scores, the more alike the fewer values there are, and a truth they know something of."""
    rng = np.random.default_rng(seed)
    positives = rng.random(num) < 0.3
    scores = np.clip(rng.random(num) + shift * positives, 0, 1)
    return np.round(scores * num_values) / num_values, positives


@pytest.mark.parametrize("num_values", [1, 4, 20, 10**9])
def test_curves_are_those_of_scikit_learn(num_values: int) -> None:
    scores, positives = question(80, seed=num_values, num_values=num_values)
    roc = roc_points(scores, positives)
    expected = reference.roc_curve(positives, scores, drop_intermediate=False)
    for ours, theirs in zip(
        (roc.false_positive_rate, roc.sensitivity, roc.thresholds), expected, strict=True
    ):
        np.testing.assert_allclose(ours, theirs)
    points = precision_recall_points(scores, positives)
    precision, recall, thresholds = reference.precision_recall_curve(positives, scores)
    np.testing.assert_allclose(points.precision, precision[:-1][::-1])  # theirs adds (0, 1)
    np.testing.assert_allclose(points.recall, recall[:-1][::-1])
    np.testing.assert_allclose(points.thresholds, thresholds[::-1])


@pytest.mark.parametrize("num_values", [1, 4, 20, 10**9])
def test_areas_are_those_of_scikit_learn(num_values: int) -> None:
    scores, positives = question(80, seed=num_values, num_values=num_values)
    assert area_under_roc(scores, positives) == pytest.approx(
        reference.roc_auc_score(positives, scores)
    )
    assert average_precision(scores, positives) == pytest.approx(
        reference.average_precision_score(positives, scores)
    )


def test_area_under_roc_counts_pairs() -> None:
    scores, positives = question(60, seed=0, num_values=10)
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[positives]
        for low in scores[~positives]
    ]
    assert area_under_roc(scores, positives) == pytest.approx(np.mean(pairs))
    assert area_under_roc(1 - scores, positives) == pytest.approx(1 - np.mean(pairs))


def test_average_precision_by_hand() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    positives = np.array([True, False, True, False])
    assert average_precision(scores, positives) == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)


@pytest.mark.parametrize("transform", [np.sqrt, np.exp, lambda x: 3 * x - 7])
def test_order_alone_decides_the_areas(transform: np.ufunc) -> None:
    scores, positives = question(70, seed=1, num_values=30)
    changed = transform(scores)
    assert area_under_roc(changed, positives) == area_under_roc(scores, positives)
    assert average_precision(changed, positives) == average_precision(scores, positives)


def test_areas_of_the_perfect_and_the_ignorant() -> None:
    scores, positives = question(4000, seed=2, num_values=10**9, shift=0.0)
    assert area_under_roc(scores, positives) == pytest.approx(0.5, abs=0.03)
    assert average_precision(scores, positives) == pytest.approx(positives.mean(), abs=0.03)
    for area in (area_under_roc, average_precision):
        assert area(positives.astype(float), positives) == 1
    constant = np.full(len(positives), 0.4)
    assert area_under_roc(constant, positives) == 0.5
    assert average_precision(constant, positives) == pytest.approx(positives.mean())


def test_roc_runs_from_corner_to_corner() -> None:
    roc = roc_points(*question(50, seed=3, num_values=8))
    assert (roc.false_positive_rate[0], roc.sensitivity[0], roc.thresholds[0]) == (0, 0, math.inf)
    assert (roc.false_positive_rate[-1], roc.sensitivity[-1]) == (1, 1)
    assert np.all(np.diff(roc.sensitivity) >= 0)
    assert np.all(np.diff(roc.thresholds) < 0)


def test_curves_of_nothing_and_of_one_class() -> None:
    nothing, no_truth = np.zeros(0), np.zeros(0, bool)
    assert math.isnan(area_under_roc(nothing, no_truth))
    assert math.isnan(average_precision(nothing, no_truth))
    assert np.isnan(roc_points(nothing, no_truth).sensitivity).tolist() == [True]
    assert len(precision_recall_points(nothing, no_truth).recall) == 0
    scores, all_positive = np.array([0.2, 0.7]), np.array([True, True])
    assert math.isnan(area_under_roc(scores, all_positive))
    assert math.isnan(area_under_roc(scores, ~all_positive))
    assert average_precision(scores, all_positive) == 1
    assert math.isnan(average_precision(scores, ~all_positive))
    assert np.isnan(roc_points(scores, all_positive).false_positive_rate).all()
    assert roc_points(scores, all_positive).sensitivity.tolist() == [0, 0.5, 1]
    assert np.isnan(precision_recall_points(scores, ~all_positive).recall).all()


def written_out_ece(confidences: np.ndarray, right: np.ndarray, *, num_bins: int) -> float:
    total = 0.0
    for index in range(num_bins):
        low, high = index / num_bins, (index + 1) / num_bins
        inside = [
            i for i, c in enumerate(confidences) if low < c <= high or (index == 0 and c == 0)
        ]
        if inside:
            total += abs(sum(right[inside]) - sum(confidences[inside])) / len(confidences)
    return total


@pytest.mark.parametrize("num_bins", [1, 4, 15])
def test_calibration_error_is_the_written_out_sum(num_bins: int) -> None:
    confidences, right = question(120, seed=4)
    bins = reliability_bins(confidences, right, num_bins=num_bins)
    expected = written_out_ece(confidences, right, num_bins=num_bins)
    assert expected_calibration_error(bins) == pytest.approx(expected)
    assert bins.num.sum() == 120


def test_bins_hold_their_upper_edge() -> None:
    confidences = np.array([0.0, 0.25, 0.26, 0.5, 1.0])
    bins = reliability_bins(confidences, np.array([0, 1, 1, 0, 1], bool), num_bins=4)
    assert bins.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert bins.num.tolist() == [2, 2, 0, 1]
    np.testing.assert_allclose(bins.confidence, [0.125, 0.38, math.nan, 1])
    np.testing.assert_allclose(bins.accuracy, [0.5, 0.5, math.nan, 1])
    expected = (2 * 0.375 + 2 * 0.12) / 5
    assert expected_calibration_error(bins) == pytest.approx(expected)


def test_calibration_error_finds_overconfidence_only() -> None:
    rng = np.random.default_rng(5)
    confidences = rng.uniform(0.5, 1, 200_000)
    right = rng.random(200_000) < confidences
    assert expected_calibration_error(reliability_bins(confidences, right)) < 0.005
    boasting = np.minimum(confidences + 0.1, 1)
    error = expected_calibration_error(reliability_bins(boasting, right))
    assert error == pytest.approx(np.mean(boasting - confidences), abs=0.005)


def test_calibration_of_nothing() -> None:
    bins = reliability_bins(np.zeros(0), np.zeros(0, bool))
    assert bins.num.tolist() == [0] * 15
    assert math.isnan(expected_calibration_error(bins))
    with pytest.raises(ValueError, match="0 bins"):
        reliability_bins(np.zeros(3), np.zeros(3, bool), num_bins=0)


def test_ratio_is_undefined_by_zero() -> None:
    np.testing.assert_array_equal(
        ratio(np.array([1, 0, 3]), np.array([2, 0, 0])), [0.5, math.nan, math.nan]
    )
    assert math.isnan(float(ratio(np.array(2), 0)))
