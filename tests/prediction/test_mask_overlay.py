from pathlib import Path

import numpy as np
import pytest

from endofm.data.video import check_video, open_video
from endofm.prediction import MaskPrediction, mask_overlay
from endofm.prediction.drawing import (
    BACK,
    BRIGHT,
    CURVES_PX,
    DIM,
    MARGIN_PX,
    ROW_PX,
    drawn_frames,
)
from endofm.prediction.mask_overlay import OUTLINE, Lesion, outline, write_mask_overlay
from tests.prediction.builder import film
from tests.prediction.mask_builder import masks_of, square
from tests.prediction.test_overlay import is_colour


def lesion_of(found: MaskPrediction) -> Lesion:
    return Lesion(found.mask, found.times_s + 0.05, found.areas, found.video.duration_s)


def drawn(found: MaskPrediction) -> list[np.ndarray]:
    """The frames of an overlay before they are encoded."""
    draw = mask_overlay.drawing(found.video, lesion_of(found))
    return list(drawn_frames(found.video, draw, fps=found.video.fps, progress=None))


def test_an_outline_goes_along_the_border_alone() -> None:
    picture = np.full((96, 128, 3), 90, np.uint8)
    mask = square(20)  # of 48 x 64 pixels, rows 5 to 24 and columns 10 to 29
    found = outline(picture, mask)
    changed = (found != picture).any(-1)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), columns.min()) == pytest.approx((10, 20), abs=4)
    assert (rows.max(), columns.max()) == pytest.approx((49, 59), abs=4)
    assert not changed[15:45, 26:54].any()
    assert is_colour(found[10, 25:55], OUTLINE).all()
    assert (picture == 90).all()


def test_a_hole_and_a_lesion_at_the_edge_have_an_outline() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    mask = np.ones((40, 40), bool)
    mask[15:25, 15:25] = False
    found = outline(picture, mask)
    assert is_colour(found[[0, -1]], OUTLINE).any(1).all()
    assert is_colour(found[12:28, 12:28], OUTLINE).any()
    np.testing.assert_array_equal(outline(picture, np.zeros((40, 40), bool)), picture)


def test_each_frame_has_its_outline_its_area_and_its_moment(tmp_path: Path) -> None:
    video = film(tmp_path / "film.mp4", 4, fps=10)
    found = masks_of(video, [0, 20, 0, 10])
    frames = drawn(found)
    assert len(frames) == 4
    for number, frame in enumerate(frames):
        assert frame.shape == (400 + ROW_PX + CURVES_PX + 2 * MARGIN_PX, 533, 3)
        panel = frame[400:]
        text = panel[: ROW_PX + MARGIN_PX // 2, MARGIN_PX:]
        seen = number in (1, 3)
        assert is_colour(frame[:400], OUTLINE).any() == seen
        assert is_colour(text, BRIGHT).any() == seen
        assert (is_colour(text, DIM).any() and not seen) or seen
        assert is_colour(panel[:, : MARGIN_PX - 1], BACK).all()
        column = is_colour(panel[ROW_PX + MARGIN_PX :][:CURVES_PX], BRIGHT).all(0)
        place = MARGIN_PX + number / 4 * (533 - 2 * MARGIN_PX)
        assert np.flatnonzero(column).tolist() == [round(place) - 1, round(place)]


def test_the_curve_reaches_from_none_to_the_largest_area(tmp_path: Path) -> None:
    video = film(tmp_path / "film.mp4", 4, fps=10)
    panel = drawn(masks_of(video, [0, 20, 10, 10]))[0][400 + ROW_PX + MARGIN_PX :]
    for number, height in ((1, 1.0), (2, 0.25)):
        column = round(MARGIN_PX + (number + 0.5) / 4 * (533 - 2 * MARGIN_PX))
        rows = np.flatnonzero(is_colour(panel[:, column], OUTLINE))
        assert 1 - rows.mean() / CURVES_PX == pytest.approx(height, abs=0.05)
    empty = drawn(masks_of(video, [0, 0, 0, 0]))[0][400 + ROW_PX + MARGIN_PX :]
    assert np.flatnonzero(is_colour(empty, OUTLINE).any(1)).min() >= CURVES_PX - 2


def test_small_areas_are_not_rounded_to_none() -> None:
    assert [mask_overlay._percent(area) for area in (0.5, 0.0123, 0.001, 0.00043)] == [
        *("50.0", "1.2", "0.1", "0.043")
    ]


def test_the_video_is_as_long_as_its_source_at_most_480_px(tmp_path: Path) -> None:
    video = film(tmp_path / "film.mp4", 5, fps=10, height=602, width=700)
    found = masks_of(video, [0, 20, 30, 0, 10], size_hw=(602, 700))
    out = tmp_path / "overlay.mp4"
    write_mask_overlay(out, found.video, lesion_of(found))
    made = check_video(out)
    assert made.num_frames == 5
    assert made.duration_s == pytest.approx(0.5)
    assert (made.height, made.width) == (480 + ROW_PX + CURVES_PX + 2 * MARGIN_PX, 558)
    with open_video(out) as reader:
        assert len(list(reader.stream())) == 5
