"""Frames with boxes as a detector sees them: fitted, padded, and alike for all that help.

Axes: B frames, F = 1 + R with their references, h and w pixels of the network's frames, H and W
those of the files, N boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from endofm.batch import Colour, View
from endofm.data.boxed import BoxedSequence
from endofm.data.boxed_frames import read_frame
from endofm.data.colour import ColourDraw, colour_and_normalise, draw_colour, normalise
from endofm.data.datasets import EpochAndIndex
from endofm.data.references import drawn_references
from endofm.data.rng import Rng, clip_rng
from endofm.errors import DataError
from endofm.models.detector import MULTIPLE_PX
from endofm.tasks.detect_config import AugmentSettings, FrameSettings

SMALLEST_PX = 1.0
"""A box whose visible part is narrower or lower than this cannot be learnt."""


@dataclass(frozen=True)
class Placement:
    """How a frame lies on the canvas that the network sees."""

    frame_hw: tuple[int, int]
    resized_hw: tuple[int, int]
    top_left: tuple[int, int]
    """Where on the canvas the resized frame begins; it may begin or end beyond it."""
    canvas_hw: tuple[int, int]
    flip: bool = False
    """Mirror the canvas left and right in the end."""

    @classmethod
    def fit(cls, frame_hw: tuple[int, int], settings: FrameSettings) -> Placement:
        """As large as ``size_hw`` allows, at the top left; padded to what the network takes."""
        if settings.original_squash:
            return cls(frame_hw, settings.size_hw, (0, 0), settings.size_hw)
        scale = min(most / side for most, side in zip(settings.size_hw, frame_hw, strict=True))
        height, width = (max(round(side * scale), 1) for side in frame_hw)
        return cls(frame_hw, (height, width), (0, 0), (_padded(height), _padded(width)))

    def drawn(self, augment: AugmentSettings, *, rng: Rng) -> Placement:
        """Zoomed, moved as far as that leaves room, and perhaps mirrored."""
        zoom = rng.uniform(*augment.zoom)
        height, width = (max(round(side * zoom), 1) for side in self.resized_hw)
        top, left = (
            rng.integers(min(0, most - side), max(0, most - side) + 1)
            for most, side in zip(self.canvas_hw, (height, width), strict=True)
        )
        flip = rng.uniform(0, 1) < augment.flip
        return replace(self, resized_hw=(height, width), top_left=(top, left), flip=flip)

    def picture(self, frame: NDArray[np.uint8], *, fill: Sequence[int]) -> NDArray[np.uint8]:
        """``(H, W, 3) -> (h, w, 3)``; ``fill`` where the frame does not reach."""
        height, width = self.resized_hw
        how = cv2.INTER_AREA if height < self.frame_hw[0] else cv2.INTER_LINEAR
        resized = cv2.resize(frame, (width, height), interpolation=how)
        canvas = np.empty((*self.canvas_hw, 3), np.uint8)
        canvas[:] = np.asarray(fill, np.uint8)
        rows, columns = (
            _overlap(start, side, most)
            for start, side, most in zip(
                self.top_left, self.resized_hw, self.canvas_hw, strict=True
            )
        )
        canvas[rows[0], columns[0]] = resized[rows[1], columns[1]]
        return np.ascontiguousarray(canvas[:, ::-1]) if self.flip else canvas

    def boxes(self, boxes_xyxy: Tensor) -> Tensor:
        """From px of the file to px of the canvas: ``(N, 4) -> (N, 4)``."""
        scale, shift = self._map(boxes_xyxy)
        moved = boxes_xyxy * scale + shift
        if self.flip:
            width = self.canvas_hw[1]
            x1, y1, x2, y2 = moved.unbind(-1)
            moved = torch.stack([width - x2, y1, width - x1, y2], -1)
        return moved

    def boxes_back(self, boxes_xyxy: Tensor) -> Tensor:
        """From px of the canvas to px of the file; not for a mirrored placement."""
        assert not self.flip, "only training mirrors"
        scale, shift = self._map(boxes_xyxy)
        return (boxes_xyxy - shift) / scale

    def _map(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Factor and shift of x, y, x, y."""
        scale_y, scale_x = (
            new / old for new, old in zip(self.resized_hw, self.frame_hw, strict=True)
        )
        top, left = self.top_left
        return like.new_tensor([scale_x, scale_y] * 2), like.new_tensor([left, top] * 2)


@dataclass(frozen=True)
class DetectionSample:
    """One frame with its references, for training."""

    pictures: NDArray[np.uint8]  # (F, h, w, 3), the current one first
    boxes_xyxy: Tensor  # (N, 4) px of the canvas
    labels: Tensor  # (N,) int64 from 1
    colour: ColourDraw
    index: int
    """Place in the list of frames."""


@dataclass(frozen=True)
class DetectionBatch:
    """Several of them, padded to one size."""

    view: View  # frames (B, F, h, w, 3) uint8
    boxes_xyxy: tuple[Tensor, ...]
    labels: tuple[Tensor, ...]
    index: tuple[int, ...]

    def pin_memory(self) -> DetectionBatch:
        """A copy that a GPU can fetch while the processor goes on; torch's loader asks for it."""
        return DetectionBatch(self.view.pin_memory(), self.boxes_xyxy, self.labels, self.index)


class TrainingFrames(Dataset[DetectionSample]):
    """Each frame of some sequences, drawn anew in each epoch with a reference from either side.

    Args:
        sequences: What to draw from.
        frames: Size and colours.
        augment: How to draw.
        reach_frames: How far references may be.
        seed: With it, an epoch and a place in the list of frames give the same sample anywhere.
        drop_empty: Leave frames without a box out, but for use as references.
    """

    def __init__(
        self,
        sequences: Sequence[BoxedSequence],
        frames: FrameSettings,
        augment: AugmentSettings,
        *,
        reach_frames: int,
        seed: int,
        drop_empty: bool = False,
    ) -> None:
        self.frames = frames
        self.augment = augment
        self.reach_frames = reach_frames
        self.seed = seed
        self.places = [
            (sequence, place)
            for sequence in sequences
            for place, frame in enumerate(sequence.frames)
            if frame.boxes_xyxy or not drop_empty
        ]

    def __len__(self) -> int:
        """Frames to learn from."""
        return len(self.places)

    def __getitem__(self, key: EpochAndIndex) -> DetectionSample:
        """The frame ``index`` in ``epoch``, where ``key`` is (epoch, index).

        Raises:
            DataError: Naming the file, if it cannot be read or has another size than a reference.
        """
        epoch, index = key
        sequence, place = self.places[index]
        rng = clip_rng(self.seed, epoch, index)
        references = drawn_references(
            place, num_frames=len(sequence.frames), reach_frames=self.reach_frames, rng=rng
        )
        pictures = [read_frame(sequence.frames[at]) for at in (place, *references)]
        frame = sequence.frames[place]
        for at, picture in zip(references, pictures[1:], strict=True):
            name = str(sequence.frames[at].path)
            check_same_size(pictures[0].shape[:2], picture.shape[:2], what=name)
        height, width = pictures[0].shape[:2]
        placement = Placement.fit((height, width), self.frames).drawn(self.augment, rng=rng)
        boxes, labels = _visible(
            placement.boxes(torch.tensor(frame.boxes_xyxy, dtype=torch.float32).reshape(-1, 4)),
            torch.tensor(frame.labels, dtype=torch.int64),
            canvas_hw=placement.canvas_hw,
        )
        strength = self.augment.jitter
        colour = draw_colour(
            jitter_probability=float(strength > 0),
            jitter_strength=(strength, strength, strength),
            grey_probability=0.0,
            rng=rng,
        )
        seen = [seen_pixels(picture, placement, self.frames) for picture in pictures]
        return DetectionSample(np.stack(seen), boxes, labels, colour, index)


def collate(samples: Sequence[DetectionSample], *, fill: Sequence[int]) -> DetectionBatch:
    """A batch; smaller pictures get a border of ``fill`` at their right and bottom."""
    height, width = (max(one.pictures.shape[axis] for one in samples) for axis in (1, 2))
    frames = np.empty((len(samples), len(samples[0].pictures), height, width, 3), np.uint8)
    frames[:] = np.asarray(fill, np.uint8)
    for row, one in zip(frames, samples, strict=True):
        row[:, : one.pictures.shape[1], : one.pictures.shape[2]] = one.pictures
    colour = Colour(
        jitter=torch.tensor([one.colour.jitter for one in samples]),
        order=torch.tensor([one.colour.order for one in samples]),
        factor=torch.tensor([one.colour.factor for one in samples]),
        grey=torch.tensor([one.colour.grey for one in samples]),
    )
    return DetectionBatch(
        View(torch.from_numpy(frames), colour),
        tuple(one.boxes_xyxy for one in samples),
        tuple(one.labels for one in samples),
        tuple(one.index for one in samples),
    )


def fill_colour(settings: FrameSettings) -> tuple[int, ...]:
    """What becomes about zero in the network: the mean, as 8 bits, in the network's order."""
    return tuple(min(max(round(255 * value), 0), 255) for value in settings.mean)


def seen_pixels(
    frame: NDArray[np.uint8], placement: Placement, settings: FrameSettings
) -> NDArray[np.uint8]:
    """What the network sees of a frame, ``(H, W, 3) RGB -> (h, w, 3)``."""
    ordered = frame[..., ::-1] if settings.original_bgr else frame
    return placement.picture(np.ascontiguousarray(ordered), fill=fill_colour(settings))


def network_frames(pictures: Tensor, settings: FrameSettings) -> Tensor:
    """``(B, F, h, w, 3)`` uint8 to the network's input, ``(B, F, 3, h, w)`` float32."""
    return normalise(pictures, mean=settings.mean, std=settings.std).transpose(1, 2)


def training_frames(view: View, settings: FrameSettings) -> Tensor:
    """Coloured as drawn, then as ``network_frames``."""
    return colour_and_normalise(view, mean=settings.mean, std=settings.std).transpose(1, 2)


def check_same_size(first_hw: Sequence[int], other_hw: Sequence[int], *, what: str) -> None:
    """Raise DataError for frames of one video that differ in size."""
    if tuple(first_hw) != tuple(other_hw):
        (height, width), (other_height, other_width) = first_hw, other_hw
        raise DataError(
            f"{what}: has {other_width} x {other_height} px, the frames before {width} x {height}",
            "keep frames of one size in a video; another size is another video: reset the stream",
        )


def _visible(boxes: Tensor, labels: Tensor, *, canvas_hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Boxes cut off at the canvas's edge; those without a part inside are left out."""
    height, width = canvas_hw
    cut = boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))
    inside = ((cut[:, 2:] - cut[:, :2]) >= SMALLEST_PX).all(-1)
    return cut[inside], labels[inside]


def _overlap(start: int, side: int, most: int) -> tuple[slice, slice]:
    """The part of 0..most that start..start + side covers, and which part of it that is."""
    first, last = max(start, 0), min(start + side, most)
    return slice(first, last), slice(first - start, last - start)


def _padded(side_px: int) -> int:
    return max(-(-side_px // MULTIPLE_PX), 1) * MULTIPLE_PX
