"""Writing frames as an H.264 video."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from endofm.errors import VideoError
from endofm.files import draft_of


def write_video(
    path: Path | str,
    frames: Iterable[NDArray[np.uint8]],
    *,
    fps: float,
    crf: int = 18,
    keyframe_every: int = 30,
) -> None:
    """Write frames as H.264 (yuv420p, BT.709) in mp4, with the index in front of the frames.

    The file appears under its name when it is complete. Until then, and if anything fails, what
    was there before stays as it was.

    Args:
        path: The file to write, in a folder that exists.
        frames: Pictures of one size, each (H, W, 3) uint8 RGB. An odd side is made even by
            repeating the last row or column.
        fps: Frames a second.
        crf: Constant rate factor of x264, from 0 (largest file) to 51 (worst picture).
        keyframe_every: Frames from one key frame to the next at most. Decoding can start at key
            frames alone, so the fewer, the smaller the file, and the slower it is to read single
            frames and to seek in a player.

    Raises:
        VideoError: There are no frames, one does not fit the first, or the file cannot be
            written.
    """
    path = Path(path)
    with _video_at(path, fps=fps, crf=crf, keyframe_every=keyframe_every) as (container, stream):
        _encode(path, container, stream, _yuv_frames(path, frames))


def write_yuv_video(
    path: Path,
    frames: Iterable[VideoFrame],
    *,
    fps: float,
    crf: int = 18,
    keyframe_every: int = 30,
    num_threads: int = 0,
) -> None:
    """As ``write_video``, of frames in the form that is stored, so that none is converted.

    Args:
        path: As there.
        frames: yuv420p, BT.709 of limited range, of one size with even sides; a frame may come
            several times. Their times do not matter.
        fps: As there.
        crf: As there.
        keyframe_every: As there.
        num_threads: Threads to encode with; 0 leaves it to FFmpeg.

    Raises:
        VideoError: As there.
    """
    with _video_at(path, fps=fps, crf=crf, keyframe_every=keyframe_every) as (container, stream):
        stream.codec_context.thread_count = num_threads
        _encode(path, container, stream, frames)


@contextmanager
def _video_at(
    path: Path, *, fps: float, crf: int, keyframe_every: int
) -> Iterator[tuple[OutputContainer, VideoStream]]:
    """A file beside ``path`` to encode into, which takes its name once all is well."""
    # In the same folder, so that it can be renamed; hidden, so that no search finds it.
    partial = draft_of(path).absolute()
    try:
        with _write_errors(path):
            container = av.open(
                os.fspath(partial), "w", format="mp4", container_options={"movflags": "faststart"}
            )
        try:
            yield (
                container,
                _h264_stream(container, fps=fps, crf=crf, keyframe_every=keyframe_every),
            )
        finally:
            with _write_errors(path):
                container.close()
        with _write_errors(path):
            partial.replace(path)
    finally:
        with suppress(OSError):  # there is no such folder
            partial.unlink(missing_ok=True)


def _h264_stream(
    container: OutputContainer, *, fps: float, crf: int, keyframe_every: int
) -> VideoStream:
    rate = Fraction(fps).limit_denominator(10_000)  # keeps 30000/1001
    stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf)})
    stream.gop_size = keyframe_every
    stream.pix_fmt = "yuv420p"
    stream.color_range = ColorRange.MPEG
    stream.colorspace = Colorspace.ITU709
    stream.color_primaries = ColorPrimaries.BT709
    stream.color_trc = ColorTrc.BT709
    return stream


def _yuv_frames(path: Path, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[VideoFrame]:
    reformatter = VideoReformatter()
    first_shape: tuple[int, ...] | None = None
    for number, picture in enumerate(pictures):
        first_shape = first_shape or picture.shape
        _check_picture(path, number, picture, first_shape)
        even = np.pad(picture, [(0, side % 2) for side in picture.shape[:2]] + [(0, 0)], "edge")
        with _write_errors(path):
            yield reformatter.reformat(
                VideoFrame.from_ndarray(even, format="rgb24"),
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )


def _encode(
    path: Path, container: OutputContainer, stream: VideoStream, frames: Iterable[VideoFrame]
) -> None:
    num_frames = 0
    tick_s = 1 / Fraction(stream.codec_context.framerate)
    for frame in frames:
        with _write_errors(path):
            if num_frames == 0:
                stream.height, stream.width = frame.height, frame.width
            frame.pts = num_frames
            frame.time_base = tick_s
            container.mux(stream.encode(frame))
        num_frames += 1
    if num_frames == 0:
        raise VideoError(f"{path} would have no frames", hint="give at least one")
    with _write_errors(path):
        container.mux(stream.encode(None))


def _check_picture(
    path: Path, number: int, picture: NDArray[np.uint8], first_shape: tuple[int, ...]
) -> None:
    is_rgb = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    if not is_rgb or picture.shape != first_shape:
        raise VideoError(
            f"{path} cannot take frame {number}, {picture.dtype} of shape {picture.shape}",
            hint="give uint8 frames of one shape (height, width, 3)",
        )


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise VideoError(
            f"{path} cannot be written: {error.strerror}",
            hint="check that its folder exists, may be written to and has room",
        ) from error
