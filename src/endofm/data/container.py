"""Opening a video file with FFmpeg, and saying in plain words why it cannot be read."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from endofm.data.video_info import check_size
from endofm.errors import VideoError

# Containers of video alone: FFmpeg also opens play lists, text and pictures, some of which
# point at other files or addresses.
_OPTIONS = {"format_whitelist": "avi,matroska,mov,mpeg,mpegts,asf", "protocol_whitelist": "file"}

_GENERATE_PTS = 1  # AVFMT_FLAG_GENPTS, which PyAV sets

# FFmpeg writes to stderr unless told not to; what matters of it is raised.
av.logging.set_level(None)


def open_container(
    path: Path, *, num_threads: int, data: bytes | None = None
) -> tuple[InputContainer, VideoStream]:
    """Open a video file; the caller closes the container.

    Args:
        path: The file.
        num_threads: Threads to decode with.
        data: What the file holds, where it is in memory; ``path`` is then but its name.

    Returns:
        The container and the video stream in it that a player would show.

    Raises:
        VideoError: The file is missing, empty, not a video, has no video stream, has one of a
            codec that cannot be decoded, or frames of an absurd size.
    """
    try:
        if data is None:
            _check_file(path)
        elif not data:
            raise _empty(path)
        # An absolute path cannot be mistaken for one of FFmpeg's protocols, as in "a:b.mp4".
        container = av.open(
            os.fspath(path.absolute()) if data is None else io.BytesIO(data),
            "r",
            container_options=_OPTIONS,
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, data) from error
    try:
        # Times that FFmpeg would invent are wrong for H.264 with B-frames in AVI.
        container.flags &= ~_GENERATE_PTS
        stream = _video_stream(path, container)
        stream.codec_context.thread_count = num_threads
        stream.codec_context.thread_type = "AUTO" if num_threads > 1 else "NONE"
    except BaseException:
        container.close()
        raise
    return container, stream


def packets_of(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """The packets from here on that hold data, and the empty one at the end of the file.

    The decoder is finished by an empty packet, so those within the file (a frame that is shown
    on) are left out.
    """
    for packet in container.demux(stream):
        if packet.size or packet.dts is None:
            yield packet


@contextmanager
def ffmpeg_errors(path: Path) -> Iterator[None]:
    """Turn what FFmpeg raises inside the block into a VideoError about the file."""
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise VideoError(
            f"{path} is damaged or cut short ({error.strerror})",
            hint="copy it again from its source, or leave it out",
        ) from error


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise VideoError(f"{path} is a folder, not a video file", hint="name a file in it")
    if not path.exists():
        raise VideoError(f"{path} does not exist", hint="check the name and the data folder")
    if not path.is_file():
        raise VideoError(f"{path} is not a regular file", hint="name a video file")
    if path.stat().st_size == 0:
        raise _empty(path)


def _empty(path: Path) -> VideoError:
    return VideoError(f"{path} is empty (0 bytes)", hint="copy it again from its source")


def _unreadable(path: Path, data: bytes | None) -> VideoError:
    try:
        first_atom = _first_bytes(path, data)[4:]
    except OSError as error:  # FFmpeg's own word is not enough: it has some for damage as well
        return VideoError(
            f"{path} cannot be read: {error.strerror}", hint="check its permissions and the disk"
        )
    if first_atom in (b"ftyp", b"wide", b"mdat"):  # MP4 and QuickTime
        return VideoError(
            f"{path} has no usable index (moov): it was cut short or never finished",
            hint="copy it again from its source, or repair it with a tool such as untrunc",
        )
    return VideoError(
        f"{path} is not a video, or is damaged from its start",
        hint="copy it again from its source, or leave it out",
    )


def _first_bytes(path: Path, data: bytes | None) -> bytes:
    if data is not None:
        return data[:8]
    with path.open("rb") as file:
        return file.read(8)


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    if stream is None or stream.disposition & Disposition.attached_pic:
        kinds = " and ".join(sorted({other.type for other in container.streams}))
        raise VideoError(
            f"{path} has no video stream{kinds and ', only ' + kinds}", hint="leave it out"
        )
    assert isinstance(stream, VideoStream)
    # The stub does not tell that there may be no decoder.
    codec = cast("VideoCodecContext | None", stream.codec_context)
    if codec is None:
        raise VideoError(
            f"{path} is coded in a way that FFmpeg does not know, or its header is damaged",
            hint="copy it again from its source, or re-encode it",
        )
    check_size(path, height=codec.height, width=codec.width)
    return stream
