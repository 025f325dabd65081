"""Is it learning? What k-NN and a linear probe read off the features of labelled clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from endofm.data.colour import normalise
from endofm.data.datasets import LabelledClips
from endofm.data.manifests import read_clip_list, whole_clip
from endofm.errors import DataError
from endofm.metrics.representation import LabelledFeatures, representation_scores
from endofm.models import TimeSformer
from endofm.tasks.pretrain_config import PretrainConfig

TRAIN_SPLIT = "train"
HELD_OUT_SPLITS = ("val", "test")
"""The split to score on is the first of these that the list has."""
LOGGED = ("knn_accuracy", "linear_probe_accuracy")


@dataclass(frozen=True)
class Probe:
    """Labelled clips in two parts that share no group.

    Args:
        list_name: The clip list's file name.
        split: Name of the held-out split.
        train: What neighbours and probe are made of.
        held_out: What they are scored on.
        num_neighbours: The k of k-NN.
    """

    list_name: str
    split: str
    train: LabelledClips
    held_out: LabelledClips
    num_neighbours: int

    def records(self, backbone: TimeSformer, *, step: int, note: str) -> Iterator[dict[str, Any]]:
        """One line of ``probes.jsonl`` for each accuracy, its interval clustered by group."""
        scores = representation_scores(
            _features(backbone, self.train),
            _features(backbone, self.held_out),
            k=self.num_neighbours,
        )
        for metric in LOGGED:
            estimate = scores[metric].estimate
            yield {
                "step": step,
                "metric": metric,
                "value": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "n": estimate.n,
                "num_groups": estimate.num_groups,
                "chance": scores[metric].chance,
                "list": self.list_name,
                "split": self.split,
                "data_note": note,
            }


def read_probe(config: PretrainConfig) -> Probe:
    """Read the labelled clip list that a pre-training is probed on.

    Raises:
        DataError: The list has no labels, a single class, no ``train`` or no held-out split, a
            class that ``train`` lacks, or a group (patient, video) in both.
    """
    path = config.probe.clips
    assert path is not None, "nothing to probe"
    videos = read_clip_list(path)
    splits = {video.split for video in videos}
    split = next((name for name in HELD_OUT_SPLITS if name in splits), None)
    if split is None or TRAIN_SPLIT not in splits:
        raise DataError(
            f"{path}: has no rows of split 'train', or none of 'val' or 'test'",
            "fill the column 'split': neighbours come from train, scores from val or test",
        )
    train = [whole_clip(video) for video in videos if video.split == TRAIN_SPLIT]
    held_out = [whole_clip(video) for video in videos if video.split == split]
    shared = sorted({clip.group for clip in train} & {clip.group for clip in held_out})
    if shared:
        raise DataError(
            f"{path}: group {shared[0]!r} is in both 'train' and {split!r}",
            "keep all videos of a patient in one split",
        )
    classes = sorted({clip.label for clip in train})
    if len(classes) < 2:
        raise DataError(
            f"{path}: split 'train' has the single label {classes[0]!r}", "two classes are needed"
        )
    if unknown := sorted({clip.label for clip in held_out} - set(classes)):
        raise DataError(
            f"{path}: label {unknown[0]!r} is in {split!r} but not in 'train'",
            "no neighbour can be of that class: add it to train, or leave its rows out",
        )
    sizes = {"num_frames": config.probe.num_frames, "size_px": config.views.global_size_px}
    return Probe(
        list_name=path.name,
        split=split,
        train=LabelledClips(train, classes=classes, **sizes),
        held_out=LabelledClips(held_out, classes=classes, **sizes),
        num_neighbours=config.probe.num_neighbours,
    )


@torch.no_grad()
def _features(backbone: TimeSformer, clips: LabelledClips) -> LabelledFeatures:
    device = backbone.cls_token.device
    training = backbone.training
    backbone.eval()
    features, labels = [], []
    for index in range(len(clips)):
        frames, label = clips[index]
        batch = normalise(torch.from_numpy(frames)[None].to(device))  # (1, 3, T, H, W)
        features.append(backbone(batch)[0].float().cpu().numpy())
        labels.append(label)
    backbone.train(training)
    groups = [clip.group for clip in clips.clips]
    return LabelledFeatures(np.stack(features), np.array(labels), groups)
