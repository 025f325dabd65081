import math
from collections.abc import Callable

import numpy as np
import pytest

from endofm.metrics.intervals import Estimate, cluster_bootstrap


def mean_of(values: np.ndarray) -> Callable[[np.ndarray], float]:
    return lambda indices: float(np.mean(values[indices]))


def test_value_is_the_statistic_of_all_items_in_order() -> None:
    seen: list[list[int]] = []

    def statistic(indices: np.ndarray) -> float:
        seen.append(indices.tolist())
        return float(len(indices))

    estimate = cluster_bootstrap(statistic, ["b", "a", "b"], num_resamples=3)
    assert seen[0] == [0, 1, 2]
    assert (estimate.value, estimate.n, estimate.num_groups) == (3, 3, 2)


def test_groups_are_drawn_whole() -> None:
    groups = ["a", "b", "a", "c", "b", "a"]
    sizes = {"a": 3, "b": 2, "c": 1}

    def statistic(indices: np.ndarray) -> float:
        drawn = [groups[i] for i in indices]
        for group, size in sizes.items():
            assert drawn.count(group) % size == 0
            assert all(
                indices.tolist().count(i) == drawn.count(group) // size
                for i in range(6)
                if groups[i] == group
            )
        assert sum(drawn.count(group) // size for group, size in sizes.items()) == 3
        return 0.0

    cluster_bootstrap(statistic, groups, num_resamples=50)


def test_interval_agrees_with_the_normal_approximation() -> None:
    values = np.random.default_rng(0).normal(5, 2, size=400)
    estimate = cluster_bootstrap(mean_of(values), [str(i) for i in range(400)], num_resamples=2000)
    half_width = 1.96 * values.std() / math.sqrt(400)
    assert estimate.low == pytest.approx(values.mean() - half_width, abs=0.03)
    assert estimate.high == pytest.approx(values.mean() + half_width, abs=0.03)
    assert estimate.level == 0.95


def test_copies_within_a_group_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(1).normal(size=20)
    single = cluster_bootstrap(mean_of(values), [str(i) for i in range(20)])
    copied = np.repeat(values, 50)
    clustered = cluster_bootstrap(mean_of(copied), [str(i // 50) for i in range(1000)])
    naive = cluster_bootstrap(mean_of(copied), [str(i) for i in range(1000)])
    assert clustered.high - clustered.low > 4 * (naive.high - naive.low)
    assert clustered.high - clustered.low == pytest.approx(single.high - single.low, rel=0.3)


def test_seed_decides_the_interval() -> None:
    values = np.random.default_rng(2).normal(size=30)
    groups = [str(i // 3) for i in range(30)]
    first, again, other = (cluster_bootstrap(mean_of(values), groups, seed=s) for s in (3, 3, 4))
    assert first == again
    assert first != other


def test_no_items_have_no_value() -> None:
    def statistic(indices: np.ndarray) -> float:
        raise AssertionError("nothing to compute")

    estimate = cluster_bootstrap(statistic, [])
    assert (estimate.n, estimate.num_groups) == (0, 0)
    assert all(math.isnan(x) for x in (estimate.value, estimate.low, estimate.high))


def test_one_group_has_a_value_but_no_interval() -> None:
    estimate = cluster_bootstrap(mean_of(np.array([0.0, 1.0])), ["a", "a"])
    assert estimate.value == 0.5
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


def test_undefined_resamples_do_not_count() -> None:
    def first_group_only(indices: np.ndarray) -> float:
        return 7.0 if 0 in indices else math.nan

    estimate = cluster_bootstrap(first_group_only, ["a", "b"], num_resamples=50)
    assert estimate == Estimate(value=7.0, low=7.0, high=7.0, n=2, num_groups=2)
    nowhere = cluster_bootstrap(lambda _: math.nan, ["a", "b"], num_resamples=5)
    assert math.isnan(nowhere.low)
