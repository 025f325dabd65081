"""The score of a classifier on one split, with intervals, and what it said of each video."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from endofm.config import read_yaml
from endofm.data.labelled import LabelledSet, read_labelled, targets
from endofm.data.manifests import Video
from endofm.engine.environment import describe_environment
from endofm.engine.loading import load_classifier
from endofm.engine.weights import weights_sha256
from endofm.errors import DataError, RunError
from endofm.files import replacing
from endofm.metrics.classification import classification_scores, confusion_matrix
from endofm.metrics.curves import precision_recall_points, reliability_bins, roc_points
from endofm.metrics.intervals import Estimate
from endofm.metrics.predictions import Predictions, choose_thresholds, confident_answers
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder, write_json
from endofm.tasks.classify_config import ClassifyConfig
from endofm.tasks.classify_scores import video_scores
from endofm.tasks.classify_sets import read_set

SELECTED_BY = "val"
"""The split that picks the best weights and the thresholds."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and where it is written."""

    scores: dict[str, Estimate]
    """By the name of the metric."""
    results: Path
    predictions: Path
    notes: tuple[str, ...]
    """What a reader of the scores must know."""


def evaluate(
    run: str | Path,
    *,
    split: str = "test",
    data: str | Path | None = None,
    num_workers: int = 2,
    show_progress: bool = True,
) -> Evaluation:
    """Score the best weights of a run; writes ``results-<split>.json`` and a table of the videos.

    Thresholds come from the run's validation videos, never from those that are reported.

    Args:
        run: Folder of a fine-tuning run.
        split: Which of the run's splits, or of ``data``'s.
        data: Other labelled videos of the same classes than those the run was given.
        num_workers: Loader processes; they change no number.
        show_progress: Show a progress bar on standard error.

    Raises:
        EndofmError: There is no such run or split, the labels are others than the run's, a group
            of the split was trained on, or a video cannot be read.
    """
    folder = RunFolder(Path(run))
    if not folder.labelled.is_file():
        raise RunError(
            f"{folder.path} holds no fine-tuning run", "train one with endofm finetune classify"
        )
    config = ClassifyConfig.parse(read_yaml(folder.config), where=str(folder.config))
    own = read_set(folder.labelled)
    labelled = own if data is None else _other_set(Path(data), own, config)
    videos = _videos_of(labelled, split, where=str(data or folder.path))
    _refuse_trained_on(videos, own, split=split)
    classifier = load_classifier(folder.path)
    classifier.to("cuda" if torch.cuda.is_available() else "cpu")
    with ProgressBar(f"scoring {split}", total=0, unit="videos", show=show_progress) as bar:
        scores = video_scores(
            classifier,
            videos,
            config.sampling,
            multi_label=own.multi_label,
            num_workers=num_workers,
            progress=bar.set,
        )
    predictions = predictions_of(scores, videos, own)
    chosen_here = split == SELECTED_BY and data is None
    thresholds = choose_thresholds(predictions) if chosen_here else _thresholds(folder)
    estimates = classification_scores(predictions, thresholds=thresholds)
    name = split if data is None else f"{split}-{Path(data).stem}"
    results, table = folder.results(name), folder.predictions(name)
    write_json(
        results,
        {
            "task": "classify",
            "split": split,
            "data": str(data or config.data),
            "data_note": config.data_note,
            "num_videos": len(videos),
            "num_groups": len({video.origin for video in videos}),
            "classes": list(own.classes),
            "multi_label": own.multi_label,
            "scores": {metric: _plain(estimate) for metric, estimate in estimates.items()},
            "confusion": confusion_matrix(predictions, thresholds=thresholds).tolist(),
            "curves": _curves(predictions),
            "thresholds": np.asarray(thresholds).tolist(),
            "thresholds_from": SELECTED_BY,
            "selected_on_reported": config.select_on_test,
            "notes": list(own.notes),
            "sampling": config.sampling.model_dump(mode="json"),
            "weights_sha256": weights_sha256(classifier.state_dict()),
            "environment": describe_environment(),
        },
    )
    _write_table(table, predictions, videos)
    return Evaluation(estimates, results, table, own.notes)


def predictions_of(
    scores: np.ndarray, videos: Sequence[Video], labelled: LabelledSet
) -> Predictions:
    """Probabilities (N, K) beside the true labels and groups of the videos."""
    return Predictions(
        scores=scores,
        labels=targets(videos, labelled.classes, multi_label=labelled.multi_label),
        groups=tuple(video.origin for video in videos),
        classes=labelled.classes,
        multi_label=labelled.multi_label,
    )


def _other_set(path: Path, own: LabelledSet, config: ClassifyConfig) -> LabelledSet:
    return read_labelled(
        path,
        classes=own.classes,
        folder_fps=config.sampling.folder_fps,
        multi_label=own.multi_label,
    )


def _videos_of(labelled: LabelledSet, split: str, *, where: str) -> Sequence[Video]:
    videos = labelled.splits.get(split)
    if not videos:
        raise DataError(
            f"{where} has no split {split!r}", f"choose {', '.join(labelled.splits)} with --split"
        )
    return videos


def _refuse_trained_on(videos: Sequence[Video], own: LabelledSet, *, split: str) -> None:
    """A score on videos or patients that were trained on measures memory."""
    if split == "train":
        return
    groups = {video.origin for video in own.splits["train"]}
    paths = {video.path.resolve() for video in own.splits["train"]}
    for video in videos:
        if video.origin in groups or video.path.resolve() in paths:
            raise DataError(
                f"{video.path}: its group {video.origin!r} was trained on",
                "leave it out, or give the patients of other data other names",
            )


def _thresholds(folder: RunFolder) -> np.ndarray:
    path = folder.results(SELECTED_BY)
    try:
        return np.array(json.loads(path.read_text(encoding="utf-8"))["thresholds"])
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(
            f"{path}: no thresholds chosen on validation",
            f"run first: endofm evaluate {folder.path} --split {SELECTED_BY}",
        ) from None


def _plain(estimate: Estimate) -> dict[str, Any]:
    """An estimate as JSON, which has no nan."""
    return {
        key: None if isinstance(value, float) and np.isnan(value) else value
        for key, value in asdict(estimate).items()
    }


def _curves(predictions: Predictions) -> dict[str, Any]:
    """What the page draws, as JSON; of two classes only the positive one's."""
    asked = range(len(predictions.classes))[predictions.questions]
    classes = {}
    for k in asked:
        scores, positives = predictions.scores[:, k], predictions.targets[:, k]
        roc, recall = roc_points(scores, positives), precision_recall_points(scores, positives)
        classes[predictions.classes[k]] = {
            "roc": {
                "false_positive_rate": _numbers(roc.false_positive_rate),
                "sensitivity": _numbers(roc.sensitivity),
            },
            "precision_recall": {
                "recall": _numbers(recall.recall),
                "precision": _numbers(recall.precision),
            },
        }
    confidence, right = confident_answers(predictions)
    bins = reliability_bins(confidence.ravel(), right.ravel())
    reliability = {"confidence": _numbers(bins.confidence), "accuracy": _numbers(bins.accuracy)}
    return {"classes": classes, "reliability": {**reliability, "num": bins.num.tolist()}}


def _numbers(values: np.ndarray) -> list[float | None]:
    """As JSON, which has no nan."""
    return [None if np.isnan(value) else value for value in values.tolist()]


def _write_table(path: Path, predictions: Predictions, videos: Sequence[Video]) -> None:
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "start_s", "end_s", "group", "label", *predictions.classes])
        for video, scores in zip(videos, predictions.scores, strict=True):
            part = ["" if at is None else at for at in (video.start_s, video.end_s)]
            shown = [f"{score:.6f}" for score in scores]
            rows.writerow([video.path.as_posix(), *part, video.origin, video.label, *shown])
