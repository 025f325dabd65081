"""Scoring a detector: boxes and lesions, with a threshold from validation."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from endofm.catalog.detection import read_boxes
from endofm.data.boxed import BoxedSequence, BoxedSet
from endofm.engine.environment import describe_environment
from endofm.engine.weights import weights_sha256
from endofm.errors import ConfigError, DataError, RunError
from endofm.files import replacing
from endofm.metrics.detection import (
    ScoredFrame,
    box_counts,
    choose_threshold,
    detection_scores,
    froc_points,
)
from endofm.metrics.intervals import Estimate
from endofm.metrics.original_detection import original_frame_scores
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder, write_json
from endofm.tasks.detect_config import ScoringSettings
from endofm.tasks.detect_figure import frames_to_show, write_figure
from endofm.tasks.detect_scores import scored_frames
from endofm.tasks.detect_trained import UNCHOSEN, TrainedDetector, read_trained

SELECTED_BY = "val"
UNKNOWN_PAST = (
    "whether these sequences were trained on is not known: the weights are no run of ours"
)
UNDECIDED = (
    f"no box found a lesion in validation, which therefore chose no threshold: {UNCHOSEN} is taken"
)
MOST_POINTS = 400
"""Of a curve, kept for the page."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and where it is written."""

    scores: Mapping[str, dict[str, Estimate]]
    """By level: ranking, boxes, centres, frames, froc, lesions."""
    results: Path
    predictions: Path
    """A table of the frames."""
    notes: tuple[str, ...]


def evaluate(
    source: str | Path,
    *,
    split: str = "test",
    data: str | Path | None = None,
    out: str | Path | None = None,
    classes: Sequence[str] | None = None,
    scoring: ScoringSettings | None = None,
    show_progress: bool = True,
) -> Evaluation:
    """Score a detector; writes ``results-<split>.json`` and a table of the frames.

    Of a run, the threshold comes from its validation sequences, never from those that are
    reported. Processes of one launch (``torchrun``) share the sequences; the first one writes.

    Args:
        source: Folder of a training run, whose best weights are scored; or a detector's weights,
            such as the original's ``kumc.pth``, on ``data`` into ``out``.
        split: Which of the run's splits, or of ``data``'s.
        data: Other frames with boxes than those the run was given.
        out: Folder to write to instead of the run's.
        classes: What the classes of weights that are no run are called.
        scoring: How weights that are no run see frames.
        show_progress: Show a progress bar on standard error.

    Raises:
        EndofmError: There are no such weights or split, a sequence was trained on, the classes are
            others, or a frame cannot be read.
    """
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    trained = read_trained(
        source,
        classes=tuple(classes) if classes else None,
        scoring=scoring,
        device=str(accelerator.device),
    )
    run = trained.run
    if run is None and (data is None or out is None):
        raise ConfigError(
            f"{source} are weights without a run", "add --data FRAMES_AND_BOXES and --out FOLDER"
        )
    boxed = run.boxed if run and data is None else _other_set(Path(str(data)), trained)
    sequences = boxed.splits.get(split)
    if not sequences:
        raise DataError(
            f"{data or source} has no split {split!r}",
            f"choose {', '.join(boxed.splits)} with --split",
        )
    if run:
        _refuse_trained_on(sequences, run.boxed, split=split)
    show = show_progress and accelerator.is_main_process
    num_frames = sum(len(sequence.frames) for sequence in sequences)
    with ProgressBar(f"scoring {split}", total=num_frames, unit="frames", show=show) as bar:
        frames = scored_frames(
            trained.network,
            sequences,
            frames=trained.frames,
            references=trained.references,
            accelerator=accelerator,
            progress=bar.set,
        )
    chosen_here = run is not None and split == SELECTED_BY and data is None
    chosen = choose_threshold(frames) if chosen_here else _threshold(trained)
    threshold = UNCHOSEN if chosen is None else chosen
    estimates = detection_scores(frames, classes=boxed.classes, threshold=threshold)
    folder = RunFolder(Path(out or source))
    name = f"{split}-{Path(data).stem}" if run and data else split
    doubts = (UNKNOWN_PAST,) if run is None else (UNDECIDED,) if chosen is None else ()
    notes = (*boxed.notes, *doubts, *folder.scored_before(name))
    if accelerator.is_main_process:
        about = {
            "split": split,
            "data": str(data or (run.config.data if run else "")),
            "classes": list(boxed.classes),
            "threshold_from": "" if chosen is None else SELECTED_BY,
        }
        measured = _measured(frames, estimates, threshold)
        write_json(
            folder.results(name), {"task": "detect", **about, **_about(trained, notes), **measured}
        )
        _write_table(folder.predictions(name), frames, sequences, threshold=threshold)
        shown = frames_to_show(frames, sequences, threshold=threshold)
        write_figure(folder.boxed_figure(name), shown, classes=boxed.classes)
    accelerator.wait_for_everyone()
    return Evaluation(estimates, folder.results(name), folder.predictions(name), notes)


def _other_set(path: Path, trained: TrainedDetector) -> BoxedSet:
    """Other data under the detector's list of classes."""
    found = read_boxes(path, divide=False)
    own = trained.classes
    if not trained.named and len(own) == len(found.classes):
        return found
    if set(found.classes) <= set(own):
        return found.with_classes(own, names={name: name for name in found.classes})
    if len(own) == len(found.classes) == 1:
        (name,) = found.classes
        note = f"the data's {name!r} is taken for the detector's {own[0]!r}"
        same = found.with_classes(own, names={name: own[0]})
        return replace(same, notes=(*found.notes, note))
    raise DataError(
        f"{path}: has the classes {', '.join(found.classes)}",
        f"the detector was trained on {', '.join(own)}",
    )


def _refuse_trained_on(sequences: Sequence[BoxedSequence], own: BoxedSet, *, split: str) -> None:
    """A score on frames or patients that were trained on measures memory."""
    if split == "train":
        return
    groups = {sequence.group for sequence in own.splits["train"] if sequence.group}
    frames = {
        (frame.path.resolve(), frame.index)
        for sequence in own.splits["train"]
        for frame in sequence.frames
    }
    for sequence in sequences:
        seen = any((frame.path.resolve(), frame.index) in frames for frame in sequence.frames)
        if sequence.group in groups or seen:
            raise DataError(
                f"{sequence.frames[0].path.parent}: sequence {sequence.name!r} was trained on",
                "leave it out, or give the patients of other data other names",
            )


def _threshold(trained: TrainedDetector) -> float | None:
    run = trained.run
    if run and not run.folder.results(SELECTED_BY).is_file():
        raise RunError(
            f"{trained.source}: no threshold chosen on validation",
            f"run first: endofm evaluate {trained.source} --split {SELECTED_BY}",
        )
    return trained.threshold


def _about(trained: TrainedDetector, notes: Sequence[str]) -> dict[str, Any]:
    """What was asked, as JSON."""
    run = trained.run
    return {
        "source": trained.source,
        "data_note": run.config.data_note if run else "",
        "selected_on_reported": run is not None and run.config.select_on_test,
        "notes": list(notes),
        "frames": trained.frames.model_dump(mode="json"),
        "references": trained.references.model_dump(mode="json"),
        "weights_sha256": weights_sha256(trained.network.state_dict()),
        "environment": describe_environment(),
    }


def _measured(
    frames: Sequence[ScoredFrame],
    estimates: Mapping[str, Mapping[str, Estimate]],
    threshold: float,
) -> dict[str, Any]:
    """What was found, as JSON."""
    points = froc_points(frames)
    step = max(1, len(points.sensitivity) // MOST_POINTS)
    return {
        "num_frames": len(frames),
        "num_boxes": sum(len(frame.truth_labels) for frame in frames),
        "num_sequences": len({frame.sequence for frame in frames}),
        "num_groups": len({frame.group for frame in frames}),
        "threshold": threshold,
        "scores": {
            level: {metric: estimate.plain() for metric, estimate in of.items()}
            for level, of in estimates.items()
        },
        "original_scores": original_frame_scores(frames),
        "froc": {
            "false_per_frame": points.false_per_frame[::step].tolist(),
            "sensitivity": points.sensitivity[::step].tolist(),
        },
    }


def _write_table(
    path: Path,
    frames: Sequence[ScoredFrame],
    sequences: Sequence[BoxedSequence],
    *,
    threshold: float,
) -> None:
    counts = box_counts(frames, threshold, by_centre=False).tolist()
    places = [frame for sequence in sequences for frame in sequence.frames]
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        found = ("true_positives", "false_positives", "false_negatives", "highest_score")
        rows.writerow(["sequence", "path", "index", "group", "time_s", *found])
        for frame, given, row in zip(frames, places, counts, strict=True):
            highest = f"{frame.scores.max():.6f}" if len(frame.scores) else ""
            time_s = "" if math.isnan(frame.time_s) else f"{frame.time_s:.3f}"
            index = "" if given.index is None else given.index
            path_of = given.path.as_posix()
            rows.writerow([frame.sequence, path_of, index, frame.group, time_s, *row, highest])
