import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from endofm.data.hash_matching import Hashes, matching_videos


def hashes(*videos: NDArray[np.uint64]) -> Hashes:
    return Hashes(
        np.concatenate(videos),
        np.repeat(np.arange(len(videos)), [len(video) for video in videos]),
        np.concatenate([np.arange(len(video)) * 0.25 for video in videos]),
    )


def random_video(seed: int, num_frames: int = 20) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 2**64, (num_frames, 4), dtype=np.uint64)


def noisy(video: NDArray[np.uint64], *, bits: int) -> NDArray[np.uint64]:
    """With so many bits of each word turned."""
    mask = sum(1 << (7 * bit % 64) for bit in range(bits))
    return video ^ np.uint64(mask)


def test_a_part_of_a_video_is_found_with_its_place_in_time() -> None:
    first = hashes(*map(random_video, range(5)))
    part = noisy(random_video(3)[5:17], bits=8)
    second = hashes(random_video(8), part, random_video(9))
    (match,) = matching_videos(first, second)
    assert (match.first, match.second, match.num_frames) == (3, 1, 12)
    assert match.offset_s == -1.25
    assert match.bits == 32


def test_frames_in_another_order_or_too_far_apart_do_not_count() -> None:
    video = random_video(0)
    order = np.random.default_rng(1).permutation(len(video))
    assert not matching_videos(hashes(video), hashes(video[order]))
    assert not matching_videos(hashes(video), hashes(noisy(video, bits=17)))
    assert matching_videos(hashes(video), hashes(noisy(video, bits=16)))


def moving_video(seed: int, num_frames: int) -> NDArray[np.uint64]:
    """Each frame differs from the one before in five bits."""
    rng = np.random.default_rng(seed)
    turned = np.zeros((num_frames, 256), np.uint8)
    for frame in turned:
        frame[rng.choice(256, 5, replace=False)] = 1
    bits = (rng.integers(0, 2, 256) + np.cumsum(turned, axis=0)) % 2
    return np.packbits(bits.astype(np.uint8), axis=1).view(np.uint64)


def played(pictures: NDArray[np.uint64], fps: float) -> Hashes:
    """Pictures at a rate, of which every quarter of a second one is hashed, or each if slower."""
    step_s = max(0.25, 1 / fps)
    times_s = np.arange(0, len(pictures) / fps - step_s / 2, step_s) + step_s / 2
    words = pictures[(times_s * fps).astype(int)]
    return Hashes(words, np.zeros(len(words), np.int64), times_s)


@given(st.integers(0, 100), st.sampled_from([1, 2, 10, 24, 25, 30, 60]), st.integers(0, 60))
def test_the_same_pictures_at_another_rate_are_found(seed: int, fps: float, start: int) -> None:
    pictures = moving_video(seed, 400)
    other = noisy(pictures[start:], bits=4)
    for (one, one_fps), (two, two_fps) in (
        ((pictures, 30), (other, fps)),
        ((other, fps), (pictures, 30)),
    ):
        first, second = played(one, one_fps), played(two, two_fps)
        (match,) = matching_videos(first, second)
        assert match.speed == pytest.approx(one_fps / two_fps, rel=0.1)
        assert match.num_frames >= 0.5 * min(len(first.words), len(second.words)) - 8
        times_s = np.array(match.times_s)
        found = match.speed * times_s + match.offset_s
        pictures_apart = found * two_fps - times_s * one_fps
        expected = -start if one is pictures else start
        assert np.abs(pictures_apart - expected).max() <= 0.75 * max(one_fps, two_fps)


@given(st.integers(0, 10_000))
def test_strangers_in_which_some_frames_are_alike_by_chance_are_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = random_video(seed), random_video(seed + 1)
    other[rng.choice(20, 6, replace=False)] = one[rng.choice(20, 6, replace=False)]
    assert not matching_videos(hashes(one), hashes(other))


def test_a_still_frame_is_not_counted_again_and_again() -> None:
    still = np.repeat(random_video(0, 1), 20, axis=0)
    once = np.concatenate([random_video(1, 10), random_video(0, 1), random_video(2, 9)])
    assert not matching_videos(hashes(still), hashes(once))


def test_short_videos_and_empty_sets() -> None:
    short = random_video(0, 3)
    assert matching_videos(hashes(short), hashes(short))
    assert not matching_videos(hashes(short[:2]), hashes(short[:2]))
    empty = hashes(random_video(0, 0))
    assert not matching_videos(empty, hashes(short))
    assert not matching_videos(hashes(short), empty)


def test_pairs_that_need_no_comparison_are_left_out() -> None:
    both = hashes(random_video(0), random_video(0))
    assert len(matching_videos(both, both)) == 4
    (match,) = matching_videos(both, both, differ=lambda a, b: a < b)
    assert (match.first, match.second) == (0, 1)
