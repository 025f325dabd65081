from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from endofm.data.video_reader import VideoReader
from tests.data.coded_video import coded_frame, write_frames

COLOURS = [(255, 255, 255), (0, 0, 0), (200, 80, 60), (30, 200, 220), (128, 128, 128)]

# Shares of red and blue in luma, and the number of the matrix (ITU-T H.273, table 4).
MATRICES = {"601": (0.299, 0.114, 6), "709": (0.2126, 0.0722, 1)}

# Codec, container and layout of pixels.
CODINGS = [
    ("libx264", ".mp4", "yuv420p"),
    ("libx264", ".mkv", "yuv444p"),
    ("libx264", ".mov", "yuv420p10le"),
    ("libx265", ".mp4", "yuv420p"),
    ("libvpx-vp9", ".webm", "yuv420p"),
    ("mpeg4", ".mkv", "yuv420p"),
]


def coded_colour(rgb: tuple[int, int, int], matrix: str, *, is_full: bool, bits: int) -> list[int]:
    """Y, Cb, Cr of a colour, by its definition (ITU-T H.273, equations 20 to 43)."""
    red_share, blue_share, _ = MATRICES[matrix]
    red, green, blue = (value / 255 for value in rgb)
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    chroma = (blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)
    unit, top = 2 ** (bits - 8), 2**bits - 1
    if is_full:
        return [round(luma * top), *(min(round(c * top + 128 * unit), top) for c in chroma)]
    return [round((16 + 219 * luma) * unit), *(round((128 + 224 * c) * unit) for c in chroma)]


def solid(values: list[int], pixels: str) -> VideoFrame:
    frame = VideoFrame(64, 48, pixels)
    dtype = np.uint16 if "10" in pixels else np.uint8
    for plane, value in zip(frame.planes, values, strict=True):
        plane.update(np.full(plane.buffer_size // dtype().itemsize, value, dtype).tobytes())
    return frame


@pytest.mark.parametrize("coding", CODINGS, ids="-".join)
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("is_full", [False, True])
def test_colours_come_back_as_tagged(
    tmp_path: Path, coding: tuple[str, str, str], matrix: str, is_full: bool
) -> None:
    codec, suffix, pixels = coding

    def tag(stream: VideoStream) -> None:
        stream.colorspace = MATRICES[matrix][2]
        stream.color_range = ColorRange.JPEG if is_full else ColorRange.MPEG

    frames = [
        solid(coded_colour(rgb, matrix, is_full=is_full, bits=10 if "10" in pixels else 8), pixels)
        for rgb in COLOURS
    ]
    path = tmp_path / f"a{suffix}"
    options = {"g": "1", "b": "2M", "x265-params": "log-level=none"}
    write_frames(path, frames, codec=codec, codec_options=options, prepare=tag)
    with VideoReader(path) as video:
        for rgb, picture in zip(COLOURS, video.stream(), strict=True):
            assert np.abs(picture.astype(int) - rgb).max() <= 3


def test_colours_without_tags_are_601_limited(tmp_path: Path) -> None:
    rgb = (200, 80, 60)
    frame = solid(coded_colour(rgb, "601", is_full=False, bits=8), "yuv420p")
    write_frames(tmp_path / "a.mkv", [frame], codec="mpeg4")
    with VideoReader(tmp_path / "a.mkv") as video:
        assert np.abs(video.frames([0])[0].astype(int) - rgb).max() <= 3


def test_motion_jpeg_is_full_range(tmp_path: Path) -> None:
    frames = [solid(coded_colour(rgb, "601", is_full=True, bits=8), "yuvj420p") for rgb in COLOURS]
    write_frames(tmp_path / "a.avi", frames, codec="mjpeg", codec_options={"b": "20M"})
    with VideoReader(tmp_path / "a.avi") as video:
        for rgb, picture in zip(COLOURS, video.stream(), strict=True):
            assert np.abs(picture.astype(int) - rgb).max() <= 3


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63), (50, 70), (16, 2)])
def test_every_size_is_kept(tmp_path: Path, height: int, width: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    frame = VideoFrame.from_ndarray(picture, format="rgb24")
    write_frames(tmp_path / "a.mov", [frame], codec="png")
    with VideoReader(tmp_path / "a.mov") as video:
        assert (video.info.height, video.info.width) == (height, width)
        (read,) = video.frames([0])
    np.testing.assert_array_equal(read, picture)
    assert read.flags.c_contiguous
    assert read.flags.writeable


UNIT = 1 << 16

Turn: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

# The display matrix of each orientation (a, b, c, d of FFmpeg's libavutil/display.h), and the
# same by NumPy.
ORIENTATIONS: dict[str, tuple[tuple[int, int, int, int], Turn]] = {
    "upright": ((1, 0, 0, 1), lambda picture: picture),
    "clockwise": ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
    "half turn": ((-1, 0, 0, -1), lambda picture: np.rot90(picture, 2)),
    "anticlockwise": ((0, -1, 1, 0), np.rot90),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down": ((1, 0, 0, -1), np.flipud),
    "transposed": ((0, 1, 1, 0), lambda picture: np.swapaxes(picture, 0, 1)),
    "transposed the other way": (
        (0, -1, -1, 0),
        lambda picture: np.rot90(np.swapaxes(picture, 0, 1), 2),
    ),
}


@pytest.mark.parametrize("orientation", list(ORIENTATIONS))
def test_frames_are_turned_by_the_display_matrix(tmp_path: Path, orientation: str) -> None:
    (a, b, c, d), turn = ORIENTATIONS[orientation]
    plain = coded_frame(5)
    matrix = [a * UNIT, b * UNIT, 0, c * UNIT, d * UNIT, 0, 0, 0, 1 << 30]
    write_frames(
        tmp_path / "a.mov",
        [VideoFrame.from_ndarray(plain, format="rgb24")],
        codec="png",
        prepare=lambda stream: stream.set_display_matrix(matrix),
    )
    expected = turn(plain)
    with VideoReader(tmp_path / "a.mov") as video:
        assert (video.info.height, video.info.width) == expected.shape[:2]
        (picture,) = video.frames([0])
    np.testing.assert_array_equal(picture, expected)
    assert picture.flags.c_contiguous


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_phone_held_upright(tmp_path: Path, suffix: str) -> None:
    frame = VideoFrame.from_ndarray(coded_frame(5), format="rgb24").reformat(format="yuv420p")
    write_frames(
        tmp_path / f"a{suffix}",
        [frame] * 3,
        codec="libx264",
        prepare=lambda stream: stream.set_display_rotation(-90),
    )
    with VideoReader(tmp_path / f"a{suffix}") as video:
        (picture,) = video.frames([0])
    assert np.abs(picture.astype(int) - np.rot90(coded_frame(5), -1)).mean() < 8
