"""The frames of a source, one a tick of the rate at which its clips are stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from endofm.catalog.card import Source
from endofm.data.container import ffmpeg_errors
from endofm.data.decoder import FrameDecoder
from endofm.data.images import read_image
from endofm.data.video import open_video
from endofm.data.video_info import playing_fps, resampled_indices
from endofm.errors import VideoError

SLOWEST_FPS = 0.01
"""Frames a second below which a video's time stamps are damaged."""


class SourceReader:
    """Reads a source from its beginning to its end, or to where it is damaged.

    Args:
        source: The video.
        fps: The rate wanted; see ``playing_fps``.
        picture_fps: Rate of pictures, instead of the source's own.
        num_threads: Threads to decode with.

    Attributes:
        fps: Ticks a second; 0 until the first frame is read.
        num_frames: Of the source; 0 until then.
        damage: Why reading ended early; empty if it did not.
    """

    def __init__(
        self,
        source: Source,
        *,
        fps: float,
        picture_fps: float | None = None,
        num_threads: int = 1,
    ) -> None:
        self.fps = 0.0
        self.num_frames = 0
        self.damage = ""
        self._source = source
        self._wanted_fps = fps
        self._picture_fps = picture_fps or source.picture_fps
        self._num_threads = num_threads

    def frames(self) -> Iterator[VideoFrame]:
        """One a tick, from the first; a frame shown for several ticks comes as the same object."""
        try:
            yield from self._video() if self._source.is_video_file else self._pictures()
        except VideoError as error:
            self.damage = str(error)

    def _video(self) -> Iterator[VideoFrame]:
        decoder = FrameDecoder(self._source.files[0], num_threads=self._num_threads)
        try:
            for number in self._ticks(decoder.index.times_s, decoder.index.fps):
                yield decoder.frame(number)
        finally:
            decoder.close()

    def _pictures(self) -> Iterator[VideoFrame]:
        assert self._picture_fps is not None, "only a video file knows its own rate"
        files = self._source.files
        shown: tuple[int, VideoFrame] | None = None
        for number in self._ticks(np.arange(len(files)) / self._picture_fps, self._picture_fps):
            if shown is None or shown[0] != number:
                with ffmpeg_errors(files[number]):
                    picture = VideoFrame.from_ndarray(read_image(files[number]), format="rgb24")
                shown = number, picture
            yield shown[1]

    def _ticks(self, times_s: NDArray[np.float64], source_fps: float) -> list[int]:
        self.num_frames = len(times_s)
        if source_fps < SLOWEST_FPS:
            raise VideoError(
                f"{self._source.files[0]} claims {source_fps:.2g} frames a second",
                hint="its time stamps are damaged: re-encode it",
            )
        self.fps = playing_fps(source_fps, wanted_fps=self._wanted_fps)
        return resampled_indices(times_s, len(times_s) / source_fps, self.fps).tolist()


def sampled_lumas(source: Source, *, num: int = 16) -> list[NDArray[np.uint8]]:
    """Frames spread over a source as grey pictures of its own size, (H, W) each.

    A source that cannot be read gives those before the damage; those of another size are left out.
    """
    lumas: list[NDArray[np.uint8]] = []
    with suppress(VideoError):
        if source.is_video_file:
            with open_video(source.files[0]) as video:
                for index in _spread(video.info.num_frames, num):
                    lumas.append(_luma(video.frames([index])[0]))
        else:
            for index in _spread(len(source.files), num):
                lumas.append(_luma(read_image(source.files[index])))
    return [luma for luma in lumas if luma.shape == lumas[0].shape]


def _spread(total: int, num: int) -> list[int]:
    return sorted({int(index) for index in np.linspace(0, total - 1, min(num, total))})


def _luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
