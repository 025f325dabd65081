"""Videos as a classifier sees them: one random clip in training, always the same in evaluation.

Axes: C clips of a video, T frames, S pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from endofm.data.datasets import EpochAndIndex, reading
from endofm.data.manifests import Clip, Video, whole_clip
from endofm.data.rng import clip_rng
from endofm.data.sampling import finetune_indices, spread_indices, window_start
from endofm.data.transforms import centre_crop, random_scale_crop, resize_short_side, square_crop
from endofm.tasks.classify_config import SamplingSettings

SHORT_SIDES = (256 / 224, 320 / 224)
"""Smallest and largest short side before the random crop, as a multiple of the crop's side."""

Frames = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Frames of one video and where it stands in the list."""

    frames: Frames  # (T, S, S, 3) in training, (C, T, S, S, 3) in evaluation; RGB in 0..255
    index: int


@dataclass(frozen=True)
class ClipBatch:
    """Clips of several videos."""

    frames: Tensor  # (B, T, S, S, 3) uint8
    index: Tensor  # (B,) int64

    @classmethod
    def collate(cls, samples: Sequence[Sample]) -> Self:
        """Join samples of equal shape."""
        frames = torch.from_numpy(np.stack([sample.frames for sample in samples]))
        return cls(frames, torch.tensor([sample.index for sample in samples]))

    def split(self, num_parts: int) -> list[Self]:
        """Micro-batches of equal size."""
        pairs = zip(self.frames.chunk(num_parts), self.index.chunk(num_parts), strict=True)
        return [type(self)(frames, index) for frames, index in pairs]


class TrainingVideos(Dataset[Sample]):
    """One clip a video, its place, scale, crop and side drawn anew in each epoch.

    Args:
        videos: What to draw from.
        settings: How to draw.
        seed: With it, an epoch and a position in ``videos`` give the same clip anywhere.
    """

    def __init__(self, videos: Sequence[Video], settings: SamplingSettings, *, seed: int) -> None:
        self.clips = [whole_clip(video, target_fps=settings.target_fps) for video in videos]
        self.settings = settings
        self.seed = seed

    def __getitem__(self, key: EpochAndIndex) -> Sample:
        """The clip of video ``index`` in ``epoch``, where ``key`` is (epoch, index).

        Raises:
            VideoError: Naming the video, if a frame of the clip cannot be decoded.
        """
        epoch, index = key
        clip, settings = self.clips[index], self.settings
        rng = clip_rng(self.seed, epoch, index)
        start = window_start(clip.num_frames, settings.span_frames, rng=rng)
        frames = _read(clip, [start], settings)[0]
        smallest, largest = (round(settings.size_px * ratio) for ratio in SHORT_SIDES)
        frames = random_scale_crop(frames, settings.size_px, short_px=(smallest, largest), rng=rng)
        return Sample(frames, index)


class EvaluationVideos(Dataset[Sample]):
    """Clips evenly over each video, decoded once, always the same.

    Args:
        videos: What to evaluate.
        settings: How many clips, and which part of the frames.
    """

    def __init__(self, videos: Sequence[Video], settings: SamplingSettings) -> None:
        self.clips = [whole_clip(video, target_fps=settings.target_fps) for video in videos]
        self.settings = settings

    def __getitem__(self, index: int) -> Sample:
        """All clips of one video.

        Raises:
            VideoError: Naming the video, if a frame cannot be decoded.
        """
        clip, settings = self.clips[index], self.settings
        stacked = np.concatenate(
            _read(clip, evaluation_starts(clip.num_frames, settings), settings)
        )
        squares = evaluation_squares(stacked, settings)
        return Sample(squares.reshape(-1, settings.num_frames, *squares.shape[1:]), index)


def evaluation_squares(frames: NDArray[np.uint8], settings: SamplingSettings) -> Frames:
    """What the network sees of frames outside training: (T, H, W, 3) -> (T, S, S, 3)."""
    size_px = settings.size_px
    if settings.original_test_clip:  # the original resized in float
        resized = resize_short_side(frames.astype(np.float32), size_px)
        return square_crop(resized, size_px, place="first")
    return centre_crop(resize_short_side(frames, size_px), size_px)


def clip_indices(clip_frames: int, start: int, settings: SamplingSettings) -> NDArray[np.int64]:
    """The frames (T,) of a clip that begins at ``start`` in a video of ``clip_frames``."""
    return finetune_indices(
        clip_frames,
        start=start,
        num_frames=settings.num_frames,
        span_frames=settings.span_frames,
        original_repeat_last=settings.original_repeat_last,
    )


def evaluation_starts(clip_frames: int, settings: SamplingSettings) -> list[int]:
    """First frames of the clips that a video is evaluated on, each only once.

    One clip lies in the middle; several reach from the video's start to its end.
    """
    if settings.original_test_clip:
        return [0]
    room = max(clip_frames - settings.span_frames, 0)
    if settings.clips_per_video == 1:
        return [room // 2]
    starts = spread_indices(0, room, settings.clips_per_video, clip_frames=clip_frames)
    return sorted(set(starts.tolist()))


def _read(clip: Clip, starts: Sequence[int], settings: SamplingSettings) -> list[NDArray[np.uint8]]:
    """The frames (T, H, W, 3) of each clip; a frame of several is decoded once."""
    indices = [clip_indices(clip.num_frames, start, settings) for start in starts]
    with reading(clip) as read_frames:
        frames = np.stack(read_frames(np.concatenate(indices).tolist()))
    return list(frames.reshape(len(starts), settings.num_frames, *frames.shape[1:]))
