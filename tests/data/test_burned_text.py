import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.data.burned_text import find_text, mask_text
from tests.data.drawn_scenes import jpeg, texture

Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
SHAPE = (256, 456)
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX_SMALL)


def clip(
    seed: int = 0, *, num_frames: int = 16, border: bool = True, speed_px: int = 9
) -> list[Frame]:
    """Tissue that moves, with glints and an instrument that moves less, within a circle."""
    rng = np.random.default_rng(seed)
    wide = texture(rng, (SHAPE[0], SHAPE[1] + speed_px * num_frames))
    glints = rng.uniform(0, 1, (60, 2)) * [wide.shape[1], SHAPE[0]]
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    inside = np.hypot(x - 228, y - 128) < 124
    frames = []
    for step in range(num_frames):
        first = speed_px * step
        frame = np.clip(105 + 32 * wide[:, first : first + SHAPE[1]], 20, 200)
        for glint in glints:
            cv2.circle(frame, (int(glint[0] - first), int(glint[1])), 3, 235, -1)
        shift = int(6 * np.sin(step))
        cv2.line(frame, (330 + shift, 250), (270 + shift, 150), 190, 14)
        cv2.line(frame, (330 + shift, 250), (270 + shift, 150), 230, 2)
        frame = np.where(inside, frame, 17) if border else frame
        frames.append(np.clip(frame + rng.normal(0, 2, SHAPE), 0, 255).astype(np.uint8))
    return frames


def write(frames: list[Frame], text: str, at: tuple[int, int], *, font: int, scale: float) -> Mask:
    """Burn text into all frames; its pixels as a mask."""
    drawn = np.zeros(SHAPE, dtype=np.uint8)
    cv2.putText(drawn, text, at, font, scale, 255, 1, cv2.LINE_AA)
    for frame in frames:
        cv2.putText(frame, text, at, font, scale, 235, 1, cv2.LINE_AA)
    return drawn > 127


def coded(frames: list[Frame]) -> list[Frame]:
    """After a lossy compression."""
    return [jpeg(frame, quality=60) for frame in frames]


def area_of(boxes: tuple[Box, ...]) -> NDArray[np.bool_]:
    covered = np.zeros(SHAPE, dtype=np.bool_)
    for x1, y1, x2, y2 in boxes:
        covered[y1:y2, x1:x2] = True
    return covered


def near(text: NDArray[np.bool_], reach_px: int = 12) -> NDArray[np.bool_]:
    kernel = np.ones((2 * reach_px + 1,) * 2, np.uint8)
    return cv2.dilate(text.astype(np.uint8), kernel).view(np.bool_)


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("scale", [0.4, 0.55, 0.8])
@pytest.mark.parametrize("compressed", [False, True])
def test_writing_in_the_border_is_found_whole(font: int, scale: float, compressed: bool) -> None:
    for seed in range(3):
        frames = clip(seed)
        text = write(frames, "DOE J", (4, 30), font=font, scale=scale)
        text |= write(frames, "1961", (4, 240), font=font, scale=scale)
        text |= write(frames, "A12", (400, 24), font=font, scale=scale)
        found = area_of(find_text(coded(frames) if compressed else frames))
        assert found[text].mean() > 0.99
        assert (found & ~near(text, 20)).sum() < 0.005 * found.size


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("scale", [0.45, 0.6, 0.8])
@pytest.mark.parametrize("compressed", [False, True])
def test_writing_over_the_content_is_found(font: int, scale: float, compressed: bool) -> None:
    for seed in range(3):
        frames = clip(seed, border=False)
        text = write(frames, "Smith 04/11/2019", (40 + 20 * seed, 90), font=font, scale=scale)
        found = area_of(find_text(coded(frames) if compressed else frames))
        assert found[text].mean() > 0.95, seed
        assert (found & ~near(text, 25)).sum() == 0, seed


def test_dark_writing_is_found() -> None:
    frames = clip(border=False)
    frames = [np.clip(frame.astype(int) + 60, 0, 235).astype(np.uint8) for frame in frames]
    text = write([], "ID 471103 B", (120, 120), font=FONTS[1], scale=0.8)
    for frame in frames:
        frame[text] = 16
    assert area_of(find_text(frames))[text].mean() > 0.95


def test_writing_across_the_edge_of_the_content_is_found() -> None:
    frames = clip()
    text = write(frames, "Hospital St. Anna 12:30", (40, 128), font=FONTS[0], scale=0.7)
    assert area_of(find_text(frames))[text].mean() > 0.95


@pytest.mark.parametrize("border", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_scene_without_writing_has_none(border: bool, compressed: bool) -> None:
    for seed in range(6):
        frames = clip(seed, border=border)
        assert find_text(coded(frames) if compressed else frames) == ()


def test_light_that_strays_at_the_rim_is_not_read() -> None:
    soft = [cv2.GaussianBlur(frame, (0, 0), 2.5).astype(np.uint8) for frame in clip()]
    assert find_text(soft) == ()


@pytest.mark.parametrize("num_frames", [1, 2, 16])
def test_glints_of_a_scene_that_stands_still_are_not_read(num_frames: int) -> None:
    frames = clip(speed_px=0, num_frames=num_frames)
    assert find_text(frames) == ()
    text = write(frames, "DOE", (6, 40), font=FONTS[0], scale=0.6)
    assert area_of(find_text(frames))[text].all()


def test_a_clock_in_the_border_is_found() -> None:
    frames = clip()
    drawn = np.zeros(SHAPE, dtype=np.bool_)
    for second, frame in enumerate(frames):
        drawn |= write([frame], f"12:{second:02}", (4, 30), font=FONTS[0], scale=0.5)
    assert area_of(find_text(frames))[drawn].mean() > 0.9


def test_boxes_move_with_the_writing() -> None:
    found = []
    for at in [(4, 30), (8, 40)]:
        frames = clip()
        write(frames, "DOE", at, font=FONTS[0], scale=0.6)
        found.append(find_text(frames))
    assert len(found[0]) == len(found[1]) == 1
    assert np.array(found[1]) - found[0] == pytest.approx(np.array([[4, 10, 4, 10]]), abs=2)


def test_boxes_do_not_overlap_and_lie_in_the_frame() -> None:
    frames = clip()
    for row in range(20, 250, 12):
        write(frames, "Patient 0815", (2, row), font=FONTS[0], scale=0.4)
    boxes = find_text(frames)
    assert boxes
    assert sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in boxes) == area_of(boxes).sum()
    for x1, y1, x2, y2 in boxes:
        assert 0 <= x1 < x2 <= SHAPE[1]
        assert 0 <= y1 < y2 <= SHAPE[0]


def test_masked_planes_hold_nothing_of_it() -> None:
    rng = np.random.default_rng(0)
    sizes = [(50, 70), (25, 35), (25, 35)]
    planes = [rng.integers(60, 200, size).astype(np.uint8) for size in sizes]
    before = [plane.copy() for plane in planes]
    mask_text(planes, [(3, 5, 10, 12), (60, 40, 90, 90)])
    for plane, old, times, black in zip(planes, before, (2, 1, 1), (16, 128, 128), strict=True):
        inside = np.zeros(plane.shape, dtype=np.bool_)
        inside[2 * times : 6 * times, times : 5 * times] = True
        inside[20 * times :, 30 * times :] = True
        assert (plane[inside] == black).all()
        assert (plane[~inside] == old[~inside]).all()


def test_a_masked_picture_is_black_there() -> None:
    picture = np.full((9, 11, 3), 200, dtype=np.uint8)
    mask_text(picture, [(9, 7, 11, 9)])
    assert (picture[6:, 8:] == 0).all()
    assert (picture == 0).sum() == 27
    once = picture.copy()
    mask_text(picture, [(9, 7, 11, 9)])
    mask_text(picture, [])
    assert (picture == once).all()
    with pytest.raises(ValueError, match="three planes"):
        mask_text(picture[..., 0], [])
    with pytest.raises(ValueError, match="three planes"):
        mask_text([picture[..., 0]], [])


def test_what_is_masked_is_found_no_more() -> None:
    frames = clip()
    write(frames, "DOE JANE", (4, 30), font=FONTS[0], scale=0.6)
    boxes = find_text(frames)
    for frame in frames:
        chroma = np.zeros((128, 228), dtype=np.uint8)
        mask_text([frame, chroma, chroma], boxes)
    assert find_text(frames) == ()


def test_bad_calls() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        find_text([])
    with pytest.raises(ValueError, match="one size"):
        find_text([np.zeros((4, 4), dtype=np.uint8), np.zeros((4, 5), dtype=np.uint8)])
    assert find_text([np.zeros((2, 3), dtype=np.uint8)] * 5) == ()
