import numpy as np

from endofm.data.rng import clip_rng, epoch_rng


def test_generators_depend_on_all_their_numbers_and_nothing_else() -> None:
    keys = [(seed, epoch, index) for seed in (0, 1) for epoch in (0, 1) for index in (0, 1)]
    first = [clip_rng(*key).integers(0, 2**60) for key in keys]
    again = [clip_rng(*key).integers(0, 2**60) for key in reversed(keys)]
    orders = [epoch_rng(seed, epoch).integers(0, 2**60) for seed in (0, 1) for epoch in (0, 1)]
    assert first == again[::-1]
    assert len({*first, *orders}) == len(first) + len(orders)


def test_large_seeds_are_told_apart() -> None:
    assert clip_rng(2**70, 0, 0).integers(0, 2**60) != clip_rng(2**70 + 1, 0, 0).integers(0, 2**60)
    assert np.array_equal(epoch_rng(2**70, 3).permutation(9), epoch_rng(2**70, 3).permutation(9))
