import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from endofm.data.group_split import set_aside


def choose(
    groups: list[str], membership: NDArray[np.int64], *, share: float = 0.2, seed: int = 0
) -> NDArray[np.bool_] | None:
    rng = np.random.default_rng(seed)
    return set_aside(groups, membership, share=share, num_left=1, rng=rng)


@settings(max_examples=25, deadline=None)
@given(
    classes=st.lists(st.integers(0, 2), min_size=6, max_size=40),
    num_groups=st.integers(6, 30),
    share=st.floats(0.05, 0.9),
    seed=st.integers(0, 1000),
)
def test_groups_stay_whole_and_classes_are_on_both_sides(
    classes: list[int], num_groups: int, share: float, seed: int
) -> None:
    labels = np.array([0, 1, 2, 0, 1, 2, *classes])
    groups = [f"g{k % num_groups}" for k in range(len(labels))]
    aside = choose(groups, np.eye(3, dtype=np.int64)[labels], share=share, seed=seed)
    if aside is None:
        return
    assert aside.shape == labels.shape
    sides = np.array(groups)
    assert not set(sides[aside]) & set(sides[~aside])
    assert set(labels[aside]) == set(labels[~aside]) == {0, 1, 2}


def test_each_class_gives_its_share_of_groups_of_any_size() -> None:
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 6, 100)
    groups = np.repeat([f"g{k:03}" for k in range(100)], sizes).tolist()
    labels = np.repeat(np.arange(100) % 5 // 4, sizes)  # four to one
    aside = choose(groups, np.eye(2, dtype=np.int64)[labels])
    assert aside is not None
    for k in range(2):
        assert aside[labels == k].mean() == pytest.approx(0.2, abs=0.04)


def test_order_does_not_matter_and_the_seed_does() -> None:
    groups = [f"g{k // 2}" for k in range(60)]
    membership = np.eye(2, dtype=np.int64)[np.arange(60) // 2 % 2]
    order = np.random.default_rng(1).permutation(60)
    aside = choose(groups, membership)
    shuffled = choose([groups[k] for k in order], membership[order])
    other = choose(groups, membership, seed=1)
    assert aside is not None
    assert shuffled is not None
    assert aside[order].tolist() == shuffled.tolist()
    assert other is not None
    assert other.tolist() != aside.tolist()


def test_rare_classes_of_videos_with_several_are_on_both_sides() -> None:
    membership = np.zeros((30, 3), dtype=np.int64)
    membership[:, 0] = 1
    membership[[4, 9], 1] = 1
    membership[[9, 20, 21], 2] = 1
    for seed in range(10):
        aside = choose([f"g{k}" for k in range(30)], membership, seed=seed)
        assert aside is not None
        assert membership[aside].any(0).all()
        assert membership[~aside].any(0).all()
        assert 3 <= aside.sum() <= 8


def test_what_cannot_be_divided_is_not() -> None:
    ring = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]])
    assert choose(["a", "b", "c"], ring) is None
    assert choose(["a", "a"], np.eye(2, dtype=np.int64)) is None
