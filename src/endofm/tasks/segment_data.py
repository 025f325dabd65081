"""Sequences as a segmenter sees them: transformed alike in training, whole frames in evaluation.

Axes: T frames, h and w pixels of the network's frames, H and W those of the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from endofm.batch import Colour, View
from endofm.data.colour import ColourDraw, colour_and_normalise, draw_colour, normalise
from endofm.data.datasets import EpochAndIndex
from endofm.data.images import read_image
from endofm.data.masks import read_mask
from endofm.data.rng import Rng, clip_rng
from endofm.data.segmented import FrameSequence
from endofm.tasks.segment_config import AugmentSettings, FrameSettings


@dataclass(frozen=True)
class SequenceBatch:
    """One sequence for training."""

    view: View  # frames (1, T, h, w, 3) uint8
    labels: Tensor  # (1, T, h, w) uint8, 1 where there is a lesion
    index: int
    """Place in the list of sequences."""

    def pin_memory(self) -> SequenceBatch:
        """A copy that a GPU can fetch while the processor goes on; torch's loader asks for it."""
        return SequenceBatch(self.view.pin_memory(), self.labels.pin_memory(), self.index)


@dataclass(frozen=True)
class Placement:
    """Which part of a frame the network sees, and how it lies."""

    zoomed_hw: tuple[int, int]
    """What the whole frame is resized to."""
    top: int
    left: int
    flip: bool
    rotation_deg: float

    @classmethod
    def draw(cls, size_hw: tuple[int, int], settings: AugmentSettings, *, rng: Rng) -> Placement:
        """Draw zoom, crop, side and turn; a crop has ``size_hw``, or the zoomed frame's size."""
        zoom = rng.uniform(*settings.zoom)
        height, width = zoomed = round(size_hw[0] * zoom), round(size_hw[1] * zoom)
        return cls(
            zoomed_hw=zoomed,
            top=rng.integers(0, max(height - size_hw[0], 0) + 1),
            left=rng.integers(0, max(width - size_hw[1], 0) + 1),
            flip=rng.uniform(0, 1) < settings.flip,
            rotation_deg=rng.uniform(-settings.rotation_deg, settings.rotation_deg),
        )

    def apply(
        self, picture: NDArray[np.uint8], size_hw: tuple[int, int], *, nearest: bool = False
    ) -> NDArray[np.uint8]:
        """A frame or a mask laid so: ``(H, W[, 3]) -> (h, w[, 3])``; what is not in it is 0.

        Resizing comes first, then crop, mirroring, and the turn about the crop's centre.
        """
        (height, width), (zoomed_h, zoomed_w) = size_hw, self.zoomed_hw
        how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
        cut = cv2.resize(picture, (zoomed_w, zoomed_h), interpolation=how)[self.top :, self.left :]
        if self.flip:
            cut = cut[:height, :width][:, ::-1]
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), self.rotation_deg, 1)
        laid = cv2.warpAffine(
            np.ascontiguousarray(cut[:height, :width]), turn, (width, height), flags=how
        )
        return laid.astype(np.uint8, copy=False)


class TrainingSequences(Dataset[SequenceBatch]):
    """Up to ``clip_frames`` neighbouring frames of a sequence, drawn anew in each epoch.

    Args:
        sequences: What to draw from.
        frames: Size, colours and threshold.
        augment: How to draw.
        seed: With it, an epoch and a position in ``sequences`` give the same frames anywhere.
    """

    def __init__(
        self,
        sequences: Sequence[FrameSequence],
        frames: FrameSettings,
        augment: AugmentSettings,
        *,
        seed: int,
    ) -> None:
        self.sequences = sequences
        self.frames = frames
        self.augment = augment
        self.seed = seed

    def __getitem__(self, key: EpochAndIndex) -> SequenceBatch:
        """The frames of sequence ``index`` in ``epoch``, where ``key`` is (epoch, index).

        Raises:
            DataError: Naming the file, if a frame or a mask cannot be read.
        """
        epoch, index = key
        sequence, size_hw = self.sequences[index], self.frames.size_hw
        rng = clip_rng(self.seed, epoch, index)
        num_frames = min(len(sequence.frames), self.frames.clip_frames)
        start = rng.integers(0, len(sequence.frames) - num_frames + 1)
        shared = Placement.draw(size_hw, self.augment, rng=rng)
        frames, masks = [], []
        for place in range(start, start + num_frames):
            placement = shared
            if self.augment.original_per_frame and place > start:
                placement = Placement.draw(size_hw, self.augment, rng=rng)
            picture = original_pixels(read_image(sequence.frames[place]), self.frames)
            mask = read_mask(sequence.masks[place], threshold=self.frames.mask_threshold)
            frames.append(placement.apply(picture, size_hw))
            masks.append(placement.apply(mask.astype(np.uint8), size_hw, nearest=True))
        strength = self.augment.jitter
        colour = draw_colour(
            jitter_probability=float(strength > 0),
            jitter_strength=(strength, strength, strength),
            grey_probability=0.0,
            rng=rng,
        )
        view = View(torch.from_numpy(np.stack(frames)[None]), _one_row(colour))
        return SequenceBatch(view, torch.from_numpy(np.stack(masks)[None]), index)


@dataclass(frozen=True)
class SeenFrame:
    """A frame as the network takes it, beside its truth in the file's size."""

    picture: NDArray[np.uint8]  # (h, w, 3)
    truth: NDArray[np.bool_]  # (H, W)


class EvaluationFrames(Dataset[SeenFrame]):
    """The frames of sequences, one after another.

    Args:
        sequences: What to evaluate.
        settings: Size, colours and threshold.
    """

    def __init__(self, sequences: Sequence[FrameSequence], settings: FrameSettings) -> None:
        self.files = [
            files
            for sequence in sequences
            for files in zip(sequence.frames, sequence.masks, strict=True)
        ]
        self.settings = settings

    def __len__(self) -> int:
        """The number of frames of all sequences together."""
        return len(self.files)

    def __getitem__(self, index: int) -> SeenFrame:
        """One frame.

        Raises:
            DataError: Naming the file, if the frame or its mask cannot be read.
        """
        frame, mask = self.files[index]
        return SeenFrame(
            picture=seen_pixels(read_image(frame), self.settings),
            truth=read_mask(mask, threshold=self.settings.mask_threshold),
        )


def seen_pixels(frame: NDArray[np.uint8], settings: FrameSettings) -> NDArray[np.uint8]:
    """What the network sees of a whole frame: ``(H, W, 3) -> (h, w, 3)``, by bilinear resizing."""
    height, width = settings.size_hw
    resized = cv2.resize(original_pixels(frame, settings), (width, height))
    return resized.astype(np.uint8, copy=False)


def original_pixels(frame: NDArray[np.uint8], settings: FrameSettings) -> NDArray[np.uint8]:
    """The original's two changes of the pixels (H, W, 3), as far as the settings ask for them.

    Its second stretching, in float32, changes nothing after the first, and a frame of one value,
    by whose range it divided, becomes 0.
    """
    if settings.original_bgr:
        frame = frame[..., ::-1]
    if settings.original_min_max:
        darkest, brightest = int(frame.min()), int(frame.max())
        stretched = (frame.astype(np.float64) - darkest) / max(brightest - darkest, 1) * 255
        frame = stretched.astype(np.uint8)
    return np.ascontiguousarray(frame)


def network_frames(pictures: Tensor, settings: FrameSettings) -> Tensor:
    """``(B, T, h, w, 3)`` uint8 to the network's input, ``(B, T, 3, h, w)`` float32."""
    return normalise(pictures, mean=settings.mean, std=settings.std).transpose(1, 2)


def training_frames(view: View, settings: FrameSettings) -> Tensor:
    """Coloured as drawn, then as ``network_frames``."""
    return colour_and_normalise(view, mean=settings.mean, std=settings.std).transpose(1, 2)


def only(samples: Sequence[Any]) -> Any:
    """The sample of a batch of one, as it is."""
    (sample,) = samples
    return sample


def _one_row(draw: ColourDraw) -> Colour:
    return Colour(
        jitter=torch.tensor([draw.jitter]),
        order=torch.tensor([draw.order]),
        factor=torch.tensor([draw.factor]),
        grey=torch.tensor([draw.grey]),
    )
