"""Reading the frames of sequences with boxes, from pictures or from video files."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endofm.data.boxed import BoxedFrame
from endofm.data.images import read_image
from endofm.data.video import VideoReader

_OPEN_VIDEOS = 8
"""Videos that a process keeps open; each is indexed once."""


def read_frame(frame: BoxedFrame) -> NDArray[np.uint8]:
    """The frame's pixels, (H, W, 3) RGB.

    Raises:
        VideoError: Naming the file, if it cannot be read or has no such frame.
    """
    if frame.index is None:
        return read_image(frame.path)
    return _reader(frame.path, os.getpid()).frames([frame.index])[0]


@lru_cache(maxsize=_OPEN_VIDEOS)
def _reader(path: Path, _process: int) -> VideoReader:
    # A process that was forked must not read on where its parent is reading.
    return VideoReader(path)
