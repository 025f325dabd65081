import weakref
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.data.sampling import finetune_indices
from endofm.data.windows import batches, sliding_clips, window_starts


@pytest.mark.parametrize(
    ("num_frames", "span_frames", "stride_frames", "starts"),
    [
        (10, 4, 4, [0, 4, 6]),
        (12, 4, 4, [0, 4, 8]),
        (10, 4, 2, [0, 2, 4, 6]),
        (10, 4, 7, [0, 6]),
        (10, 4, 100, [0, 6]),
        (4, 4, 1, [0]),
        (5, 4, 9, [0, 1]),
        (3, 4, 1, [0]),
        (1, 256, 64, [0]),
    ],
)
def test_windows_follow_at_the_stride_and_the_last_ends_with_the_video(
    num_frames: int, span_frames: int, stride_frames: int, starts: list[int]
) -> None:
    found = window_starts(num_frames, span_frames=span_frames, stride_frames=stride_frames)
    assert found == starts


def test_windows_cover_every_frame_and_none_comes_twice() -> None:
    for num_frames in range(1, 30):
        for span in range(1, 12):
            for stride in range(1, span + 1):
                starts = window_starts(num_frames, span_frames=span, stride_frames=stride)
                ends = [min(start + span, num_frames) for start in starts]
                covered = {i for a, b in zip(starts, ends, strict=True) for i in range(a, b)}
                assert covered == set(range(num_frames))
                assert len(set(ends)) == len(ends)
                steps = np.diff(starts)
                assert (steps[:-1] == stride).all()
                assert (steps > 0).all()
                assert (steps <= stride).all()


def numbered(index: int) -> NDArray[np.uint8]:
    """A frame that carries its number."""
    return np.full((2, 2, 3), index, np.uint8)


def windows_of(num_frames: int, *, span: int, stride: int, num: int) -> list[NDArray[np.int64]]:
    return [
        finetune_indices(num_frames, start=start, num_frames=num, span_frames=span)
        for start in window_starts(num_frames, span_frames=span, stride_frames=stride)
    ]


@pytest.mark.parametrize("num_frames", [1, 3, 16, 50])
@pytest.mark.parametrize("stride", [1, 3, 16, 40])
@pytest.mark.parametrize("num", [1, 5, 16, 20])
def test_clips_are_the_frames_of_their_windows_and_each_is_read_once_in_order(
    num_frames: int, stride: int, num: int
) -> None:
    read: list[int] = []

    def reading(index: int) -> NDArray[np.uint8]:
        read.append(index)
        return numbered(index)

    windows = windows_of(num_frames, span=16, stride=stride, num=num)
    clips = list(sliding_clips(reading, windows))
    assert len(clips) == len(windows)
    for clip, window in zip(clips, windows, strict=True):
        np.testing.assert_array_equal(clip, np.stack([numbered(i) for i in window.tolist()]))
    assert read == sorted({int(index) for window in windows for index in window})


def test_a_clip_is_given_as_soon_as_its_last_frame_is_read() -> None:
    read: list[int] = []

    def reading(index: int) -> NDArray[np.uint8]:
        read.append(index)
        return numbered(index)

    seen = [list(read) for _ in sliding_clips(reading, windows_of(10, span=4, stride=2, num=2))]
    assert seen == [[0, 2, 3], [0, 2, 3, 4, 5], [0, 2, 3, 4, 5, 6, 7], [0, 2, 3, 4, 5, 6, 7, 9]]


class Watched(np.ndarray):
    """Arrays that count how many of them are alive."""

    alive: ClassVar[int] = 0

    def __array_finalize__(self, _: object) -> None:
        Watched.alive += 1

    def __del__(self) -> None:
        Watched.alive -= 1


@pytest.mark.parametrize(("stride", "num", "most"), [(16, 8, 33), (4, 8, 64), (64, 64, 65)])
def test_frames_of_a_long_video_are_let_go(stride: int, num: int, most: int) -> None:
    """However long: no more than one window's frames, and no picture that one was cut out of."""
    whole: list[weakref.ref[np.ndarray]] = []
    largest = 0

    def reading(index: int) -> NDArray[np.uint8]:
        nonlocal largest
        largest = max(largest, Watched.alive)
        assert sum(picture() is not None for picture in whole[-3:]) <= 1
        picture = np.full((4, 6, 3), index % 256, np.uint8)
        whole.append(weakref.ref(picture))
        return picture[:, 1:5].view(Watched)

    windows = windows_of(20_000, span=64, stride=stride, num=num)
    num_clips = sum(1 for _ in sliding_clips(reading, windows))
    assert num_clips == len(windows) >= 19_000 / stride
    assert largest <= most
    assert Watched.alive == 0


@pytest.mark.parametrize(("size", "lengths"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_batches_are_clips_in_order(size: int, lengths: list[int]) -> None:
    clips = [np.full((2, 4, 4, 3), k, np.uint8) for k in range(5)]
    found = list(batches(iter(clips), size))
    assert [len(batch) for batch in found] == lengths
    np.testing.assert_array_equal(np.concatenate(found), np.stack(clips))
    assert list(batches([], size)) == []


def test_a_batch_is_made_when_it_is_asked_for() -> None:
    taken: list[int] = []

    def clip(number: int) -> NDArray[np.uint8]:
        taken.append(number)
        return np.zeros((1, 2, 2, 3), np.uint8)

    made = batches(map(clip, range(9)), 3)
    next(made)
    assert taken == [0, 1, 2]
