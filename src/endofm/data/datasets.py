"""Clips as map-style data sets; what a clip gives depends on its key alone, never on the worker."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from endofm.data.manifests import Clip
from endofm.data.rng import clip_rng
from endofm.data.sampling import spread_indices
from endofm.data.transforms import centre_crop, resize_short_side
from endofm.data.video import FolderReader, VideoReader, open_video, resampled_indices
from endofm.data.views import DrawnView, ViewSettings, make_views
from endofm.errors import DataError, VideoError

ReadFrames: TypeAlias = Callable[[Sequence[int]], list[NDArray[np.uint8]]]

EpochAndIndex: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class ClipViews:
    """All views of one clip and the clip's position in the list."""

    views: list[DrawnView]
    clip_index: int


class ViewDataset(Dataset[ClipViews]):
    """The views of clips for pre-training, drawn anew in each epoch.

    Args:
        clips: What to draw from.
        settings: How to draw.
        seed: With it, an epoch and a position in ``clips`` give the same views anywhere.
    """

    def __init__(self, clips: Sequence[Clip], settings: ViewSettings, *, seed: int) -> None:
        self.clips = clips
        self.settings = settings
        self.seed = seed

    def __len__(self) -> int:
        """The number of clips."""
        return len(self.clips)

    def __getitem__(self, key: EpochAndIndex) -> ClipViews:
        """The views of clip ``index`` in ``epoch``, where ``key`` is (epoch, index).

        Raises:
            VideoError: Naming the video, if a frame of the clip cannot be decoded.
        """
        epoch, index = key
        clip = self.clips[index]
        with reading(clip) as read_frames:
            rng = clip_rng(self.seed, epoch, index)
            return ClipViews(make_views(read_frames, clip.num_frames, self.settings, rng), index)


class LabelledClips(Dataset[tuple[NDArray[np.uint8], int]]):
    """Clips for evaluation, always the same: frames evenly over the clip, the central square.

    Args:
        clips: Clips with a label.
        num_frames: Frames to take from each clip.
        size_px: Short side that frames are resized to, and side of the square.
        classes: Names of the classes in order; all labels of ``clips``, sorted, unless given.

    Raises:
        DataError: A clip has no label or one that is not in ``classes``.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        *,
        num_frames: int,
        size_px: int,
        classes: Sequence[str] | None = None,
    ) -> None:
        self.clips = clips
        self.num_frames = num_frames
        self.size_px = size_px
        self.classes = tuple(classes or sorted({clip.label for clip in clips}))
        for clip in clips:
            if not clip.label:
                raise DataError(f"{clip.path}: has no label", "fill the list's column 'label'")
            if clip.label not in self.classes:
                raise DataError(
                    f"{clip.path}: has the unknown label {clip.label!r}",
                    f"known labels: {', '.join(self.classes)}",
                )

    def __len__(self) -> int:
        """The number of clips."""
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int]:
        """The frames (T, size_px, size_px, 3) uint8 RGB of a clip and its class.

        Raises:
            VideoError: Naming the video, if a frame of the clip cannot be decoded.
        """
        clip = self.clips[index]
        frames = evaluation_frames(clip, num_frames=self.num_frames, size_px=self.size_px)
        return frames, self.classes.index(clip.label)


def evaluation_frames(clip: Clip, *, num_frames: int, size_px: int) -> NDArray[np.uint8]:
    """Frames evenly over a clip, the central square of each: (T, size_px, size_px, 3) uint8 RGB.

    Raises:
        VideoError: Naming the video, if a frame of the clip cannot be decoded.
    """
    last = clip.num_frames - 1
    indices = spread_indices(0, last, num_frames, clip_frames=clip.num_frames)
    with reading(clip) as read_frames:
        frames = np.stack(read_frames(indices.tolist()))
    return np.ascontiguousarray(centre_crop(resize_short_side(frames, size_px), size_px))


@contextmanager
def reading(clip: Clip) -> Iterator[ReadFrames]:
    """Open a clip's video; gives a function from positions in the clip to frames (H, W, 3) uint8.

    Frames outside the clip are not decoded.

    Raises:
        VideoError: The video cannot be read, or ends before the clip does.
        DataError: The shard that holds it cannot be read.
    """
    with _telling_of_shard(clip), _open(clip) as reader:
        timeline = resampled_indices(reader.times_s, reader.info.duration_s, clip.fps).tolist()
        shown = timeline[clip.start_frame : clip.start_frame + clip.num_frames]
        if len(shown) < max(clip.num_frames - 1, 1):
            raise VideoError(
                f"{clip.path}: has {len(timeline)} frames at {clip.fps:g} a second, but clips are "
                f"to reach {clip.start_frame + clip.num_frames}",
                "the file has changed since it was listed: list it anew",
            )
        shown.append(shown[-1])  # the list's duration may have been rounded up by a frame
        yield lambda positions: reader.frames([shown[position] for position in positions])


def _open(clip: Clip) -> VideoReader | FolderReader:
    if clip.stored is None:
        return open_video(clip.path, folder_fps=clip.source_fps)
    return VideoReader(clip.path, data=clip.stored.read())


@contextmanager
def _telling_of_shard(clip: Clip) -> Iterator[None]:
    """An error about a video in a shard names the shard too."""
    try:
        yield
    except VideoError as error:
        if clip.stored is None:
            raise
        raise VideoError(f"{clip.stored.address}: {error.message}", error.hint) from error
