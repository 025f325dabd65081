"""A segmenter on sequences of any length: overlapping windows, blended.

Axes: T frames of a window, h and w pixels of the network's frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from endofm.data.windows import window_starts
from endofm.models import TransUNet
from endofm.tasks.segment_config import FrameSettings
from endofm.tasks.segment_data import network_frames


@dataclass
class _Blend:
    """A frame's probabilities so far, weighted."""

    total: NDArray[np.float64]  # (h, w)
    weight: float


def lesion_probs(
    segmenter: TransUNet,
    pictures: Iterable[NDArray[np.uint8]],
    *,
    num_frames: int,
    settings: FrameSettings,
) -> Iterator[NDArray[np.float32]]:
    """The probability of a lesion in every pixel of every frame, in order.

    Windows of ``clip_frames`` begin every ``clip_frames - overlap_frames`` frames, and the last
    ends with the sequence. A frame of several windows gets their mean, each weighted by the
    frame's distance to the nearer end of the window, as there the network sees less around it. No
    more than a window of frames is held.

    Args:
        segmenter: In eval mode, on any device.
        pictures: Frames (h, w, 3) as from ``seen_pixels``, ``num_frames`` of them.
        num_frames: Length of the sequence, at least 1.
        settings: Windows and normalisation.

    Yields:
        (h, w) float32 in 0..1.
    """
    span = min(settings.clip_frames, num_frames)
    stride = settings.clip_frames - settings.overlap_frames
    starts = window_starts(num_frames, span_frames=settings.clip_frames, stride_frames=stride)
    source = iter(pictures)
    held: list[NDArray[np.uint8]] = []  # of the window
    blends: list[_Blend] = []  # of the same frames, as far as they have been seen
    first = 0  # the frame both begin with
    for start, following in zip(starts, [*starts[1:], num_frames], strict=True):
        del held[: start - first]
        first = start
        held.extend(next(source) for _ in range(span - len(held)))
        for place, probs in enumerate(_window_probs(segmenter, np.stack(held), settings)):
            weight = min(place + 1, span - place)
            if place == len(blends):
                blends.append(_Blend(np.zeros(probs.shape), 0.0))
            blends[place].total += weight * probs
            blends[place].weight += weight
        finished, blends = blends[: following - start], blends[following - start :]
        for blend in finished:
            yield (blend.total / blend.weight).astype(np.float32)


@torch.inference_mode()
def _window_probs(
    segmenter: TransUNet, pictures: NDArray[np.uint8], settings: FrameSettings
) -> NDArray[np.float32]:
    """``(T, h, w, 3) -> (T, h, w)``."""
    frames = torch.from_numpy(pictures)[None].to(segmenter.head.weight.device)
    logits = segmenter(network_frames(frames, settings)).float()  # (1, T, 2, h, w)
    probs: NDArray[np.float32] = logits.softmax(2)[0, :, 1].cpu().numpy()
    return probs
