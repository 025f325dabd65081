import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from endofm.data.rle import decode, encode


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=8)))
def test_a_mask_comes_back(mask: NDArray[np.bool_]) -> None:
    counts = encode(mask)
    assert counts.sum() == mask.size
    assert (counts[1:] > 0).all()
    assert np.array_equal(decode(counts, (mask.shape[0], mask.shape[1])), mask)


def test_runs_go_down_the_columns_and_begin_with_zeros() -> None:
    mask = np.array([[0, 1, 1], [0, 1, 0]], dtype=bool)  # columns 00, 11, 10
    assert encode(mask).tolist() == [2, 3, 1]
    assert encode(~mask).tolist() == [0, 2, 3, 1]
    assert encode(np.zeros((2, 2), bool)).tolist() == [4]
    assert encode(np.ones((2, 2), bool)).tolist() == [0, 4]


@pytest.mark.parametrize("counts", [[3], [5], [6, -2], []])
def test_runs_of_another_size_are_refused(counts: list[int]) -> None:
    with pytest.raises(ValueError, match=r"run lengths of . pixels for 2 x 2"):
        decode(counts, (2, 2))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_runs_come_back(counts: list[int]) -> None:
    total = sum(counts)
    assert encode(decode(counts, (total, 1))).tolist() == counts
