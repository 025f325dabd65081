from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endofm.data.video_info import (
    VideoInfo,
    check_indices,
    check_size,
    resampled_indices,
    shown_frames,
)
from endofm.errors import VideoError

RATES = st.sampled_from([1.0, 12.5, 24.0, 25.0, 30.0, 50.0, 59.94])


def test_duration_is_frames_over_rate() -> None:
    assert VideoInfo(Path("a.mp4"), 150, 30.0, 256, 340).duration_s == 5.0


@given(fps=RATES, num_frames=st.integers(1, 400))
def test_equal_rates_give_every_frame_once(fps: float, num_frames: int) -> None:
    times_s = np.arange(num_frames) / fps
    indices = resampled_indices(times_s, num_frames / fps, fps)
    np.testing.assert_array_equal(indices, np.arange(num_frames))


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_times_in_milliseconds_give_every_frame_once(fps: int) -> None:
    times_s = np.round(np.arange(300) / fps, 3)  # as Matroska stores them
    indices = resampled_indices(times_s, 300 / fps, fps)
    np.testing.assert_array_equal(indices, np.arange(300))


def test_25_to_30_shows_every_fifth_frame_twice() -> None:
    indices = resampled_indices(np.arange(10) / 25, 0.4, 30)
    np.testing.assert_array_equal(indices, [0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9])


def test_60_to_30_shows_every_other_frame() -> None:
    indices = resampled_indices(np.arange(8) / 60, 8 / 60, 30)
    np.testing.assert_array_equal(indices, [0, 2, 4, 6])


def test_pause_of_a_variable_rate_is_filled_with_the_frame_before_it() -> None:
    times_s = np.array([0.0, 0.1, 0.5, 0.6])
    np.testing.assert_array_equal(resampled_indices(times_s, 0.7, 10), [0, 1, 1, 1, 1, 2, 3])


def test_a_video_shorter_than_a_tick_gives_its_first_frame() -> None:
    np.testing.assert_array_equal(resampled_indices(np.array([0.0, 0.01]), 0.02, 1), [0])


@given(
    gaps_ms=st.lists(st.integers(2, 500), min_size=1, max_size=60),
    target_fps=st.sampled_from([7.0, 30.0, 120.0]),
)
def test_each_tick_shows_the_last_frame_that_has_begun(
    gaps_ms: list[int], target_fps: float
) -> None:
    ends_ms = np.cumsum(gaps_ms)
    times_s = np.concatenate([[0.0], ends_ms[:-1] / 1e3])
    duration_s = float(ends_ms[-1]) / 1e3
    indices = resampled_indices(times_s, duration_s, target_fps)
    assert len(indices) == max(1, round(duration_s * target_fps))
    for tick, index in enumerate(indices):
        begun = [i for i, time_s in enumerate(times_s) if time_s <= tick / target_fps + 1e-3]
        assert index == begun[-1]


def test_times_outside_the_video_show_its_first_and_last_frame() -> None:
    times_s = np.array([0.0, 0.1, 0.2])
    np.testing.assert_array_equal(shown_frames(times_s, [-1.0, 0.05, 0.1, 99.0]), [0, 0, 1, 2])


@pytest.mark.parametrize("index", [-1, 3])
def test_missing_frame_is_named(index: int) -> None:
    info = VideoInfo(Path("a.mp4"), 3, 30.0, 4, 4)
    with pytest.raises(VideoError) as caught:
        check_indices(info, [0, 2, index])
    assert str(caught.value) == (
        f"a.mp4 has 3 frames, so there is no frame {index}; "
        "count from 0, and make the clip list again if the video has changed"
    )


def test_absurd_size_is_refused() -> None:
    check_size(Path("a.mp4"), height=16384, width=16384)
    with pytest.raises(VideoError) as caught:
        check_size(Path("a.mp4"), height=16, width=16385)
    assert str(caught.value) == (
        "a.mp4 claims frames of 16385 x 16 px; "
        "the longest side may be 16384 px; leave it out or scale it down"
    )
