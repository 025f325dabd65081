"""Exact frames of a video file, by number or by time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from endofm.data.container import ffmpeg_errors
from endofm.data.decoder import FrameDecoder
from endofm.data.pixels import FrameConverter
from endofm.data.video_info import VideoInfo, check_indices, shown_frames
from endofm.errors import VideoError


class VideoReader:
    """Frames of one video file; use it as a context manager.

    Opening reads the packets of the file, which numbers the frames, and decodes the first one;
    `FrameDecoder` says when it has to decode the whole video.

    Args:
        path: The file.
        num_threads: Threads to decode with.
        data: What the file holds, where it is in memory, as out of a shard; ``path`` is then but
            the name that messages give it.

    Attributes:
        info: What the video is.
        times_s: Start of each frame, counted from the first, in seconds, float64, shape (N,).

    Raises:
        VideoError: The file cannot be read, is cut short, or has no frames.
    """

    def __init__(
        self, path: Path | str, *, num_threads: int = 1, data: bytes | None = None
    ) -> None:
        path = Path(path)
        self._decoder = FrameDecoder(path, num_threads=num_threads, data=data)
        try:
            self._converter = FrameConverter(self._decoder.frame(0))
        except BaseException:
            self.close()
            raise
        self.times_s = self._decoder.index.times_s
        self.info = VideoInfo(
            path,
            num_frames=len(self.times_s),
            fps=self._decoder.index.fps,
            height=self._converter.height,
            width=self._converter.width,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._decoder.close()

    def frames(self, indices: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Frames by number; decodes what lies between them once, and converts them alone.

        The pictures share one block of memory: copy what outlives the rest.

        Args:
            indices: Numbers from 0 to N-1 in any order; a repeated one gives the same array.

        Returns:
            A picture a number, each (H, W, 3) uint8 RGB as displayed.

        Raises:
            VideoError: There is no such frame, or it cannot be decoded.
        """
        check_indices(self.info, indices)
        unique = sorted(set(indices))
        # One array for all: asking the system for memory frame by frame takes a fifth of the time.
        pictures = np.empty((len(unique), self.info.height, self.info.width, 3), dtype=np.uint8)
        for index, picture in zip(unique, pictures, strict=True):
            self._read(index, picture)
        picture_of = dict(zip(unique, pictures, strict=True))
        return [picture_of[index] for index in indices]

    def frames_at(self, times_s: Sequence[float]) -> list[NDArray[np.uint8]]:
        """The frames on screen at times in seconds from the start of the first; see `frames`."""
        return self.frames(shown_frames(self.times_s, times_s).tolist())

    def stream(self) -> Iterator[NDArray[np.uint8]]:
        """All frames in order, each in memory of its own; see `frames`."""
        for index in range(self.info.num_frames):
            yield self.frames([index])[0]

    def _read(self, index: int, picture: NDArray[np.uint8]) -> None:
        frame = self._decoder.frame(index)
        with ffmpeg_errors(self.info.path):
            rgb = self._converter.rgb(frame)  # (H, W, 3)
        if rgb.shape != picture.shape:
            raise VideoError(
                f"{self.info.path} changes its frames from {self.info.width} x {self.info.height} "
                f"to {rgb.shape[1]} x {rgb.shape[0]} px at frame {index}",
                hint="cut it there, or re-encode it to one size",
            )
        picture[...] = rgb
