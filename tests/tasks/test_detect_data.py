"""Frames and boxes on the way to the detector: what moves with a frame moves with its boxes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from endofm.data.boxed import BoxedFrame, BoxedSequence, BoxXYXY
from endofm.data.boxed_frames import read_frame
from endofm.data.video import write_video
from endofm.errors import DataError
from endofm.tasks.detect_config import AugmentSettings, FrameSettings
from endofm.tasks.detect_data import (
    Placement,
    TrainingFrames,
    collate,
    fill_colour,
    network_frames,
    seen_pixels,
)

Picture = NDArray[np.uint8]
SETTINGS = FrameSettings(size_hw=(64, 96))
BOX: BoxXYXY = (12.0, 8.0, 36.0, 24.0)


def draw(box: BoxXYXY, *, size_hw: tuple[int, int] = (40, 60)) -> Picture:
    """A bright box on black."""
    frame = np.zeros((*size_hw, 3), np.uint8)
    x1, y1, x2, y2 = map(int, box)
    frame[y1:y2, x1:x2] = 255
    return frame


def bright_box(picture: Picture) -> list[float]:
    rows, columns = np.nonzero(picture[..., 0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def sequence(folder: Path, num: int = 4) -> BoxedSequence:
    frames = []
    for index in range(num):
        box = (BOX[0] + index, BOX[1], BOX[2] + index, BOX[3])
        path = folder / f"{index}.png"
        cv2.imwrite(str(path), draw(box))
        frames.append(BoxedFrame(path, None, (box,), (1,)))
    return BoxedSequence("film", tuple(frames))


@pytest.mark.parametrize("size_hw", [(40, 60), (120, 90), (32, 200), (7, 5)])
def test_a_fitted_frame_keeps_its_aspect_ratio(size_hw: tuple[int, int]) -> None:
    placement = Placement.fit(size_hw, SETTINGS)
    height, width = placement.resized_hw
    assert height <= 64
    assert width <= 96
    assert height == 64 or width == 96
    scale = min(64 / size_hw[0], 96 / size_hw[1])
    assert abs(height - scale * size_hw[0]) <= 0.5
    assert abs(width - scale * size_hw[1]) <= 0.5
    assert all(side % 32 == 0 for side in placement.canvas_hw)
    assert placement.canvas_hw[0] - height < 32
    boxes = torch.rand(5, 4, generator=torch.Generator().manual_seed(0)) * 40
    torch.testing.assert_close(placement.boxes_back(placement.boxes(boxes)), boxes)


def test_the_originals_squash_fills_the_canvas() -> None:
    settings = FrameSettings(size_hw=(64, 96), original_squash=True)
    placement = Placement.fit((100, 30), settings)
    assert placement.canvas_hw == placement.resized_hw == (64, 96)
    corner = placement.boxes(torch.tensor([[0.0, 0, 30, 100]]))
    torch.testing.assert_close(corner, torch.tensor([[0.0, 0, 96, 64]]))


@pytest.mark.parametrize("seed", range(8))
def test_boxes_lie_where_the_frame_shows_them(seed: int) -> None:
    augment = AugmentSettings(zoom=(0.6, 1.6))
    rng = np.random.default_rng(seed)
    placement = Placement.fit((40, 60), SETTINGS).drawn(augment, rng=rng)
    picture = placement.picture(draw(BOX), fill=(0, 0, 0))
    assert picture.shape == (64, 96, 3)
    expected = placement.boxes(torch.tensor([BOX])).clamp(min=0)
    expected = expected.minimum(torch.tensor([96.0, 64, 96, 64]))[0]
    np.testing.assert_allclose(bright_box(picture), expected.numpy(), atol=1.01)


def test_what_a_frame_does_not_reach_is_about_zero_in_the_network() -> None:
    settings = FrameSettings(size_hw=(64, 64))
    frame = np.full((20, 40, 3), 200, np.uint8)
    placement = Placement.fit((20, 40), settings)
    seen = seen_pixels(frame, placement, settings)
    pixels = network_frames(torch.from_numpy(seen)[None, None], settings)
    assert placement.canvas_hw == (32, 64)
    border = FrameSettings(size_hw=(64, 64), original_squash=True)
    assert fill_colour(border) == (124, 116, 104)
    assert float(pixels.min()) > 0.5  # nothing is padded here
    narrow = Placement.fit((22, 40), settings)
    padded = network_frames(
        torch.from_numpy(seen_pixels(frame[:, :], narrow, settings))[None, None], settings
    )
    assert float(padded[..., narrow.resized_hw[0] :, :].abs().max()) < 0.01


def test_a_sample_is_the_same_anywhere_and_another_in_the_next_epoch(tmp_path: Path) -> None:
    frames = TrainingFrames(
        [sequence(tmp_path)], SETTINGS, AugmentSettings(), reach_frames=9, seed=3
    )
    first, again, other = frames[0, 1], frames[0, 1], frames[1, 1]
    np.testing.assert_array_equal(first.pictures, again.pictures)
    assert first.pictures.shape == (3, 64, 96, 3)
    assert not np.array_equal(first.pictures, other.pictures)
    np.testing.assert_allclose(
        bright_box(first.pictures[0]), first.boxes_xyxy[0].numpy(), atol=1.01
    )


def test_frames_without_a_box_learn_too_unless_the_original_is_wanted(tmp_path: Path) -> None:
    whole = sequence(tmp_path)
    empty = BoxedFrame(whole.frames[0].path, None)
    mixed = BoxedSequence("film", (empty, *whole.frames[1:]))
    options = {"reach_frames": 9, "seed": 0}
    kept = TrainingFrames([mixed], SETTINGS, AugmentSettings(), **options)  # type: ignore[arg-type]  # plain numbers
    dropped = TrainingFrames(
        [mixed], SETTINGS, AugmentSettings(), reach_frames=9, seed=0, drop_empty=True
    )
    assert (len(kept), len(dropped)) == (4, 3)
    assert kept[0, 0].boxes_xyxy.shape == (0, 4)
    assert kept[0, 0].labels.dtype == torch.int64


def test_a_batch_of_two_sizes_is_padded(tmp_path: Path) -> None:
    (tmp_path / "tall").mkdir()
    tall = tmp_path / "tall" / "0.png"
    cv2.imwrite(str(tall), draw(BOX, size_hw=(60, 40)))
    sequences = [
        sequence(tmp_path),
        BoxedSequence("tall", (BoxedFrame(tall, None, (BOX,), (2,)),)),
    ]
    frames = TrainingFrames(sequences, SETTINGS, AugmentSettings(), reach_frames=9, seed=0)
    batch = collate([frames[0, 0], frames[0, 4]], fill=(1, 2, 3))
    assert batch.view.frames.shape == (2, 3, 64, 96, 3)
    assert batch.view.frames[1, 0, -1, -1].tolist() == [1, 2, 3]
    assert [labels.tolist() for labels in batch.labels] == [[1], [2]]


def test_a_reference_of_another_size_is_named(tmp_path: Path) -> None:
    whole = sequence(tmp_path, num=2)
    cv2.imwrite(str(tmp_path / "1.png"), draw(BOX, size_hw=(50, 60)))
    frames = TrainingFrames([whole], SETTINGS, AugmentSettings(), reach_frames=9, seed=0)
    with pytest.raises(DataError, match=r"1\.png: has 60 x 50 px, the frames before 60 x 40"):
        frames[0, 0]


def test_frames_of_a_video_are_read_by_their_place(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    write_video(film, (np.full((32, 32, 3), 20 * k, np.uint8) for k in range(10)), fps=10)
    for index in (7, 2, 9):
        assert abs(float(read_frame(BoxedFrame(film, index)).mean()) - 20 * index) < 4
