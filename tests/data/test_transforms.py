import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from endofm.data.transforms import (
    Box,
    centre_crop,
    crop_and_resize,
    random_resized_crop_box,
    random_scale_crop,
    resize_short_side,
    square_crop,
)


class Scripted:
    """Gives the numbers it was given, and keeps what it was asked for."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)
        self.asked: list[tuple[float, float]] = []

    def uniform(self, low: float, high: float, /) -> float:
        self.asked.append((low, high))
        return self.numbers.pop(0)

    def integers(self, low: int, high: int, /) -> int:
        self.asked.append((low, high))
        return int(self.numbers.pop(0))

    def permutation(self, x: int, /) -> NDArray[np.int64]:
        raise AssertionError("no order is drawn here")


def some_frames(num_frames: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)


@given(
    height=st.integers(2, 400),
    width=st.integers(2, 400),
    seed=st.integers(0, 1000),
    area=st.sampled_from([(0.4, 1.0), (0.05, 0.4)]),
)
def test_boxes_lie_in_the_frame(
    height: int, width: int, seed: int, area: tuple[float, float]
) -> None:
    box = random_resized_crop_box((height, width), area, rng=np.random.default_rng(seed))
    assert box.height >= 1
    assert box.width >= 1
    assert 0 <= box.top <= height - box.height
    assert 0 <= box.left <= width - box.width


def test_boxes_have_the_drawn_area_and_shape() -> None:
    rng = np.random.default_rng(3)
    boxes = [random_resized_crop_box((480, 640), (0.1, 0.4), rng=rng) for _ in range(300)]
    areas = np.array([box.height * box.width for box in boxes]) / (480 * 640)
    log_ratios = np.log([box.width / box.height for box in boxes])
    assert areas.min() == pytest.approx(0.1, abs=0.01)
    assert areas.max() == pytest.approx(0.4, abs=0.01)
    assert areas.mean() == pytest.approx(0.25, abs=0.02)
    assert log_ratios.min() == pytest.approx(math.log(3 / 4), abs=0.02)
    assert log_ratios.max() == pytest.approx(math.log(4 / 3), abs=0.02)
    assert log_ratios.mean() == pytest.approx(0, abs=0.03)


def test_first_valid_try_is_taken() -> None:
    too_wide, fits = (1.0, math.log(4 / 3)), (0.25, 0.0)
    rng = Scripted(*too_wide, *fits, 7, 9)
    assert random_resized_crop_box((100, 100), (0.2, 1.0), rng=rng) == Box(7, 9, 50, 50)
    assert rng.numbers == []
    assert rng.asked[-2:] == [(0, 51), (0, 51)]


def test_original_takes_the_last_size_at_the_last_valid_position() -> None:
    too_wide, fits = (1.0, math.log(4 / 3)), (0.25, 0.0)
    rng = Scripted(*fits, 7, 9, *(number for _ in range(9) for number in too_wide))
    box = random_resized_crop_box((100, 100), (0.2, 1.0), rng=rng, original_never_stops=True)
    assert box == Box(7, 9, 87, 115)
    assert rng.numbers == []


@pytest.mark.parametrize(
    ("size_hw", "expected"),
    [
        ((100, 1000), Box(0, 433, 100, 133)),
        ((1000, 100), Box(433, 0, 133, 100)),
        ((90, 100), Box(0, 0, 90, 100)),
    ],
)
@pytest.mark.parametrize("original", [False, True])
def test_fallback_is_the_largest_centred_box_of_an_allowed_shape(
    size_hw: tuple[int, int], expected: Box, original: bool
) -> None:
    ratio = math.log(4 / 3) if size_hw[1] < 200 else math.log(3 / 4)
    rng = Scripted(*(number for _ in range(10) for number in (1.0, ratio)))
    box = random_resized_crop_box(size_hw, (0.2, 1.0), rng=rng, original_never_stops=original)
    assert box == expected


def torch_bicubic(part: NDArray[np.uint8], size_px: int) -> NDArray[np.float32]:
    pixels = torch.from_numpy(part.copy()).permute(2, 0, 1)[None].float()
    resized = torch.nn.functional.interpolate(pixels, (size_px, size_px), mode="bicubic")
    result: NDArray[np.float32] = resized[0].permute(1, 2, 0).numpy()
    return result


def cropped(
    frame: NDArray[np.uint8], box: Box, size_px: int, *, flip: bool = False
) -> NDArray[np.uint8]:
    resized = np.empty((size_px, size_px, 3), np.uint8)
    crop_and_resize(frame, box, resized, flip=flip)
    return resized


@pytest.mark.parametrize("box", [Box(3, 5, 50, 60), Box(0, 0, 64, 85), Box(20, 30, 17, 23)])
@pytest.mark.parametrize("flip", [False, True])
def test_resizing_is_bicubic_without_antialiasing(box: Box, flip: bool) -> None:
    (frame,) = some_frames(1, 64, 85)
    in_float = np.empty((48, 48, 3), np.float32)
    crop_and_resize(frame, box, in_float, flip=flip)
    part = frame[box.top : box.top + box.height, box.left : box.left + box.width]
    expected = torch_bicubic(part, 48)[:, :: -1 if flip else 1]
    assert np.abs(in_float - expected).max() < 0.02
    assert in_float.min() < 0
    assert in_float.max() > 255
    in_uint8 = cropped(frame, box, 48, flip=flip)
    assert np.abs(in_uint8 - expected.clip(0, 255)).max() < 0.55


def test_flipping_twice_changes_nothing() -> None:
    (frame,) = some_frames(1, 32, 32)
    whole = Box(0, 0, 32, 32)
    once = cropped(frame, whole, 32, flip=True)
    assert np.array_equal(once, frame[:, ::-1])
    assert np.array_equal(cropped(once, whole, 32, flip=True), frame)


def test_box_beyond_the_frame_is_cut_at_its_edge() -> None:
    (frame,) = some_frames(1, 40, 40)
    beyond, cut = Box(30, 20, 40, 60), Box(30, 20, 10, 20)
    assert np.array_equal(cropped(frame, beyond, 16), cropped(frame, cut, 16))


def test_resizing_writes_into_its_own_slot_alone() -> None:
    (frame,) = some_frames(1, 40, 40)
    slots = np.full((3, 16, 16, 3), 7, np.uint8)
    crop_and_resize(frame, Box(1, 2, 30, 30), slots[1])
    assert np.array_equal(slots[1], cropped(frame, Box(1, 2, 30, 30), 16))
    assert (slots[[0, 2]] == 7).all()


@pytest.mark.parametrize(
    ("size_hw", "expected_hw"),
    [((40, 63), (20, 31)), ((63, 40), (31, 20)), ((10, 10), (20, 20)), ((20, 33), (20, 33))],
)
@pytest.mark.parametrize("in_float", [False, True])
def test_short_side_is_resized_and_long_side_rounded_down(
    size_hw: tuple[int, int], expected_hw: tuple[int, int], in_float: bool
) -> None:
    frames: NDArray[Any] = some_frames(2, *size_hw)
    frames = frames.astype(np.float32) if in_float else frames
    resized = resize_short_side(frames, 20)
    assert resized.shape == (2, *expected_hw, 3)
    assert resized.dtype == frames.dtype
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    expected = torch.nn.functional.interpolate(pixels, expected_hw, mode="bilinear")
    assert np.abs(resized - expected.permute(0, 2, 3, 1).numpy()).max() < 1.01


@pytest.mark.parametrize(
    ("place", "top_left_wide", "top_left_high"),
    [("first", (1, 0), (0, 1)), ("centre", (1, 3), (3, 1)), ("last", (1, 5), (5, 1))],
)
def test_squares_lie_where_they_should(
    place: Literal["first", "centre", "last"],
    top_left_wide: tuple[int, int],
    top_left_high: tuple[int, int],
) -> None:
    for size_hw, (top, left) in (((10, 13), top_left_wide), ((13, 10), top_left_high)):
        frames = some_frames(2, *size_hw)
        square = square_crop(frames, 8, place=place)
        assert np.array_equal(square, frames[:, top : top + 8, left : left + 8])


def test_centre_crop_rounds_its_offset_up() -> None:
    frames = some_frames(1, 9, 12)
    assert np.array_equal(centre_crop(frames, 8), frames[:, 1:9, 2:10])


def test_training_crop_follows_its_draws() -> None:
    frames = some_frames(2, 40, 60)
    resized = resize_short_side(frames, 30)  # (2, 30, 45, 3)
    for flip in (0.1, 0.9):
        rng = Scripted(30.4, 5, 7, flip)
        square = random_scale_crop(frames, 20, short_px=(28, 32), rng=rng)
        expected = resized[:, 5:25, 7:27]
        assert np.array_equal(square, expected[:, :, ::-1] if flip < 0.5 else expected)
        assert square.flags.c_contiguous
        assert rng.asked == [(28, 32), (0, 10), (0, 25), (0, 1)]


def test_training_crop_of_just_the_right_size_is_the_frame() -> None:
    frames = some_frames(1, 20, 20)
    square = random_scale_crop(frames, 20, short_px=(20, 20), rng=Scripted(20, 0, 0, 0.9))
    assert np.array_equal(square, frames)
