"""Decoded frames as RGB pictures, the right way up."""

from typing import Any, NamedTuple, cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray


class FrameConverter:
    """Turns decoded frames of one video into pictures; it keeps FFmpeg's converter set up.

    Args:
        first: The first frame, which says how the video is to be turned.

    Attributes:
        height: Rows of the first frame as displayed.
        width: Columns of the first frame as displayed.
    """

    def __init__(self, first: VideoFrame) -> None:
        self._reformatter = VideoReformatter()
        self._orientation = orientation_of(first)
        self.height, self.width = first.height, first.width
        if self._orientation.is_transposed:
            self.height, self.width = self.width, self.height

    def rgb(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """A frame as displayed: (H, W, 3) uint8 RGB, a view of memory with padded rows.

        Colour matrix and range are those that the frame is tagged with; where it is not tagged
        they are BT.601 and limited range, as FFmpeg has it. Chroma is repeated, not interpolated.
        """
        # One thread: the conversion is short, and data loaders run a process a core.
        rgb = self._reformatter.reformat(frame, format="rgb24", threads=1)
        return self._orientation.turn(rgb.to_ndarray())  # (H, W, 3)


class Orientation(NamedTuple):
    """How a stored picture is turned to be shown: first transposed, then mirrored."""

    is_transposed: bool
    rows_reversed: bool
    columns_reversed: bool

    def turn(self, picture: NDArray[Any]) -> NDArray[Any]:
        """A picture as it is shown."""
        if self.is_transposed:
            picture = picture.transpose(1, 0, 2)
        if self.rows_reversed:
            picture = picture[::-1]
        if self.columns_reversed:
            picture = picture[:, ::-1]
        return picture


def orientation_of(frame: VideoFrame) -> Orientation:
    """Which of the eight orientations the display matrix of a frame is nearest to.

    The matrix (a b u; c d v; x y w) moves what is stored in column p and row q to column
    a p + c q + x and row b p + d q + y (FFmpeg, libavutil/display.h).
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation(is_transposed=False, rows_reversed=False, columns_reversed=False)
    a, b, _, c, d = np.frombuffer(cast("bytes", matrix), dtype=np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(is_transposed=False, rows_reversed=d < 0, columns_reversed=a < 0)
    return Orientation(is_transposed=True, rows_reversed=b < 0, columns_reversed=c < 0)
