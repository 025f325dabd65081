"""One source of a data set to the clips that are made of it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from endofm.catalog.card import Source
from endofm.catalog.cutting import Cut, cut_clips
from endofm.catalog.prepare_settings import PrepareSettings
from endofm.catalog.source_frames import SourceReader, sampled_lumas
from endofm.data.burned_text import find_text
from endofm.data.content_area import find_content
from endofm.data.frame_quality import FrameMeasures, FrameMeter, Limits, fault, summarise
from endofm.data.frame_scaler import FrameScaler, PixelBox
from endofm.data.video_writer import write_yuv_video

LIMITS = Limits()
CLIP_FILE = re.compile(r"\d{4,}\.mp4")


class ClipRecord(BaseModel):
    """A clip that was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str
    """From the folder of the prepared set."""
    num_frames: int
    fps: float
    height: int
    width: int
    start_s: float
    """In the source, as the clip plays it."""
    sha256: str
    num_bytes: int
    quality: dict[str, float]
    """See ``ClipQuality``."""


class SourceRecord(BaseModel):
    """What became of a source."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    path: str
    """The file, or the folder of the first picture, from the folder that the user gave."""
    label: str
    split: str
    group: str
    num_frames: int
    """Of the source."""
    clips: tuple[ClipRecord, ...]
    dropped: dict[str, int]
    """Frames that are in no clip, by reason."""
    crop_xyxy: PixelBox | None = None
    """What was kept of each frame, in px of the source."""
    text_boxes: tuple[PixelBox, ...] = ()
    """What was blackened."""
    damage: str = ""
    """Why the source was not read to its end."""
    files: str = ""
    """Hash of what the source was made of, to see whether it has changed since."""


@dataclass(frozen=True)
class StoredFrame:
    """A frame in the form in which it is stored, and what was measured of it."""

    picture: VideoFrame
    measures: FrameMeasures


class ClipWriter:
    """Writes a source's clips below a folder, as ``0000.mp4`` and so on.

    Args:
        source: The video.
        root: Of the prepared set, from which paths are told.
        folder: Below it; the source's own.
        settings: Form of the clips, and what is left out.
        num_threads: Threads to decode, scale and encode with.

    Attributes:
        clips: Those written so far.
        dropped: Frames that are in no clip, by reason.
        reader: Tells what the source was, and where it was damaged.
        crop_xyxy: What is kept of each frame; all of it, if none.
        text_boxes: What is blackened.
    """

    def __init__(
        self,
        source: Source,
        root: Path,
        folder: Path,
        *,
        settings: PrepareSettings,
        num_threads: int = 1,
    ) -> None:
        self.clips: list[ClipRecord] = []
        self.dropped: Counter[str] = Counter()
        self.reader = SourceReader(
            source, fps=settings.fps, picture_fps=settings.picture_fps, num_threads=num_threads
        )
        self._source, self._settings = source, settings
        self._root, self._folder = root, folder
        self._num_threads = num_threads
        self.crop_xyxy: PixelBox | None = None
        self.text_boxes: tuple[PixelBox, ...] = ()

    def write_all(self) -> None:
        """Read the source to its end.

        Raises:
            VideoError: A clip cannot be written. What cannot be read ends the source.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._look()
        for cut in self._cuts():
            path = self._folder / f"{len(self.clips):04d}.mp4"
            frames = _Counted(cut.frames)
            write_yuv_video(
                path,
                frames,
                fps=self.reader.fps,
                crf=self._settings.crf,
                keyframe_every=self._settings.keyframe_every,
                num_threads=self._num_threads,
            )
            if frames.num < self._settings.min_frames:
                path.unlink()
                self.dropped["too_short"] += frames.num
            else:
                self.clips.append(self._record(path, cut.start, frames))
        if not self.clips:
            with suppress(OSError):  # other sources may have theirs below it
                self._folder.rmdir()

    def _look(self) -> None:
        """Find the picture in its border and the writing on it, if that is asked for."""
        if not (self._settings.crop_content or self._settings.mask_text):
            return
        lumas = sampled_lumas(self._source)
        if lumas and self._settings.crop_content:
            area = find_content(lumas)
            self.crop_xyxy = None if area.shape == "full" else area.box_xyxy
        if lumas and self._settings.mask_text:
            self.text_boxes = find_text(lumas)

    def _record(self, path: Path, start: int, frames: _Counted) -> ClipRecord:
        height, width = frames.size_hw
        data = path.read_bytes()
        return ClipRecord(
            path=path.relative_to(self._root).as_posix(),
            num_frames=frames.num,
            fps=self.reader.fps,
            height=height,
            width=width,
            start_s=round(start / self.reader.fps, 3),
            sha256=hashlib.sha256(data).hexdigest(),
            num_bytes=len(data),
            quality=summarise(frames.measures, LIMITS).as_dict(),
        )

    def _cuts(self) -> Iterator[Cut[StoredFrame]]:
        frames = self._stored()
        if not self._source.is_one_clip:
            yield from cut_clips(frames, clip_frames=self._settings.clip_frames, joins=_same_size)
        elif first := next(frames, None):
            # Not held but passed on, since it may be long.
            yield Cut(0, chain([first], (frame for frame in frames if frame)))

    def _stored(self) -> Iterator[StoredFrame | None]:
        """A frame a tick; None for one that is left out, as none is of a video that stays whole."""
        scaler = FrameScaler(
            short_side_px=self._settings.short_side_px,
            crop_xyxy=self.crop_xyxy,
            black_boxes=self.text_boxes,
            num_threads=self._num_threads,
        )
        meter = FrameMeter()
        keeps_all = self._settings.keep_all or self._source.is_one_clip
        before: VideoFrame | None = None
        stored: StoredFrame | None = None
        for frame in self.reader.frames():
            if stored is None or frame is not before:
                picture = scaler(frame)
                stored = StoredFrame(picture, meter(*_planes(picture)))
                before = frame
            reason = "" if keeps_all else fault(stored.measures, LIMITS)
            if reason:
                self.dropped[reason] += 1
            yield None if reason else stored


class _Counted:
    """Frames on their way to a file."""

    def __init__(self, frames: Iterable[StoredFrame]) -> None:
        self._frames = frames
        self.measures: list[FrameMeasures] = []
        self.size_hw = 0, 0

    def __iter__(self) -> Iterator[VideoFrame]:
        for frame in self._frames:
            self.measures.append(frame.measures)
            self.size_hw = frame.picture.height, frame.picture.width
            yield frame.picture

    @property
    def num(self) -> int:
        """Passed on so far."""
        return len(self.measures)


def _same_size(before: StoredFrame, after: StoredFrame) -> bool:
    one, other = before.picture, after.picture
    return (one.height, one.width) == (other.height, other.width)


def _planes(picture: VideoFrame) -> Iterator[NDArray[np.uint8]]:
    """Luma and both chromas of yuv420p, without the padding of their rows."""
    for plane in picture.planes:
        rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
        yield rows[: plane.height, : plane.width]
