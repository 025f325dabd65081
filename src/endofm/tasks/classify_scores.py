"""What a classifier says of videos: clips averaged, every video exactly once.

Axes: N videos, C clips of a video, T frames, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from endofm.data.colour import normalise
from endofm.data.loaders import Loader
from endofm.data.manifests import Video
from endofm.errors import RunError
from endofm.metrics.predictions import Predictions
from endofm.models import Classifier
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.classify_data import EvaluationVideos, Frames, Sample

SMALLEST_PROBABILITY = 1e-12

Progress = Callable[[int, int], object]


def video_scores(
    classifier: Classifier,
    videos: Sequence[Video],
    settings: SamplingSettings,
    *,
    multi_label: bool = False,
    num_workers: int = 0,
    accelerator: Accelerator | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Probabilities of each video's classes, the mean over its clips: (N, K) float64.

    Each video goes through the network by itself, in float32, whatever the number of processes
    and workers, which share the videos; so they change nothing.

    Args:
        classifier: Put in eval mode meanwhile.
        videos: What to score.
        settings: Clips of a video.
        multi_label: One probability a class, instead of a distribution over the classes.
        num_workers: Loader processes of each process.
        accelerator: Knows the other processes; each of them must call this, and gets all scores.
        progress: Called with the number of finished videos and of all of this process.

    Raises:
        EndofmError: A video cannot be read.
        RunError: Not every video was scored exactly once.
    """
    rank, num_ranks = (
        (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
    )
    own = list(range(rank, len(videos), num_ranks))
    loader = Loader(
        EvaluationVideos(videos, settings),
        [[index] for index in own],
        collate=_only,
        num_workers=num_workers,
    )
    training = classifier.training
    classifier.eval()
    scored: list[tuple[int, np.ndarray]] = []
    for sample in loader:
        scored.append(
            (
                sample.index,
                probabilities(classifier, sample.frames, settings, multi_label=multi_label).mean(0),
            )
        )
        if progress:
            progress(len(scored), len(own))
    classifier.train(training)
    everyone = gather_object(scored) if num_ranks > 1 else scored
    if sorted(index for index, _ in everyone) != list(range(len(videos))):
        raise RunError(
            f"{len(everyone)} scores for {len(videos)} videos", "please report this as a bug"
        )
    return np.stack([scores for _, scores in sorted(everyone, key=lambda pair: pair[0])])


def cross_entropy(predictions: Predictions) -> float:
    """Mean of -log of the probability of what is true, in nats; over all labels if there are many.

    ``nan`` without a video.
    """
    if not len(predictions.scores):
        return math.nan
    p = predictions.scores.clip(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)  # (N, K)
    if predictions.multi_label:
        return float(-np.log(np.where(predictions.targets, p, 1 - p)).mean())
    return float(-np.log(p[predictions.targets]).mean())


@torch.no_grad()
def probabilities(
    classifier: Classifier, clips: Frames, settings: SamplingSettings, *, multi_label: bool
) -> np.ndarray:
    """What a classifier, in its present mode, says of clips.

    Args:
        classifier: On any device.
        clips: Frames (C, T, S, S, 3) in 0..255.
        settings: Tell the mean and standard deviation to normalise by.
        multi_label: One probability a class, instead of a distribution over the classes.

    Returns:
        (C, K) float64.
    """
    frames = torch.from_numpy(clips).to(classifier.linear.weight.device)
    logits = classifier(normalise(frames, mean=settings.mean, std=settings.std)).cpu().double()
    return (logits.sigmoid() if multi_label else logits.softmax(-1)).numpy()


def _only(samples: Sequence[Sample]) -> Sample:
    (sample,) = samples
    return sample
