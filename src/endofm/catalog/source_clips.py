"""One source of a data set to the clips that are made of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from av.video.frame import VideoFrame
from pydantic import BaseModel, ConfigDict

from endofm.catalog.card import Source
from endofm.catalog.cutting import Cut, cut_clips
from endofm.catalog.prepare_settings import PrepareSettings
from endofm.catalog.source_frames import SourceReader
from endofm.data.frame_scaler import FrameScaler
from endofm.data.video_writer import write_yuv_video


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
    damage: str = ""
    """Why the source was not read to its end."""


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

    def write_all(self) -> None:
        """Read the source to its end.

        Raises:
            VideoError: A clip cannot be written. What cannot be read ends the source.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
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

    def _record(self, path: Path, start: int, frames: _Counted) -> ClipRecord:
        height, width = frames.size_hw
        return ClipRecord(
            path=path.relative_to(self._root).as_posix(),
            num_frames=frames.num,
            fps=self.reader.fps,
            height=height,
            width=width,
            start_s=round(start / self.reader.fps, 3),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )

    def _cuts(self) -> Iterator[Cut[VideoFrame]]:
        frames = self._stored()
        if not self._source.is_one_clip:
            yield from cut_clips(frames, clip_frames=self._settings.clip_frames, joins=_same_size)
        elif first := next(frames, None):
            # Not held but passed on, since it may be long.
            yield Cut(0, chain([first], (frame for frame in frames if frame)))

    def _stored(self) -> Iterator[VideoFrame | None]:
        """A frame a tick in its stored form; None for one that is left out."""
        scaler = FrameScaler(
            short_side_px=self._settings.short_side_px, num_threads=self._num_threads
        )
        before: VideoFrame | None = None
        stored: VideoFrame | None = None
        for frame in self.reader.frames():
            if frame is not before:
                before, stored = frame, scaler(frame)
            yield stored


class _Counted:
    """Frames on their way to a file."""

    def __init__(self, frames: Iterable[VideoFrame]) -> None:
        self._frames = frames
        self.num = 0
        self.size_hw = 0, 0

    def __iter__(self) -> Iterator[VideoFrame]:
        for frame in self._frames:
            self.num += 1
            self.size_hw = frame.height, frame.width
            yield frame


def _same_size(before: VideoFrame, after: VideoFrame) -> bool:
    return (before.height, before.width) == (after.height, after.width)
