import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.data.content_area import ContentArea, find_content
from tests.data.drawn_scenes import jpeg, texture

Lumas = list[NDArray[np.uint8]]
Mask = NDArray[np.bool_]
BORDER = 17


def scene(inside: Mask, *, seed: int = 0, border: int = BORDER, noise: float = 2.0) -> Lumas:
    """A moving scene within an area, with noise all over: eight frames."""
    rng = np.random.default_rng(seed)
    height, width = inside.shape
    wide = texture(rng, (height, width + 80))
    frames = []
    for step in range(8):
        light = np.clip(110 + 30 * wide[:, 10 * step : 10 * step + width], 30, 235)
        frame = np.where(inside, light, border) + rng.normal(0, noise, inside.shape)
        frames.append(np.clip(frame, 0, 255).round().astype(np.uint8))
    return frames


def disc(shape: tuple[int, int], x: float, y: float, radius: float) -> Mask:
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside: Mask = np.hypot(columns - x, rows - y) <= radius
    return inside


def cut_box(shape: tuple[int, int], box: tuple[int, int, int, int], cut: int) -> Mask:
    x1, y1, x2, y2 = box
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside: Mask = (x >= x1) & (x < x2) & (y >= y1) & (y < y2)
    for a, b in [(x - x1, y - y1), (x2 - 1 - x, y - y1), (x - x1, y2 - 1 - y)]:
        inside &= a + b >= cut
    return inside & ((x2 - 1 - x) + (y2 - 1 - y) >= cut)


def overlap(area: ContentArea, inside: Mask) -> float:
    found = area.mask(*inside.shape)
    return float((found & inside).sum() / (found | inside).sum())


CIRCLES = {
    "whole": ((256, 456), 228.0, 128.0, 110.0),
    "aside": ((256, 456), 150.5, 121.0, 100.5),
    "cut above and below": ((240, 430), 220.0, 122.0, 150.0),
    "cut on all sides": ((240, 430), 215.0, 120.0, 220.0),
    "large frame": ((540, 960), 480.0, 270.0, 260.0),
}


@pytest.mark.parametrize("name", CIRCLES)
@pytest.mark.parametrize("border", [0, 16, 40])
def test_circles(name: str, border: int) -> None:
    shape, x, y, radius = CIRCLES[name]
    inside = disc(shape, x, y, radius)
    area = find_content(scene(inside, border=border))
    assert area.shape == "circle"
    assert area.centre_xy == pytest.approx((x, y), abs=0.012 * radius + 1)
    assert area.radius_px == pytest.approx(radius, rel=0.015, abs=1.5)
    expected = [max(x - radius, 0), max(y - radius, 0)]
    expected += [min(x + radius, shape[1]), min(y + radius, shape[0])]
    assert area.box_xyxy == pytest.approx(expected, abs=3)
    assert overlap(area, inside) > 0.975


@pytest.mark.parametrize("box", [(40, 20, 400, 230), (0, 30, 456, 226), (100, 0, 380, 256)])
def test_rectangles(box: tuple[int, int, int, int]) -> None:
    inside = cut_box((256, 456), box, 0)
    area = find_content(scene(inside))
    assert area.shape == "rectangle"
    assert area.box_xyxy == pytest.approx(box, abs=1)
    assert (area.centre_xy, area.radius_px, area.corners_xy) == (None, None, ())


@pytest.mark.parametrize("cut", [40, 50, 60])
@pytest.mark.parametrize("box", [(60, 14, 380, 250), (2, 0, 280, 240)])
def test_octagons(box: tuple[int, int, int, int], cut: int) -> None:
    inside = cut_box((256, 456), box, cut)
    area = find_content(scene(inside))
    assert area.shape == "octagon"
    assert area.box_xyxy == pytest.approx(box, abs=1)
    assert len(area.corners_xy) == 8
    assert overlap(area, inside) > 0.985


def test_a_picture_without_border_is_full() -> None:
    area = find_content(scene(np.ones((256, 456), dtype=np.bool_)))
    assert area == ContentArea("full", (0, 0, 456, 256))
    assert area.mask(256, 456).all()


@pytest.mark.parametrize("level", [0, 16, 40])
def test_dark_frames_say_nothing(level: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(level, 2, (8, 256, 456)).clip(0, 255).astype(np.uint8)
    assert find_content(list(noise)) == ContentArea("full", (0, 0, 456, 256))


SHAPES = {
    "circle": disc((256, 456), 228, 128, 110),
    "rectangle": cut_box((256, 456), (90, 20, 400, 230), 0),
    "octagon": cut_box((256, 456), (90, 20, 400, 236), 40),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_most_frames_may_be_dark(shape: str) -> None:
    inside = SHAPES[shape]
    frames = scene(inside)
    dark = [np.full_like(frames[0], BORDER)] * 6
    assert find_content([*dark, *frames[:2]]).shape == shape
    assert overlap(find_content([*dark, *frames[:2]]), inside) > 0.97


@pytest.mark.parametrize("shape", SHAPES)
def test_a_menu_in_one_frame_of_many_does_not_count(shape: str) -> None:
    frames = scene(SHAPES[shape]) + scene(SHAPES[shape], seed=1)
    frames[3] = np.full_like(frames[3], 200)
    assert find_content(frames).shape == shape


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [0.4, 0.6, 1.0])
def test_writing_in_the_border_is_no_content(shape: str, scale: float) -> None:
    frames = scene(SHAPES[shape])
    plain = find_content(frames)
    for frame in frames:
        for row, text in enumerate(["DOE", "2024", "12:0"]):
            cv2.putText(frame, text, (2, 40 + 60 * row), 0, scale, 235, max(round(2 * scale), 1))
        cv2.putText(frame, "OR 1", (395, 250), 0, 0.6, 235, 1)
    written = find_content(frames)
    assert written.shape == shape
    assert written.box_xyxy == pytest.approx(plain.box_xyxy, abs=2)


@pytest.mark.parametrize("shape", SHAPES)
def test_dark_corners_and_a_dark_lumen_are_content(shape: str) -> None:
    frames = scene(SHAPES[shape])
    for frame in frames:
        cv2.circle(frame, (250, 120), 50, BORDER, -1)
        cv2.ellipse(frame, (200, 128), (25, 90), 0, 0, 360, BORDER, -1)
    found = find_content(frames)
    assert found.shape == shape
    assert overlap(found, SHAPES[shape]) > 0.97
    side = SHAPES["circle"] & disc((256, 456), 90, 60, 70)
    dim = [np.where(side, np.uint8(BORDER), frame) for frame in scene(SHAPES["circle"])]
    area = find_content(dim)
    assert area.shape == "circle"
    assert overlap(area, SHAPES["circle"]) > 0.95
    assert area.box_xyxy == pytest.approx((118, 18, 338, 238), abs=3)


def test_dark_tissue_in_a_clipped_border_is_content() -> None:
    shape, *circle = CIRCLES["whole"]
    inside = disc(shape, *circle)
    dark = inside & (np.indices(shape).sum(axis=0) > 400)
    frames = [
        np.where(dark, frame // 12, np.where(inside, frame, 0)).astype(np.uint8)
        for frame in scene(inside, noise=0)
    ]
    assert 0.25 < dark.sum() / inside.sum() < 0.5
    assert overlap(find_content(frames), inside) > 0.97


@pytest.mark.parametrize("shape", SHAPES)
def test_compression_noise_does_not_matter(shape: str) -> None:
    inside = SHAPES[shape]
    coded = [jpeg(frame, quality=30) for frame in scene(inside, noise=4)]
    area = find_content(coded)
    assert area.shape == shape
    assert overlap(area, inside) > 0.96


@pytest.mark.parametrize("shape", SHAPES)
def test_a_second_small_picture_and_a_line_at_the_edge_are_left_out(shape: str) -> None:
    frames = scene(SHAPES[shape])
    for frame in frames:
        frame[200:250, 8:70] = 150
        frame[60:200, -1] = 120
    assert overlap(find_content(frames), SHAPES[shape]) > 0.97


def test_a_hair_at_the_edge_is_not_joined_to_content_near_it() -> None:
    inside = disc((256, 456), 330, 128, 118)
    frames = scene(inside)
    for frame in frames:
        frame[20:230, -1] = 120
    area = find_content(frames)
    assert area.shape == "circle"
    assert overlap(area, inside) > 0.98


def test_a_small_lit_patch_says_nothing() -> None:
    frame = np.full((256, 456), BORDER, dtype=np.uint8)
    frame[100:140, 200:240] = 200
    assert find_content([frame]).shape == "full"


@pytest.mark.parametrize("shape", SHAPES)
def test_what_moves_or_grows_is_found_moved_and_grown(shape: str) -> None:
    inside = SHAPES[shape]
    area = find_content(scene(inside))
    moved = find_content(scene(np.roll(inside, (6, -30), axis=(0, 1))))
    expected = np.add(area.box_xyxy, (-30, 6, -30, 6))
    assert moved.shape == shape
    assert moved.box_xyxy == pytest.approx(expected, abs=2)
    grown = find_content([f.repeat(2, axis=0).repeat(2, axis=1) for f in scene(inside)])
    assert grown.shape == shape
    assert grown.box_xyxy == pytest.approx(2 * np.array(area.box_xyxy), abs=4)
    turned = find_content([np.ascontiguousarray(f.T) for f in scene(inside)])
    assert turned.shape == shape
    assert turned.box_xyxy == pytest.approx(np.array(area.box_xyxy)[[1, 0, 3, 2]], abs=2)


def test_tiny_frames_and_bad_calls() -> None:
    assert find_content([np.full((2, 2), 100, dtype=np.uint8)]).shape == "full"
    assert find_content([np.zeros((1, 9), dtype=np.uint8)]).box_xyxy == (0, 0, 9, 1)
    with pytest.raises(ValueError, match="at least one frame"):
        find_content([])
    with pytest.raises(ValueError, match="one size"):
        find_content([np.zeros((4, 4), dtype=np.uint8), np.zeros((4, 5), dtype=np.uint8)])
