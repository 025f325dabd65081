"""What a segmenter says of sequences: every frame exactly once, in the size of its file.

Axes: T frames of a sequence, H and W pixels of a file, h and w those of the network's frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from endofm.data.loaders import Loader
from endofm.data.segmented import FrameSequence
from endofm.errors import RunError
from endofm.models import TransUNet
from endofm.objectives.segmentation import DICE_SMOOTH
from endofm.tasks.segment_config import FrameSettings
from endofm.tasks.segment_data import EvaluationFrames, SeenFrame, only
from endofm.tasks.segment_windows import lesion_probs
from endofm.tasks.sharing import evaluating, gather, own_places

LESION_FROM = 0.5
"""A pixel of a higher probability is marked: the likelier of lesion and background."""
SMALLEST_PROBABILITY = 1e-7

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class SegmentedFrame:
    """What is said of a frame, and what is true."""

    sequence: int
    """Place in the list of sequences."""
    place: int
    """In the sequence, from 0."""
    coarse_probs: NDArray[np.float32]  # (h, w)
    probs: NDArray[np.float32]  # (H, W)
    truth: NDArray[np.bool_]  # (H, W)

    @property
    def predicted(self) -> NDArray[np.bool_]:
        """Where a lesion is marked, (H, W)."""
        return self.probs > LESION_FROM


def segmented_frames(
    segmenter: TransUNet,
    sequences: Sequence[FrameSequence],
    settings: FrameSettings,
    *,
    chosen: Sequence[int],
    num_workers: int = 0,
) -> Iterator[SegmentedFrame]:
    """Every frame of the chosen sequences, one sequence through the network at a time.

    The number of workers, which read the files, changes nothing.

    Args:
        segmenter: In eval mode, on any device.
        sequences: What to choose from.
        settings: How frames are seen.
        chosen: Places in ``sequences``.
        num_workers: Loader processes.

    Raises:
        DataError: A frame or a mask cannot be read.
    """
    parts = [sequences[index] for index in chosen]
    frames = EvaluationFrames(parts, settings)
    loader = Loader(
        frames, [[index] for index in range(len(frames))], collate=only, num_workers=num_workers
    )
    samples = iter(loader)
    for index, part in zip(chosen, parts, strict=True):
        waiting: deque[SeenFrame] = deque()
        num_frames = len(part.frames)
        probs = lesion_probs(
            segmenter,
            _passing(samples, waiting, num_frames),
            num_frames=num_frames,
            settings=settings,
        )
        for place, coarse in enumerate(probs):
            truth = waiting.popleft().truth
            yield SegmentedFrame(index, place, coarse, resize_probs(coarse, truth.shape), truth)


def resize_probs(probs: NDArray[np.float32], size_hw: tuple[int, ...]) -> NDArray[np.float32]:
    """Bilinearly, ``(h, w) -> (H, W)``."""
    height, width = size_hw
    return cv2.resize(probs, (width, height)).astype(np.float32, copy=False)


def validation_scores(
    segmenter: TransUNet,
    sequences: Sequence[FrameSequence],
    settings: FrameSettings,
    *,
    num_workers: int = 0,
    accelerator: Accelerator,
) -> dict[str, float]:
    """How good the network is while it trains; each process must call this, and gets the same.

    Returns:
        ``loss``, the training's loss of each whole sequence in the size of its files, the mean
        over sequences; ``dice``, the mean over frames with a lesion, 0 where there is none.
    """
    own = own_places(len(sequences), accelerator)
    sums = {index: _Sums() for index in own}
    with evaluating(segmenter):
        for frame in segmented_frames(
            segmenter, sequences, settings, chosen=own, num_workers=num_workers
        ):
            sums[frame.sequence].add(frame)
    found = gather(list(sums.items()), accelerator)
    if sorted(index for index, _ in found) != list(range(len(sequences))):
        raise RunError(
            f"{len(found)} scores for {len(sequences)} sequences", "please report this as a bug"
        )
    ordered = [one for _, one in sorted(found, key=lambda pair: pair[0])]
    dice = [value for one in ordered for value in one.dice]
    return {
        "loss": float(np.mean([one.loss() for one in ordered])),
        "dice": float(np.mean(dice)) if dice else 0.0,
    }


class _Sums:
    """A sequence's loss, frame by frame."""

    def __init__(self) -> None:
        self.dice: list[float] = []
        self.entropy = 0.0
        self.num_px = 0
        self.overlap = np.zeros(2)  # of background and lesion
        self.areas = np.zeros(2)

    def add(self, frame: SegmentedFrame) -> None:
        """One more frame."""
        truth, predicted = frame.truth, frame.predicted
        if truth.any():
            both = np.count_nonzero(predicted & truth)
            self.dice.append(2 * both / (np.count_nonzero(predicted) + np.count_nonzero(truth)))
        for k, (probs, true) in enumerate(((1 - frame.probs, ~truth), (frame.probs, truth))):
            right = probs[true]
            self.entropy -= float(np.log(right.clip(SMALLEST_PROBABILITY)).sum(dtype=np.float64))
            self.overlap[k] += right.sum(dtype=np.float64)
            self.areas[k] += np.square(probs).sum(dtype=np.float64) + np.count_nonzero(true)
        self.num_px += truth.size

    def loss(self) -> float:
        """As ``objectives.segmentation`` defines it."""
        dice = (2 * self.overlap + DICE_SMOOTH) / (self.areas + DICE_SMOOTH)
        return float((self.entropy / self.num_px + 1 - dice.mean()) / 2)


def _passing(
    samples: Iterator[SeenFrame], waiting: deque[SeenFrame], num: int
) -> Iterator[NDArray[np.uint8]]:
    """The next pictures; what is known of them waits for the answer."""
    for _ in range(num):
        sample = next(samples)
        waiting.append(sample)
        yield sample.picture
