"""All frames of a video in order, or one line that says where it ended."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from endofm.data.video import FolderReader, VideoReader
from endofm.errors import VideoError


def all_frames(reader: VideoReader | FolderReader) -> Iterator[NDArray[np.uint8]]:
    """As many frames, (H, W, 3), as the video says it has.

    Raises:
        VideoError: It ends before.
    """
    stream = reader.stream()
    for number in range(reader.info.num_frames):
        frame = next(stream, None)
        if frame is None:
            raise VideoError(
                f"{reader.info.path} ends after {number} of {reader.info.num_frames} frames",
                "copy it again from its source, or re-encode it",
            )
        yield frame
