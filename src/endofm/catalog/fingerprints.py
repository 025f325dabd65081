"""The hashes of a video's frames, computed once and kept."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from endofm.catalog.card import Source
from endofm.data.container import ffmpeg_errors
from endofm.data.decoder import FrameDecoder
from endofm.data.images import read_image
from endofm.data.perceptual_hash import NUM_WORDS, SIDE_PX, frame_hash
from endofm.data.video import open_video
from endofm.data.video_info import shown_frames
from endofm.errors import VideoError
from endofm.files import replacing

STEP_S = 0.25
"""Between frames that are hashed: what a camera sees an eighth of a second apart is much alike."""
_LEAST = 8
"""Frames of a video that are hashed at least, if it has them."""
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    TypeError,
    AttributeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What comes of hashes that are not there, or damaged."""
_VERSION = 2


@dataclass(frozen=True)
class Fingerprint:
    """Frames of one video; those that show nothing are left out."""

    words: NDArray[np.uint64]
    """(N, 4)."""
    times_s: NDArray[np.float64]
    """(N,)."""
    problem: str = ""
    """Why it has no frames."""


def fingerprint(source: Source, *, cache: Path) -> Fingerprint:
    """Hash a video's frames, or read them from ``cache``, a folder, if it has not changed since."""
    try:
        kept = cache / f"{_key(source)}.npz"
    except OSError as error:  # a link to nothing, or in a circle
        problem = f"{error.filename} cannot be read: {error.strerror}"
        return Fingerprint(np.empty((0, NUM_WORDS), np.uint64), np.empty(0), problem)
    except RuntimeError as error:
        return Fingerprint(np.empty((0, NUM_WORDS), np.uint64), np.empty(0), str(error))
    try:
        return _read(kept)
    except _UNREADABLE:
        pass
    words, times_s = [], []
    try:
        for time_s, luma in _frames(source):
            word = frame_hash(luma)
            if word is not None:
                words.append(word)
                times_s.append(time_s)
    except VideoError as error:
        return Fingerprint(np.empty((0, NUM_WORDS), np.uint64), np.empty(0), str(error))
    result = Fingerprint(np.array(words, np.uint64).reshape(-1, NUM_WORDS), np.array(times_s))
    with replacing(kept) as draft:
        np.savez(draft, words=result.words, times_s=result.times_s)
    return result


def _read(path: Path) -> Fingerprint:
    # Opened here, since numpy leaves a file open that it cannot read.
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        words, times_s = file["words"], file["times_s"]
    if words.dtype != np.uint64 or words.shape != (len(times_s), NUM_WORDS):
        raise ValueError("the hashes are not those of frames")
    if times_s.dtype != np.float64 or times_s.ndim != 1 or not np.isfinite(times_s).all():
        raise ValueError("the times are none")
    return Fingerprint(words, times_s)


def hashed_times(num_frames: int, fps: float) -> NDArray[np.float64]:
    """When frames are hashed, in seconds: every ``STEP_S``, more often in a short video.

    Of a slower one every frame is, once.
    """
    duration_s = num_frames / fps
    step_s = min(max(STEP_S, 1 / fps), duration_s / min(_LEAST, num_frames))
    return np.arange(0, duration_s - step_s / 2, step_s) + step_s / 2


def pictures_at(source: Source, times_s: Sequence[float]) -> list[NDArray[np.uint8]]:
    """What a video shows at times in seconds, each (H, W, 3) uint8 RGB.

    Raises:
        VideoError: It cannot be read.
    """
    if source.picture_fps is None:
        with open_video(source.files[0]) as video:
            return video.frames_at(times_s)
    return [_picture_at(source, time_s, source.picture_fps) for time_s in times_s]


def _picture_at(source: Source, time_s: float, fps: float) -> NDArray[np.uint8]:
    number = max(int(time_s * fps), 0)
    return read_image(source.files[min(number, len(source.files) - 1)])


def _key(source: Source) -> str:
    """Names the state of its files."""
    digest = hashlib.sha256(f"{_VERSION}/{source.picture_fps}".encode())
    for path in source.files:
        status = path.stat()
        digest.update(
            f"{path.resolve()}/{status.st_size}/{status.st_mtime_ns}".encode(
                errors="surrogateescape"
            )
        )
    return digest.hexdigest()[:32]


def _frames(source: Source) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    if source.is_video_file:
        yield from _of_video(source.files[0])
        return
    assert source.picture_fps is not None, "only a video file knows its own rate"
    for time_s in hashed_times(len(source.files), source.picture_fps):
        rgb = _picture_at(source, time_s, source.picture_fps)
        yield time_s, np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _of_video(path: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    reformatter = VideoReformatter()
    decoder = FrameDecoder(path, num_threads=1)
    try:
        index = decoder.index
        wanted_s = hashed_times(len(index.times_s), index.fps)
        for time_s, number in zip(wanted_s, shown_frames(index.times_s, wanted_s), strict=True):
            with ffmpeg_errors(path):
                grey = reformatter.reformat(
                    decoder.frame(int(number)),
                    width=SIDE_PX,
                    height=SIDE_PX,
                    format="gray",
                    interpolation=Interpolation.AREA,
                    threads=1,
                )
            yield float(time_s), np.asarray(grey.to_ndarray(), dtype=np.uint8)
    finally:
        decoder.close()
