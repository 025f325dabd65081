import math

import numpy as np
import pytest
import torch

from endofm.metrics.representation import (
    LabelledFeatures,
    accuracy,
    balanced_accuracy,
    effective_rank,
    feature_spread,
    knn_predictions,
    linear_probe_predictions,
    representation_scores,
    whole_group_folds,
)


def written_out_knn(
    train: np.ndarray, labels: np.ndarray, query: np.ndarray, *, k: int, temperature: float
) -> int:
    similarities = [
        float(row @ query / np.linalg.norm(row) / np.linalg.norm(query)) for row in train
    ]
    nearest = sorted(range(len(train)), key=lambda i: -similarities[i])[:k]
    votes: dict[int, float] = {}
    for i in nearest:
        label = int(labels[i])
        votes[label] = votes.get(label, 0.0) + math.exp(similarities[i] / temperature)
    return max(votes, key=lambda label: votes[label])


def clouds(
    num: int, *, seed: int, distance: float = 3.0, num_classes: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(num) % num_classes
    return rng.normal(size=(num, 8)) + distance * np.eye(8)[labels], labels


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (5, 0.07), (20, 0.07), (20, 1.0)])
def test_knn_is_the_written_out_vote(k: int, temperature: float) -> None:
    train, labels = clouds(60, seed=0, distance=1.0)
    test, _ = clouds(25, seed=1, distance=1.0)
    expected = [
        written_out_knn(train, labels, query, k=k, temperature=temperature) for query in test
    ]
    predicted = knn_predictions(train, labels, test, k=k, temperature=temperature)
    assert predicted.tolist() == expected


def test_knn_ignores_length_and_takes_all_items_when_they_are_few() -> None:
    train, labels = clouds(6, seed=2)
    test, _ = clouds(9, seed=3)
    scaled = test * np.linspace(0.1, 50, 9)[:, None]
    few = knn_predictions(train, labels, test)
    assert few.tolist() == knn_predictions(train, labels, scaled).tolist()
    assert few.tolist() == knn_predictions(train, labels, test, k=6).tolist()


def test_knn_gives_a_tie_to_the_smaller_label_and_bears_zero_features() -> None:
    train = np.array([[1.0, 1.0], [1.0, -1.0]])
    assert knn_predictions(train, np.array([4, 2]), np.array([[1.0, 0.0]])).tolist() == [2]
    assert knn_predictions(train, np.array([4, 2]), np.zeros((1, 2))).tolist() == [2]


@pytest.mark.parametrize("predict", [knn_predictions, linear_probe_predictions])
def test_predictions_at_the_edges(predict: object) -> None:
    assert callable(predict)
    train, labels = clouds(12, seed=4)
    assert predict(train, labels, train[:0]).shape == (0,)
    assert predict(train, np.full(12, 7), train[:3]).tolist() == [7, 7, 7]
    with pytest.raises(ValueError, match="0 training features with 0 labels"):
        predict(train[:0], labels[:0], train)
    with pytest.raises(ValueError, match="12 training features with 11 labels"):
        predict(train, labels[:11], train)


def test_probe_separates_what_is_separable_whatever_the_scale() -> None:
    train, labels = clouds(90, seed=5, distance=6.0)
    test, truth = clouds(60, seed=6, distance=6.0)
    scale = np.logspace(-3, 3, 8)
    predicted = linear_probe_predictions(train * scale + 9, labels, test * scale + 9)
    assert accuracy(truth, predicted) > 0.95
    assert predicted.tolist() == linear_probe_predictions(train, labels, test).tolist()


@pytest.mark.parametrize("scale", [1.0, 1e-6, 0.0])
def test_probe_is_deterministic_and_raises_no_warning(scale: float) -> None:
    rng = np.random.default_rng(7)
    train, labels = (3 + scale * rng.normal(size=(20, 64))).astype(np.float32), np.arange(20) % 2
    groups = [f"patient {i // 2}" for i in range(20)]
    first, again = (
        linear_probe_predictions(train, labels, train, train_groups=groups) for _ in range(2)
    )
    assert first.tolist() == again.tolist()


def test_probe_is_tuned_on_whole_patients() -> None:
    patients = [f"patient {i // 5}" for i in range(60)]
    labels = np.array([i % 3 for i in range(60)])
    folds = whole_group_folds(labels, patients)
    assert sorted(i for _, held in folds for i in held) == list(range(60))
    for fit, held in folds:
        assert {patients[i] for i in fit}.isdisjoint(patients[i] for i in held)
        assert set(labels[fit]) == {0, 1, 2}


def test_folds_that_cannot_hold_all_classes_are_left_out() -> None:
    labels, groups = np.array([1, 0, 1, 0]), ["c", "a", "b", "c"]
    assert len(whole_group_folds(labels, groups)) == 1
    features = np.array([[5.0], [-5.0], [4.0], [-4.0]])
    predicted = linear_probe_predictions(features, labels, features, train_groups=groups)
    assert predicted.tolist() == labels.tolist()


def test_tuning_can_change_the_probe() -> None:
    rng = np.random.default_rng(8)
    labels, groups = np.arange(60) % 2, [str(i // 3) for i in range(60)]
    train = rng.normal(size=(60, 30)) + 0.5 * labels[:, None]
    test = rng.normal(size=(300, 30)) + 0.5 * (np.arange(300) % 2)[:, None]
    tuned = linear_probe_predictions(train, labels, test, train_groups=groups)
    assert tuned.tolist() != linear_probe_predictions(train, labels, test).tolist()


@pytest.mark.parametrize(
    "groups",
    ["a" * 12, "abc" * 4, "abcd" * 3, "abcdefghijkl"],
    ids=["one", "one a class", "shared by classes", "one an item"],
)
def test_probe_bears_any_grouping(groups: str) -> None:
    train, labels = clouds(12, seed=9, distance=9.0)
    predicted = linear_probe_predictions(train, labels, train, train_groups=list(groups))
    assert predicted.tolist() == labels.tolist()


def test_accuracies() -> None:
    labels = np.array([0, 0, 0, 1])
    predictions = np.array([0, 0, 1, 2])
    assert accuracy(labels, predictions) == 0.5
    assert balanced_accuracy(labels, predictions) == pytest.approx((2 / 3 + 0) / 2)
    assert math.isnan(accuracy(labels[:0], predictions[:0]))
    assert math.isnan(balanced_accuracy(labels[:0], predictions[:0]))


def labelled(num: int, *, seed: int) -> LabelledFeatures:
    features, labels = clouds(num, seed=seed, distance=5.0)
    return LabelledFeatures(features, labels, [f"video {i // 3}" for i in range(num)])


def test_scores_carry_interval_groups_and_chance() -> None:
    scores = representation_scores(labelled(60, seed=10), labelled(30, seed=11), num_resamples=50)
    assert set(scores) == {
        "knn_accuracy",
        "knn_balanced_accuracy",
        "linear_probe_accuracy",
        "linear_probe_balanced_accuracy",
    }
    for score in scores.values():
        assert score.estimate.low <= score.estimate.value <= score.estimate.high
        assert score.estimate.value > 0.9
        assert (score.estimate.n, score.estimate.num_groups) == (30, 10)
        assert score.chance == pytest.approx(1 / 3)


def test_scores_use_the_number_of_neighbours() -> None:
    train = LabelledFeatures(np.eye(4), np.array([0, 1, 1, 1]), list("abcd"))
    test = LabelledFeatures(np.eye(4)[:1] + 9, np.array([0]), ["e"])
    near, far = (
        representation_scores(train, test, k=k, num_resamples=2)["knn_accuracy"] for k in (1, 4)
    )
    assert (near.estimate.value, far.estimate.value) == (1, 0)


def test_chance_is_always_answering_the_commonest_training_class() -> None:
    features = np.random.default_rng(12).normal(size=(10, 3))
    train = LabelledFeatures(features, np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1]), list("abcdefghij"))
    test = LabelledFeatures(features, np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0]), list("abcdefghij"))
    scores = representation_scores(train, test, num_resamples=2)
    assert scores["knn_accuracy"].chance == pytest.approx(0.6)
    assert scores["knn_balanced_accuracy"].chance == pytest.approx(0.5)


def test_scores_of_an_empty_test_part_are_undefined() -> None:
    scores = representation_scores(labelled(12, seed=13), labelled(0, seed=14))
    assert all(score.estimate.n == 0 for score in scores.values())
    assert all(math.isnan(score.estimate.value) for score in scores.values())
    assert all(math.isnan(score.chance) for score in scores.values())


def test_spread_is_one_for_an_isotropic_cloud_and_zero_after_a_collapse() -> None:
    cloud = torch.randn(4000, 32, generator=torch.Generator().manual_seed(0))
    assert feature_spread(cloud) == pytest.approx(1, abs=0.01)
    assert feature_spread(cloud * torch.linspace(0.1, 9, 4000)[:, None]) > 0.98
    assert feature_spread(torch.ones(8, 32) * torch.arange(1, 9)[:, None]) < 1e-6


def test_spread_is_the_written_out_mean() -> None:
    features = torch.randn(7, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows = features / features.norm(dim=1, keepdim=True)
    stds = [
        math.sqrt(sum((rows[i, d] - rows[:, d].mean()) ** 2 for i in range(7)) / 7)
        for d in range(5)
    ]
    assert feature_spread(features) == pytest.approx(math.sqrt(5) * sum(stds) / 5, rel=1e-5)


@pytest.mark.parametrize("num", [0, 1])
def test_spread_of_fewer_than_two_is_undefined(num: int) -> None:
    assert math.isnan(feature_spread(torch.ones(num, 4)))


def test_effective_rank_counts_equal_directions() -> None:
    for rank in (1, 3, 6):
        basis = torch.eye(6)[:rank]
        features = torch.cat([basis, -basis, basis]) * 5
        assert effective_rank(features) == pytest.approx(rank, rel=1e-5)


def test_effective_rank_is_the_exponential_of_the_entropy() -> None:
    features = torch.diag(torch.tensor([4.0, 3.0, 1.0]))
    entropy = -sum(p * math.log(p) for p in (0.5, 0.375, 0.125))
    assert effective_rank(features) == pytest.approx(math.exp(entropy), rel=1e-5)


def test_effective_rank_of_nothing() -> None:
    assert math.isnan(effective_rank(torch.zeros(0, 4)))
    assert effective_rank(torch.zeros(3, 4)) == 1
