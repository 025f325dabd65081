"""The frames that speak most for a class, with the attention over them.

Axes: N windows, K classes, T frames of a window, S pixels, h and w patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endofm.data.datasets import ReadFrames, reading
from endofm.data.manifests import Clip
from endofm.metrics.predictions import questions
from endofm.tasks.classify_data import clip_indices, evaluation_squares
from endofm.tasks.classify_scores import probabilities
from endofm.tasks.classify_trained import TrainedClassifier
from endofm.tasks.figures import attention_maps

MAX_CLASSES = 4
"""Of many classes, those with the highest scores are shown."""


@dataclass(frozen=True)
class TellingFrame:
    """The frame of a high-scoring window that by itself has the highest score."""

    label: str
    """The class that it speaks for."""
    score: float
    """Probability of that class, given the whole window."""
    time_s: float
    frame: NDArray[np.uint8]  # (S, S, 3), as the network saw it
    attention: NDArray[np.float32]  # (h, w), class token of the last block, mean over heads


def telling_frames(
    trained: TrainedClassifier,
    clip: Clip,
    starts: Sequence[int],
    scores: np.ndarray,
    *,
    num_a_class: int,
) -> tuple[TellingFrame, ...]:
    """Look again at the windows with the highest scores.

    Args:
        trained: What gave the scores.
        clip: The whole video.
        starts: First frame of each window.
        scores: (N, K).
        num_a_class: Windows a class that do not overlap; fewer where there are no more.

    Returns:
        Class by class, the highest score first; of two alternatives only the second class.

    Raises:
        VideoError: A frame cannot be decoded.
    """
    asked = range(len(trained.classes))[
        questions(len(trained.classes), multi_label=trained.multi_label)
    ]
    shown = sorted(sorted(asked, key=lambda k: -scores[:, k].max())[:MAX_CLASSES])
    span_frames = trained.sampling.span_frames
    found = [
        (k, window)
        for k in shown
        for window in highest_apart(scores[:, k], starts, span_frames=span_frames, num=num_a_class)
    ]
    with reading(clip) as read_frames:
        return tuple(
            _telling_frame(
                trained,
                read_frames,
                clip_indices(clip.num_frames, starts[window], trained.sampling),
                label=k,
                score=float(scores[window, k]),
            )
            for k, window in found
        )


def highest_apart(
    scores: np.ndarray, starts: Sequence[int], *, span_frames: int, num: int
) -> list[int]:
    """The windows with the highest scores (N,) among those that share no frame, best first."""
    found: list[int] = []
    for window in np.argsort(-scores, kind="stable").tolist():
        if len(found) == num:
            break
        if all(abs(starts[window] - starts[other]) >= span_frames for other in found):
            found.append(window)
    return found


def _telling_frame(
    trained: TrainedClassifier,
    read_frames: ReadFrames,
    indices: NDArray[np.int64],
    *,
    label: int,
    score: float,
) -> TellingFrame:
    sampling = trained.sampling
    frames = evaluation_squares(np.stack(read_frames(indices.tolist())), sampling)
    alone = probabilities(
        trained.network, frames[:, None], sampling, multi_label=trained.multi_label
    )  # (T, K): each frame as a clip of its own
    best = int(alone[:, label].argmax())
    maps = attention_maps(
        trained.network.backbone, frames, mean=sampling.mean, std=sampling.std
    )  # (heads, T, h, w)
    return TellingFrame(
        label=trained.classes[label],
        score=score,
        time_s=float(indices[best] / sampling.target_fps),
        frame=np.clip(frames[best], 0, 255).round().astype(np.uint8),
        attention=maps[:, best].mean(0),
    )
