import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from endofm.data.frame_scaler import FrameScaler, stored_size_hw


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:height, :width]
    red = 150 + 80 * columns / width
    green = 20 + 30 * rows / height
    return np.stack([red, green, np.full_like(red, 30)], -1).astype(np.uint8)


def shown(frame: VideoFrame) -> NDArray[np.float64]:
    assert frame.format.name == "yuv420p"
    assert (frame.colorspace, frame.color_range) == (Colorspace.ITU709, ColorRange.MPEG)
    return frame.to_ndarray(format="rgb24").astype(np.float64)


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([16, 224, 256]))
def test_stored_sizes_are_even_and_as_asked(height: int, width: int, short_side_px: int) -> None:
    stored = stored_size_hw((height, width), short_side_px=short_side_px)
    assert all(side > 0 and side % 2 == 0 for side in stored)
    if min(height, width) >= short_side_px:
        assert min(stored) == short_side_px
    else:
        assert max(abs(a - b) for a, b in zip(stored, (height, width), strict=True)) <= 1
    scale = min(short_side_px / min(height, width), 1)
    assert abs(max(stored) - max(height, width) * scale) <= 1


def test_colours_stay_whatever_the_form() -> None:
    picture = smooth(120, 180)
    rgb = VideoFrame.from_ndarray(picture, format="rgb24")
    forms = [
        rgb,
        rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU601),
        rgb.reformat(
            format="yuvj420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.JPEG,
        ),
    ]
    scaler = FrameScaler(short_side_px=60)
    expected = smooth(60, 90).astype(np.float64)
    for form in forms:  # one scaler takes them all
        assert np.abs(shown(scaler(form)) - expected).mean() < 4  # FFmpeg's converters round down


def test_crop_and_black_boxes_are_in_px_of_the_frame() -> None:
    picture = smooth(100, 140)
    frame = VideoFrame.from_ndarray(picture, format="rgb24")
    scaler = FrameScaler(
        short_side_px=64, crop_xyxy=(20, 10, 120, 74), black_boxes=[(30, 20, 50, 40)]
    )
    stored = shown(scaler(frame))
    assert stored.shape == (64, 100, 3)
    assert stored[12:28, 12:28].max() < 12
    assert np.abs(stored[40:] - picture[50:74, 20:120]).mean() < 3


def test_frames_keep_their_own_memory() -> None:
    scaler = FrameScaler(short_side_px=32)
    frames = [
        VideoFrame.from_ndarray(np.full((48, 64, 3), v, np.uint8), format="rgb24")
        for v in (40, 200)
    ]
    first, second = [scaler(frame) for frame in frames]
    assert shown(first).mean() == pytest.approx(40, abs=2)
    assert shown(second).mean() == pytest.approx(200, abs=2)
