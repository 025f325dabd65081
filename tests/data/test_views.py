from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.data.transforms import crop_and_resize
from endofm.data.views import DrawnView, ViewSettings, make_views

SMALL = ViewSettings(global_frames=(3, 4), local_frames=(2, 5), global_size_px=32, local_size_px=16)


class Reader:
    """Frames in memory, whose every pixel is the frame's number; keeps what was asked for."""

    def __init__(self, num_frames: int, size_hw: tuple[int, int] = (40, 60)) -> None:
        numbers = np.arange(num_frames, dtype=np.uint8)[:, None, None, None]
        self.video = np.broadcast_to(numbers, (num_frames, *size_hw, 3)).copy()
        self.asked: list[list[int]] = []

    def __call__(self, positions: Sequence[int]) -> list[NDArray[np.uint8]]:
        self.asked.append(list(positions))
        return [self.video[position] for position in positions]


def numbers_shown(view: DrawnView) -> list[int]:
    assert all(np.ptp(frame) == 0 for frame in view.frames)
    shown: list[int] = view.frames[:, 0, 0, 0].tolist()
    return shown


def test_views_have_the_set_sizes_and_lengths() -> None:
    views = make_views(Reader(200), 200, ViewSettings(), np.random.default_rng(0))
    shapes = [view.frames.shape for view in views]
    assert shapes == [
        *((num_frames, 224, 224, 3) for num_frames in (8, 16)),
        *((num_frames, 96, 96, 3) for num_frames in (2, 2, 4, 4, 8, 8, 16, 16)),
    ]
    assert all(view.frames.dtype == np.uint8 for view in views)


def test_global_views_show_more_of_the_frame_than_local_ones() -> None:
    settings = SMALL.model_copy(update={"global_area": (0.5, 0.7), "local_area": (0.1, 0.2)})
    for seed in range(10):
        views = make_views(Reader(20, (200, 250)), 20, settings, np.random.default_rng(seed))
        shares = [view.box.height * view.box.width / (200 * 250) for view in views]
        assert all(0.49 < share < 0.71 for share in shares[:2])
        assert all(0.09 < share < 0.21 for share in shares[2:])


def test_views_come_from_the_longest_span_allowed() -> None:
    settings = SMALL.model_copy(update={"max_span_frames": 40})
    reader = Reader(200)
    make_views(reader, 200, settings, np.random.default_rng(0))
    positions = [position for (position,) in reader.asked]
    assert 35 <= max(positions) - min(positions) < 40


def test_each_view_shows_its_own_frames_and_each_frame_is_read_once() -> None:
    reader = Reader(64)
    views = make_views(reader, 64, SMALL, np.random.default_rng(1))
    assert numbers_shown(views[0]) == [0, 29, 59]
    assert numbers_shown(views[1]) == [5, 24, 44, 63]
    for view, num_frames in zip(views[2:], SMALL.local_frames, strict=True):
        numbers = numbers_shown(view)
        assert len(numbers) == num_frames
        assert numbers[-1] - numbers[0] == 8
    every = {number for view in views for number in numbers_shown(view)}
    assert reader.asked == [[number] for number in sorted(every)]


def test_the_same_generator_gives_the_same_views() -> None:
    def drawn(seed: int) -> list[DrawnView]:
        rng = np.random.default_rng(seed)
        reader = Reader(50)
        reader.video = np.random.default_rng(9).integers(0, 256, reader.video.shape, np.uint8)
        return make_views(reader, 50, SMALL, rng)

    for one, same, other in zip(drawn(1), drawn(1), drawn(2), strict=True):
        assert np.array_equal(one.frames, same.frames)
        assert one.colour == same.colour
        assert not np.array_equal(one.frames, other.frames)


def test_views_differ_in_space_and_a_view_does_not_move() -> None:
    reader = Reader(64)
    ramp = np.arange(60, dtype=np.uint8) * 4
    reader.video = np.broadcast_to(ramp[:, None], reader.video.shape).copy()
    views = make_views(reader, 64, SMALL, np.random.default_rng(1))
    for view in views:
        assert np.array_equal(view.frames, np.broadcast_to(view.frames[0], view.frames.shape))
    widths = {int(np.ptp(view.frames)) for view in views}
    assert len(widths) == len(views)


def test_flips_follow_their_probability() -> None:
    reader = Reader(64)
    ramp = np.arange(60, dtype=np.uint8) * 4
    reader.video = np.broadcast_to(ramp[:, None], reader.video.shape).copy()
    for probability, falls in ((0.0, False), (1.0, True)):
        settings = SMALL.model_copy(update={"flip_probability": probability})
        for view in make_views(reader, 64, settings, np.random.default_rng(2)):
            first, last = view.frames[0, 0, [0, -1], 0].tolist()
            assert view.flip == falls
            assert (first > last) == falls


def test_float_views_keep_their_overshoot() -> None:
    reader = Reader(64)
    reader.video = np.random.default_rng(9).integers(0, 2, reader.video.shape, np.uint8) * 255
    settings = SMALL.model_copy(update={"resize_in_float": True})
    views = make_views(reader, 64, settings, np.random.default_rng(0))
    assert all(view.frames.dtype == np.float32 for view in views)
    assert all(view.frames.min() < 0 and view.frames.max() > 255 for view in views)


def test_switches_reach_the_draws() -> None:
    def boxes(settings: ViewSettings) -> list[NDArray[np.uint8]]:
        reader = Reader(5)
        reader.video = np.random.default_rng(9).integers(0, 256, reader.video.shape, np.uint8)
        views = make_views(reader, 5, settings, np.random.default_rng(3))
        return [view.frames for view in views]

    plain = boxes(SMALL)
    for switched in (
        boxes(SMALL.model_copy(update={"original_crop_boxes": True})),
        boxes(SMALL.model_copy(update={"original_short_clips": True})),
    ):
        assert any(not np.array_equal(a, b) for a, b in zip(plain, switched, strict=True))


def test_colours_follow_their_probabilities() -> None:
    settings = SMALL.model_copy(update={"jitter_probability": 1.0, "grey_probability": 0.0})
    views = make_views(Reader(20), 20, settings, np.random.default_rng(0))
    assert all(view.colour.jitter and not view.colour.grey for view in views)
    settings = SMALL.model_copy(update={"jitter_probability": 0.0, "grey_probability": 1.0})
    views = make_views(Reader(20), 20, settings, np.random.default_rng(0))
    assert all(view.colour.grey and not view.colour.jitter for view in views)


@pytest.mark.parametrize("num_frames", [1, 2, 7, 9])
def test_short_clips_have_all_views(num_frames: int) -> None:
    views = make_views(Reader(num_frames), num_frames, SMALL, np.random.default_rng(0))
    assert [len(view.frames) for view in views] == [3, 4, 2, 5]


def test_repeated_frames_are_all_filled() -> None:
    views = make_views(Reader(3), 3, ViewSettings(), np.random.default_rng(0))
    for view in views:
        numbers = numbers_shown(view)
        assert numbers == sorted(numbers)
        assert set(numbers) <= {0, 1, 2}


def test_views_show_their_own_boxes() -> None:
    reader = Reader(64)
    reader.video = np.random.default_rng(9).integers(0, 256, reader.video.shape, np.uint8)
    for view in make_views(reader, 64, SMALL, np.random.default_rng(3)):
        expected = np.empty_like(view.frames[0])
        shown = min(range(64), key=lambda k: difference(reader.video[k], view))
        crop_and_resize(reader.video[shown], view.box, expected, flip=view.flip)
        assert np.array_equal(view.frames[0], expected)


def difference(frame: NDArray[np.uint8], view: DrawnView) -> int:
    """How far the first frame of a view is from showing ``frame``."""
    expected = np.empty_like(view.frames[0])
    crop_and_resize(frame, view.box, expected, flip=view.flip)
    return int(np.abs(view.frames[0].astype(int) - expected).sum())
