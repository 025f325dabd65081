"""Which frames a video shows and when, found without decoding wherever that is possible."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from endofm.data.container import packets_of
from endofm.errors import VideoError

# A video is cut short if more than this share of a frame is missing at its end: a lost frame
# is more, the rounding of times is less.
_LOST_SHARE = 0.75

# Of a video that states no frame rate.
_DEFAULT_FPS = 30.0

# As Matroska writes a duration: 00:00:05.000000000.
_CLOCK = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class FrameIndex:
    """The frames of a video in the order in which they are shown.

    Attributes:
        times_s: Start of each frame, counted from the first, in seconds, float64, shape (N,).
        fps: Mean frame rate: N over the time from the start of the first frame to the end of
            the last.
        number_of_pts: The frame at each presentation time (in ticks of the stream); empty where
            the times are missing, so that frames can only be counted from the start of the file.
        key_pts: Presentation times of the key frames, ascending.
        key_numbers: The first frame shown at or after each of ``key_pts``.
    """

    times_s: NDArray[np.float64]
    fps: float
    number_of_pts: dict[int, int]
    key_pts: list[int]
    key_numbers: list[int]

    def key_before(self, number: int) -> int:
        """Position in ``key_pts`` of the last key frame not after a frame, or -1."""
        return bisect_right(self.key_numbers, number) - 1


class _Packet(NamedTuple):
    pts: int | None
    dts: int | None
    duration: int
    is_key: bool
    is_shown: bool
    is_corrupt: bool


def index_packets(path: Path, container: InputContainer, stream: VideoStream) -> FrameIndex | None:
    """The frames of a video from its packets, each of which holds one.

    Returns:
        The index, or None if packets have no presentation times, as in AVI with B-frames.

    Raises:
        VideoError: There are no frames, or fewer than the container says.
    """
    shows_all = stream.codec_context.codec.canonical_name != "vp8"
    packets = [
        _Packet(
            p.pts,
            p.dts,
            p.duration or 0,
            p.is_keyframe,
            not p.is_discard and (shows_all or _is_shown_by_vp8(p)),
            p.is_corrupt,
        )
        for p in packets_of(container, stream)
        if p.size
    ]
    _check_complete(path, container, stream, packets)
    shown = [packet for packet in packets if packet.is_shown]  # an edit list may hide some
    if not shown:
        raise VideoError(f"{path} has a video stream without frames", hint="leave it out")
    duration_of_pts = {p.pts: p.duration for p in shown if p.pts is not None}
    if len(duration_of_pts) < len(shown):
        return None
    pts = sorted(duration_of_pts)
    key_pts = sorted(p.pts for p in packets if p.is_key and p.pts is not None)
    times_s = _seconds_from_first(stream, pts)
    return FrameIndex(
        times_s=times_s,
        fps=_mean_fps(stream, times_s, last_ticks=duration_of_pts[pts[-1]]),
        number_of_pts={tick: number for number, tick in enumerate(pts)},
        key_pts=key_pts,
        key_numbers=np.searchsorted(pts, key_pts).tolist(),
    )


def index_frames(path: Path, container: InputContainer, stream: VideoStream) -> FrameIndex:
    """The frames of a video by decoding all of it, for videos that packets say too little of.

    Raises:
        VideoError: No frame can be decoded.
    """
    pts: list[int | None] = []
    dts: set[int] = set()
    for packet in packets_of(container, stream):
        if packet.dts is not None:
            dts.add(packet.dts)
        pts.extend(frame.pts for frame in packet.decode())
    if not pts:
        raise VideoError(f"{path} has no frame that can be decoded", hint="leave it out")
    shown = sorted({tick for tick in pts if tick is not None})
    if shown == pts:
        times_s = _seconds_from_first(stream, shown)
    elif len(dts) == len(pts):
        # The times at which frames are due to be decoded: the same, in another order.
        times_s = _seconds_from_first(stream, sorted(dts))
    else:
        times_s = np.arange(len(pts)) / _stated_fps(stream)
    return FrameIndex(times_s, _mean_fps(stream, times_s), {}, [], [])


def _is_shown_by_vp8(packet: "Packet[VideoStream]") -> bool:
    """False for a packet that only serves as a reference (RFC 6386, section 9.1)."""
    return bool(memoryview(packet)[0] & 0x10)


def _check_complete(
    path: Path, container: InputContainer, stream: VideoStream, packets: Sequence[_Packet]
) -> None:
    num_listed = len(stream.index_entries)
    if len(packets) < num_listed:
        num_listed = sum(entry.size > 0 for entry in stream.index_entries)
    num_listed = num_listed or stream.frames
    if len(packets) < num_listed:
        lost = f"it lists {num_listed} frames and holds {len(packets)}"
    elif _lost_s(container, stream, packets) > 0:
        lost = f"it holds {len(packets)} frames, which end before its stated end"
    elif packets and packets[-1].is_corrupt:
        lost = f"the last of its {len(packets)} frames is incomplete"
    else:
        return
    raise VideoError(
        f"{path} is cut short: {lost}",
        hint="copy it again from its source, or keep what is left: ffmpeg -i IN -c copy OUT",
    )


def _lost_s(container: InputContainer, stream: VideoStream, packets: Sequence[_Packet]) -> float:
    """How much earlier than stated the video ends, beyond what rounding and pauses explain."""
    stated_end_s = _stated_end_s(container, stream)
    if stated_end_s is None:
        return 0.0
    starts = [p.pts if p.pts is not None else p.dts or 0 for p in packets]
    longest = max(np.diff(np.sort(starts)), default=0)
    ends = [start + (p.duration or longest) for start, p in zip(starts, packets, strict=True)]
    end = max(ends, default=0)
    return stated_end_s - _seconds(stream, end + _LOST_SHARE * longest)


def _stated_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Where the container says that its video ends; None where it says nothing of the video."""
    if container.format.name == "avi":
        return _seconds(stream, stream.frames)
    if "matroska" not in container.format.name:
        return None
    whole_s = None if container.duration is None else container.duration / av.time_base
    if whole_s is None or len(container.streams) == 1:
        return whole_s
    tag = _CLOCK.fullmatch(stream.metadata.get("DURATION", ""))
    if tag is None:
        return None  # the whole may be as long as the sound
    hours, minutes, seconds = map(float, tag.groups())
    tag_s = hours * 3600 + minutes * 60 + seconds
    return tag_s if tag_s < whole_s + 1e-3 else None  # some tags are those of another file


def _mean_fps(stream: VideoStream, times_s: NDArray[np.float64], *, last_ticks: int = 0) -> float:
    """The stated rate where it fits to within a frame, for times are rounded; else the mean."""
    stated_fps = _stated_fps(stream)
    last_s = _seconds(stream, last_ticks)
    if not last_s:
        last_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / stated_fps
    duration_s = float(times_s[-1]) + last_s
    if abs(len(times_s) / stated_fps - duration_s) < 1 / stated_fps:
        return stated_fps
    return len(times_s) / duration_s


def _stated_fps(stream: VideoStream) -> float:
    return float(stream.average_rate or stream.guessed_rate or _DEFAULT_FPS)


def _seconds_from_first(stream: VideoStream, ticks: Sequence[int]) -> NDArray[np.float64]:
    since_first = np.array(ticks, dtype=np.int64) - ticks[0]
    return since_first.astype(np.float64) * _seconds(stream, 1)


def _seconds(stream: VideoStream, ticks: float) -> float:
    assert stream.time_base is not None, "a stream that is read has a time base"
    return ticks * float(stream.time_base)
