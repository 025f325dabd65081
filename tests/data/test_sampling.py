import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endofm.data.sampling import finetune_indices, spread_indices, view_indices, window_start

GLOBAL_FRAMES = (8, 16)
LOCAL_FRAMES = (2, 2, 4, 4, 8, 8, 16, 16)


def views_of(num_frames: int, seed: int = 0, *, original: bool = False) -> list[list[int]]:
    views = view_indices(
        num_frames,
        global_frames=GLOBAL_FRAMES,
        local_frames=LOCAL_FRAMES,
        original_short_clips=original,
        rng=np.random.default_rng(seed),
    )
    return [view.tolist() for view in views]


@given(
    first=st.integers(0, 500),
    span=st.integers(0, 500),
    num_frames=st.integers(1, 40),
    clip_frames=st.integers(1, 700),
)
def test_spread_equals_the_written_out_fractions(
    first: int, span: int, num_frames: int, clip_frames: int
) -> None:
    indices = spread_indices(first, first + span, num_frames, clip_frames=clip_frames)
    expected = []
    for k in range(num_frames):
        position = first + (0 if num_frames == 1 else k * span // (num_frames - 1))
        expected.append(min(position, clip_frames - 1))
    assert indices.tolist() == expected
    assert indices.dtype == np.int64


def test_spread_rounds_down_where_floats_would_miss_a_whole_number() -> None:
    assert spread_indices(0, 15, 16, clip_frames=100).tolist() == list(range(16))
    assert spread_indices(2, -3, 2, clip_frames=3).tolist() == [2, 0]


@given(num_frames=st.integers(1, 600), span_frames=st.integers(1, 300), seed=st.integers(0, 99))
def test_window_lies_in_the_clip(num_frames: int, span_frames: int, seed: int) -> None:
    start = window_start(num_frames, span_frames, rng=np.random.default_rng(seed))
    assert 0 <= start <= max(num_frames - span_frames, 0)


def test_window_starts_at_the_next_whole_number() -> None:
    drawn = np.random.default_rng(5).uniform(0, 420 - 256)
    assert window_start(420, 256, rng=np.random.default_rng(5)) == math.ceil(drawn)


@given(num_frames=st.integers(1, 600), seed=st.integers(0, 99))
def test_views_are_ordered_and_within_one_window(num_frames: int, seed: int) -> None:
    views = views_of(num_frames, seed)
    assert [len(view) for view in views] == [*GLOBAL_FRAMES, *LOCAL_FRAMES]
    every = [index for view in views for index in view]
    assert min(every) >= 0
    assert max(every) < num_frames
    assert max(every) - min(every) < 256
    assert all(view == sorted(view) for view in views)
    window = min(num_frames, 256)
    assert all(view[-1] - view[0] <= max(window // 8, 1) for view in views[2:])


@pytest.mark.parametrize("num_frames", range(2, 8))
def test_views_of_a_very_short_clip_still_move(num_frames: int) -> None:
    views = views_of(num_frames)
    assert all(len(set(view)) == 2 for view in views[2:])
    assert all((view[0], view[-1]) == (0, num_frames - 1) for view in views[:2])
    frozen = views_of(num_frames, original=True)
    assert all(len(set(view)) == 1 for view in frozen[2:])


def test_a_clip_of_one_frame_gives_that_frame() -> None:
    assert all(set(view) == {0} for view in views_of(1))


def test_local_windows_reach_every_start() -> None:
    starts = {view[0] for seed in range(60) for view in views_of(16, seed)[2:]}
    assert starts == set(range(16 - 2))


@pytest.mark.parametrize("num_frames", [1, 5, 30, 150, 255])
def test_fine_tuning_covers_a_short_video_evenly(num_frames: int) -> None:
    indices = finetune_indices(num_frames)
    assert (indices[0], indices[-1]) == (0, num_frames - 1)
    steps = np.diff(indices)
    assert steps.max() - steps.min() <= 1


def test_fine_tuning_as_the_original_repeats_the_last_frame() -> None:
    indices = finetune_indices(150, original_repeat_last=True)
    assert indices.tolist() == [0, 36, 72, 109, 145, 149, 149, 149]
