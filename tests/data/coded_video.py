"""Small videos whose frames carry their number in the pixels, in every codec and container."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

os.environ["SVT_LOG"] = "0"  # the AV1 encoder writes to stderr of its own accord

NUM_BITS = 6
HEIGHT, WIDTH = 48, 64


def coded_frame(number: int, *, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """White columns for the bits of a number from the left, and a square that moves below."""
    picture = np.full((height, width, 3), 20, dtype=np.uint8)
    column = width // NUM_BITS
    for bit in range(NUM_BITS):
        if number >> bit & 1:
            picture[: height // 2, bit * column : (bit + 1) * column] = 235
    start = number * 3 % (width - 8)
    picture[-8:, start : start + 8] = (200, 40, 40)
    return picture


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number that a picture carries."""
    height, width, _ = picture.shape
    column = width // NUM_BITS
    bits = [
        picture[2 : height // 2 - 2, bit * column + 3 : (bit + 1) * column - 3].mean() > 128
        for bit in range(NUM_BITS)
    ]
    return sum(1 << bit for bit, is_white in enumerate(bits) if is_white)


def numbers_of(pictures: Sequence[NDArray[np.uint8]]) -> list[int]:
    """The numbers that pictures carry."""
    return [number_of(picture) for picture in pictures]


def write_frames(
    path: Path,
    frames: Sequence[VideoFrame],
    *,
    codec: str,
    rate: Fraction | int = 25,
    codec_options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    prepare: Callable[[VideoStream], None] = lambda stream: None,
) -> None:
    """Encode frames as they are; their times are counted at the rate unless they have their own.

    Skips the test if this build of FFmpeg lacks the encoder.
    """
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    with av.open(str(path), "w", container_options=container_options) as container:
        stream = container.add_stream(codec, rate=rate, options=codec_options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = frames[0].format.name
        prepare(stream)
        for number, frame in enumerate(frames):
            if frame.pts is None:
                frame.pts, frame.time_base = number, 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def copy_packets(source: Path, target: Path, *, skip: int = 0, shift_frames: int = 0) -> Path:
    """Copy a video at 25 fps without coding it anew: without its first packets, later in time."""
    with (
        av.open(str(source)) as old,
        av.open(str(target), "w", container_options={"avoid_negative_ts": "disabled"}) as new,
    ):
        template = old.streams.video[0]
        stream = new.add_stream_from_template(template)
        assert template.time_base is not None
        shift = int(shift_frames / 25 / template.time_base)
        for packet in [packet for packet in old.demux(template) if packet.size][skip:]:
            assert packet.pts is not None
            assert packet.dts is not None
            packet.pts += shift
            packet.dts += shift
            packet.stream = stream
            new.mux(packet)
    return target


def drop_frame_20(source: Path, target: Path) -> Path:
    """Copy a QuickTime file of 40 frames so that packet 20 is empty: frame 19 is shown on."""
    data = bytearray(source.read_bytes())
    sizes_at = data.index(b"stsz") + 16
    sizes = np.frombuffer(data, dtype=">u4", count=40, offset=sizes_at).copy()
    sizes[19], sizes[20] = sizes[19] + sizes[20], 0
    data[sizes_at : sizes_at + sizes.nbytes] = sizes.tobytes()
    target.write_bytes(data)
    return target


def num_open_files() -> int:
    """How many files this process has open."""
    listing = Path("/proc/self/fd")
    if not listing.exists():
        pytest.skip("this system does not list the open files of a process in /proc")
    return sum(1 for _ in listing.iterdir())


@dataclass(frozen=True)
class Sample:
    """How to write one video."""

    codec: str
    suffix: str
    pixel_format: str = "yuv420p"
    codec_options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    scale: int = 1

    def write(self, folder: Path, name: str, *, num_frames: int = 40) -> Path:
        path = folder / f"{name}{self.suffix}"
        frames = []
        for number in range(num_frames):
            picture = coded_frame(number, height=HEIGHT * self.scale, width=WIDTH * self.scale)
            rgb = VideoFrame.from_ndarray(picture, format="rgb24")
            frames.append(rgb.reformat(format=self.pixel_format))
        write_frames(
            path,
            frames,
            codec=self.codec,
            codec_options=self.codec_options,
            container_options=self.container_options,
        )
        return path


X264 = {"bf": "3", "g": "12", "sc_threshold": "0"}  # key frames 0, 12, 24, 36
X265 = {"x265-params": "log-level=none:keyint=12:bframes=3"}
VP9 = {"g": "12", "deadline": "realtime", "lag-in-frames": "10", "auto-alt-ref": "1"}
B_FRAMES = {"g": "12", "bf": "2"}

SAMPLES = {
    "h264_mp4": Sample("libx264", ".mp4", codec_options=X264),
    "h264_faststart_mp4": Sample(
        "libx264", ".mp4", codec_options=X264, container_options={"movflags": "faststart"}
    ),
    "h264_fragmented_mp4": Sample(
        "libx264",
        ".mp4",
        codec_options=X264,
        container_options={"movflags": "frag_keyframe+empty_moov"},
    ),
    "h264_10bit_mp4": Sample("libx264", ".mp4", "yuv420p10le", X264),
    "h264_444_mkv": Sample("libx264", ".mkv", "yuv444p", X264),
    "h264_open_gop_mp4": Sample(
        "libx264", ".mp4", codec_options={**X264, "x264-params": "open-gop=1"}
    ),
    "h264_intra_refresh_mp4": Sample(
        "libx264", ".mp4", codec_options={"g": "12", "x264-params": "intra-refresh=1"}
    ),
    "h264_mov": Sample("libx264", ".mov", codec_options=X264),
    "h264_mkv": Sample("libx264", ".mkv", codec_options=X264),
    "h264_avi": Sample("libx264", ".avi", codec_options=X264),  # AVI has no presentation times
    "hevc_mp4": Sample("libx265", ".mp4", codec_options=X265),
    "hevc_10bit_mkv": Sample("libx265", ".mkv", "yuv420p10le", X265),
    "mpeg4_mp4": Sample("mpeg4", ".mp4", codec_options=B_FRAMES),
    "mpeg4_faststart_mov": Sample(
        "mpeg4", ".mov", codec_options=B_FRAMES, container_options={"movflags": "faststart"}
    ),
    "mpeg4_avi": Sample("mpeg4", ".avi", codec_options={"g": "12"}),
    "mpeg4_b_avi": Sample("mpeg4", ".avi", codec_options=B_FRAMES),
    "mpeg2_mpg": Sample("mpeg2video", ".mpg", codec_options=B_FRAMES),
    "vp8_webm": Sample("libvpx", ".webm", codec_options=VP9),
    "vp9_webm": Sample("libvpx-vp9", ".webm", codec_options=VP9),
    "vp9_mp4": Sample("libvpx-vp9", ".mp4", codec_options=VP9),
    "av1_mp4": Sample("libsvtav1", ".mp4", codec_options={"g": "12", "preset": "12"}, scale=2),
    "av1_10bit_mkv": Sample(
        "libsvtav1", ".mkv", "yuv420p10le", {"g": "12", "preset": "12"}, scale=2
    ),
    "mjpeg_avi": Sample("mjpeg", ".avi", "yuvj420p"),
    "mjpeg_mov": Sample("mjpeg", ".mov", "yuvj422p"),
    "wmv2_wmv": Sample("wmv2", ".wmv", codec_options={"g": "12"}),
}
