"""Frame positions of the original, drawn with Python's generator."""

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.data.sampling import finetune_indices, view_indices, window_start

pytestmark = pytest.mark.parity

NUM_FRAMES = (7, 30, 80, 150, 256, 299, 420)
LOCAL_FRAMES = ((8,) * 8, (2, 2, 4, 4, 8, 8, 16, 16))
GLOBAL_FRAMES = ((8, 8), (8, 16))


class PythonRng:
    """Python's generator with NumPy's names."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def uniform(self, low: float, high: float, /) -> float:
        return self.random.uniform(low, high)

    def integers(self, low: int, high: int, /) -> int:
        return self.random.randrange(low, high)

    def permutation(self, x: int, /) -> NDArray[np.int64]:
        return np.array(self.random.sample(range(x), x))


@pytest.mark.parametrize("recipe", [0, 1], ids=["eight-frames", "released"])
@pytest.mark.parametrize("num_frames", NUM_FRAMES)
@pytest.mark.parametrize("draw", range(4))
def test_views_take_the_originals_frames(
    golden: Callable[[str], Mapping[str, Any]], num_frames: int, recipe: int, draw: int
) -> None:
    reference = golden("sampling")
    name = f"pretrain/n{num_frames}/rand_fr{recipe}"
    for original_short_clips in (True,) if num_frames < 8 else (True, False):
        views = view_indices(
            num_frames,
            global_frames=GLOBAL_FRAMES[recipe],
            local_frames=LOCAL_FRAMES[recipe],
            original_short_clips=original_short_clips,
            rng=PythonRng(int(reference["seed"]) * 10 + draw),
        )
        assert [len(view) for view in views] == reference[f"{name}/lens"].tolist()
        assert np.concatenate(views).tolist() == reference[f"{name}/s{draw}"].tolist()


@pytest.mark.parametrize("num_frames", NUM_FRAMES)
@pytest.mark.parametrize("draw", range(3))
def test_fine_tuning_takes_the_originals_frames(
    golden: Callable[[str], Mapping[str, Any]], num_frames: int, draw: int
) -> None:
    reference = golden("sampling")
    rng = PythonRng(int(reference["seed"]) * 10 + draw)
    for clip, start in ((-1, window_start(num_frames, 256, rng=rng)), (0, 0)):
        for original in (True,) if num_frames < 256 else (True, False):
            indices = finetune_indices(num_frames, start=start, original_repeat_last=original)
            expected = reference[f"finetune_clipidx{clip}/n{num_frames}/s{draw}"]
            assert indices.tolist() == expected.tolist()
