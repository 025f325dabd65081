"""The score of a classifier on one split, with intervals, and what it said of each video."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from endofm.data.labelled import LabelledSet, read_labelled, targets
from endofm.data.manifests import Video
from endofm.engine.environment import describe_environment
from endofm.engine.weights import weights_sha256
from endofm.errors import ConfigError, DataError, RunError
from endofm.files import replacing
from endofm.metrics.classification import classification_scores, confusion_matrix
from endofm.metrics.curves import precision_recall_points, reliability_bins, roc_points
from endofm.metrics.intervals import Estimate
from endofm.metrics.predictions import Predictions, choose_thresholds, confident_answers
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder, write_json
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.classify_scores import video_scores
from endofm.tasks.classify_trained import (
    NOT_CHOSEN,
    SELECTED_BY,
    TrainedClassifier,
    read_trained,
)

UNKNOWN_PAST = "whether these videos were trained on is not known: the weights are no run of ours"
NO_THRESHOLD = f"no videos have chosen the threshold: it is {NOT_CHOSEN}"


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
    source: str | Path,
    *,
    split: str = "test",
    data: str | Path | None = None,
    out: str | Path | None = None,
    classes: Sequence[str] | None = None,
    sampling: SamplingSettings | None = None,
    num_workers: int = 2,
    show_progress: bool = True,
) -> Evaluation:
    """Score a classifier; writes ``results-<split>.json`` and a table of the videos.

    Of a run, thresholds come from its validation videos, never from those that are reported.
    Processes of one launch (``torchrun``) share the videos; the first one writes.

    Args:
        source: Folder of a fine-tuning run, whose best weights are scored; or a classifier's
            weights, such as the original's ``polypdiag.pth``, on ``data`` into ``out``.
        split: Which of the run's splits, or of ``data``'s.
        data: Other labelled videos of the same classes than those the run was given.
        out: Folder to write to instead of the run's.
        classes: What the outputs of weights that are no run are called; ``0``, ``1``, ... .
        sampling: How clips are taken for weights that are no run.
        num_workers: Loader processes; they change no number.
        show_progress: Show a progress bar on standard error.

    Raises:
        EndofmError: There are no such weights or split, the labels are others than the
            classifier's, a group of the split was trained on, or a video cannot be read.
    """
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    main = accelerator.is_main_process
    trained = read_trained(
        source, classes=classes, sampling=sampling, device=str(accelerator.device)
    )
    run = trained.run
    if run is None and (data is None or out is None):
        raise ConfigError(
            f"{source} are weights without a run", "add --data LABELLED and --out FOLDER"
        )
    labelled = run.labelled if run and data is None else _other_set(Path(str(data)), trained)
    videos = _videos_of(labelled, split, where=str(data or source))
    if run:
        _refuse_trained_on(videos, run.labelled, split=split)
    show = show_progress and main
    with ProgressBar(f"scoring {split}", total=0, unit="videos", show=show) as bar:
        scores = video_scores(
            trained.network,
            videos,
            trained.sampling,
            multi_label=trained.multi_label,
            num_workers=num_workers,
            accelerator=accelerator,
            progress=bar.set,
        )
    predictions = predictions_of(scores, videos, labelled)
    chosen_here = run is not None and split == SELECTED_BY and data is None
    thresholds = choose_thresholds(predictions) if chosen_here else _thresholds(trained)
    estimates = classification_scores(predictions, thresholds=thresholds)
    folder = RunFolder(Path(out or source))
    name = f"{split}-{Path(data).stem}" if run and data else split
    results, table = folder.results(name), folder.predictions(name)
    notes = (*_notes(trained), *folder.scored_before(name))
    if main:
        measured = _measured(predictions, estimates, thresholds)
        about = {"split": split, "data": str(data or (run.config.data if run else ""))}
        write_json(results, {"task": "classify", **about, **_about(trained, notes), **measured})
        _write_table(table, predictions, videos)
    accelerator.wait_for_everyone()
    return Evaluation(estimates, results, table, notes)


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


def _other_set(path: Path, trained: TrainedClassifier) -> LabelledSet:
    return read_labelled(
        path,
        classes=trained.classes,
        folder_fps=trained.sampling.folder_fps,
        multi_label=trained.multi_label,
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


def _thresholds(trained: TrainedClassifier) -> np.ndarray:
    if trained.run and not trained.thresholds_from:
        raise RunError(
            f"{trained.source}: no thresholds chosen on validation",
            f"run first: endofm evaluate {trained.source} --split {SELECTED_BY}",
        )
    return trained.thresholds


def _notes(trained: TrainedClassifier) -> tuple[str, ...]:
    return trained.run.labelled.notes if trained.run else (UNKNOWN_PAST, NO_THRESHOLD)


def _about(trained: TrainedClassifier, notes: Sequence[str]) -> dict[str, Any]:
    """What was asked, as JSON."""
    run = trained.run
    return {
        "source": trained.source,
        "data_note": run.config.data_note if run else "",
        "classes": list(trained.classes),
        "multi_label": trained.multi_label,
        "thresholds_from": SELECTED_BY if run else "",
        "selected_on_reported": run is not None and run.config.select_on_test,
        "notes": list(notes),
        "sampling": trained.sampling.model_dump(mode="json"),
        "weights_sha256": weights_sha256(trained.network.state_dict()),
        "environment": describe_environment(),
    }


def _measured(
    predictions: Predictions, estimates: Mapping[str, Estimate], thresholds: np.ndarray
) -> dict[str, Any]:
    """What was found, as JSON."""
    return {
        "num_videos": len(predictions.groups),
        "num_groups": len(set(predictions.groups)),
        "scores": {metric: estimate.plain() for metric, estimate in estimates.items()},
        "confusion": confusion_matrix(predictions, thresholds=thresholds).tolist(),
        "curves": _curves(predictions),
        "thresholds": thresholds.tolist(),
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
