"""A folder of frames read as a video."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from endofm.data.images import read_image
from endofm.data.video_info import VideoInfo, check_indices, shown_frames
from endofm.data.video_search import frame_files
from endofm.errors import VideoError


class FolderReader:
    """Frames of a folder of pictures in natural order; it reads like a `VideoReader`.

    Args:
        path: The folder; each picture that it itself holds is a frame.
        fps: Frame rate, which a folder cannot tell.

    Attributes:
        info: What the video is.
        times_s: Start of each frame in seconds, float64, shape (N,).

    Raises:
        VideoError: The folder cannot be listed or holds no picture, one of them is empty, or the
            first cannot be read.
    """

    def __init__(self, path: Path | str, *, fps: float = 30.0) -> None:
        path = Path(path)
        try:
            self._files = frame_files(path)
            empty = [file for file in self._files if file.stat().st_size == 0]
        except OSError as error:
            raise VideoError(
                f"{error.filename} cannot be read: {error.strerror}",
                hint="check its name and permissions",
            ) from error
        if not self._files:
            raise VideoError(f"{path} holds no pictures", hint="name a folder of frames")
        if empty:
            raise VideoError(f"{empty[0]} is empty (0 bytes)", hint="copy it again from its source")
        height, width, _ = read_image(self._files[0]).shape
        self.times_s = np.arange(len(self._files)) / fps
        self.info = VideoInfo(path, len(self._files), fps, height, width)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open between two frames; here for the likeness to `VideoReader`."""

    def frames(self, indices: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Frames by number; each file is read once.

        Args:
            indices: Numbers from 0 to N-1 in any order; a repeated one gives the same array.

        Returns:
            A picture a number, each (H, W, 3) uint8 RGB.

        Raises:
            VideoError: There is no such frame, it cannot be read, or has another size than the
                first.
        """
        check_indices(self.info, indices)
        pictures = {index: self._picture(index) for index in sorted(set(indices))}
        return [pictures[index] for index in indices]

    def frames_at(self, times_s: Sequence[float]) -> list[NDArray[np.uint8]]:
        """The frames on screen at times in seconds from the start of the first; see `frames`."""
        return self.frames(shown_frames(self.times_s, times_s).tolist())

    def stream(self) -> Iterator[NDArray[np.uint8]]:
        """All frames in order; see `frames`."""
        for index in range(self.info.num_frames):
            yield self._picture(index)

    def _picture(self, index: int) -> NDArray[np.uint8]:
        picture = read_image(self._files[index])  # (H, W, 3)
        height, width, _ = picture.shape
        if (height, width) != (self.info.height, self.info.width):
            raise VideoError(
                f"{self._files[index]} has {width} x {height} px, the first frame of its folder "
                f"{self.info.width} x {self.info.height}",
                hint="keep pictures of one size in a folder of frames",
            )
        return picture
