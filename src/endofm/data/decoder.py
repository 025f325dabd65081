"""Decoding any frame of a video file, from the nearest place where that can start."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeAlias

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from endofm.data import h264
from endofm.data.container import ffmpeg_errors, open_container, packets_of
from endofm.data.frame_index import FrameIndex, index_frames, index_packets
from endofm.errors import VideoError

# Decoding a few frames that nobody asked for costs less than a new start at a key frame.
_MAX_PASSED_OVER = 8

_NumberedFrames: TypeAlias = Generator[tuple[int, VideoFrame], None, None]


class FrameDecoder:
    """Gives the frames of a video file by number: it decodes on where it can, else it seeks.

    On the way to a frame, H.264 frames that no other refers to are left out.

    Packets number the frames without decoding. Where they do not (AVI with B-frames has no
    times; a stream cut out of another may begin with frames that lack their references), the
    whole video is decoded once to count its frames, and every step back starts again at the
    beginning of the file.

    Args:
        path: The file.
        num_threads: Threads to decode with.
        data: What the file holds, where it is in memory.

    Raises:
        VideoError: The file cannot be read, is cut short, or has no frames.
    """

    def __init__(self, path: Path, *, num_threads: int, data: bytes | None = None) -> None:
        self._path = path
        self._data = data
        self._num_threads = num_threads
        self._nal_length_size: int | None = None  # None: no frame can be left out
        self._needed_from = 0  # frames before this one are not asked for
        self._left_out: set[int] = set()  # frames that nothing refers to
        self._last: tuple[int, VideoFrame] | None = None  # what the decoder gave last
        self._decoding = self._decode(first=0)
        self._container, self._stream = self._open()
        try:
            with ffmpeg_errors(path):
                self.index = self._make_index()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._last = None
        self._decoding.close()
        self._container.close()

    def frame(self, number: int) -> VideoFrame:
        """The decoded frame of a number from 0 to N-1.

        Raises:
            VideoError: The decoder does not give the frame, or gives it damaged.
        """
        if not self._container.input_was_opened:
            raise VideoError(f"{self._path} has been closed", hint="read it inside its with block")
        with ffmpeg_errors(self._path):
            frame = self._find(number)
        if frame is None:
            raise VideoError(
                f"{self._path} is damaged: frame {number} of {len(self.index.times_s)} "
                "cannot be decoded",
                hint="copy it again from its source, or re-encode what is left of it",
            )
        return frame

    def _make_index(self) -> FrameIndex:
        index = index_packets(self._path, self._container, self._stream)
        if index is not None:
            self.index = index
            frame = self._find(0)
            if frame is not None:
                codec = self._stream.codec_context
                # The two fields of an interlaced frame may come in packets of their own.
                if codec.codec.canonical_name == "h264" and not frame.interlaced_frame:
                    self._nal_length_size = h264.nal_length_size(codec.extradata)
                return index
        self._reopen()
        return index_frames(self._path, self._container, self._stream)

    def _reopen(self) -> None:
        self.close()
        self._container, self._stream = self._open()

    def _open(self) -> tuple[InputContainer, VideoStream]:
        return open_container(self._path, num_threads=self._num_threads, data=self._data)

    def _find(self, number: int) -> VideoFrame | None:
        if self._last is not None and self._last[0] == number:
            return self._last[1]
        if self._is_near(number):
            frame = self._decode_to(number, needed_from=number)
            if frame is not None:
                return frame
        # A container may seek too far, and a frame be marked as key that is not: so try the key
        # frame before as well, and then all from the beginning of the file, which is always right.
        nearest = self.index.key_before(number)
        for key in [key for key in (nearest, nearest - 1) if key >= 0] + [None]:
            self._start_at(key)
            needed_from = 0 if key is None else number
            if (frame := self._decode_to(number, needed_from=needed_from)) is not None:
                return frame
        return None

    def _is_near(self, number: int) -> bool:
        """Whether to decode on to a frame rather than to start at the key frame before it."""
        if self._last is None or number < self._last[0]:
            return False
        key = self.index.key_before(number)
        return key < 0 or self.index.key_numbers[key] <= self._last[0] + _MAX_PASSED_OVER

    def _start_at(self, key: int | None) -> None:
        """Go to a key frame by its position in the index, or to the beginning of the file."""
        self._last = None
        if key is None:
            self._reopen()
            self._decoding = self._decode(first=0)
        else:
            self._decoding.close()
            self._container.seek(self.index.key_pts[key], stream=self._stream)
            self._decoding = self._decode(first=self.index.key_numbers[key])

    def _decode_to(self, number: int, *, needed_from: int) -> VideoFrame | None:
        """Decode on to a frame; None if it does not come."""
        self._needed_from = needed_from
        for given, frame in self._decoding:
            self._last = (given, frame)
            if given >= number:
                return frame if given == number else None
        return None

    def _decode(self, *, first: int) -> _NumberedFrames:
        """Frames from a key frame on, up to a gap: later ones may refer to what is missing."""
        expected = first
        for counted, frame in enumerate(self._decode_packets()):
            number = self._number(frame, counted)
            if number >= first:  # a frame before the key frame may lack its references
                while expected < number and expected in self._left_out:
                    expected += 1
                if number != expected:
                    return
                yield number, frame
                expected += 1

    def _number(self, frame: VideoFrame, counted: int) -> int:
        if not self.index.number_of_pts:
            return counted
        return -1 if frame.pts is None else self.index.number_of_pts.get(frame.pts, -1)

    def _decode_packets(self) -> Iterator[VideoFrame]:
        """Frames up to the first damaged one."""
        is_damaged = False
        for packet in packets_of(self._container, self._stream):
            if self._leaves_out(packet):
                continue
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                is_damaged = True
                frames = self._stream.codec_context.decode(None)  # those decoded before it
            for frame in frames:
                if frame.is_corrupt:
                    return
                yield frame
            if is_damaged:
                return

    def _leaves_out(self, packet: "Packet[VideoStream]") -> bool:
        """Whether a packet is of no use on the way to the frame asked for; remembers its frame."""
        if self._nal_length_size is None or packet.pts is None:
            return False
        number = self.index.number_of_pts.get(packet.pts, self._needed_from)
        if number >= self._needed_from or not h264.is_unreferenced(
            memoryview(packet), length_size=self._nal_length_size
        ):
            return False
        self._left_out.add(number)
        return True
