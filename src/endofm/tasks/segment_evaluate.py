"""The score of a segmenter on one split, with intervals, and what it said of each frame."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from endofm.catalog.segmentation import find_segmented
from endofm.data.masks import read_mask
from endofm.data.rle import decode, encode
from endofm.data.segmented import FrameSequence, SegmentedSet
from endofm.engine.environment import describe_environment
from endofm.engine.weights import weights_sha256
from endofm.errors import ConfigError, DataError, RunError
from endofm.files import replacing
from endofm.metrics.intervals import Estimate, cluster_bootstrap
from endofm.metrics.original_segmentation import original_volume_scores
from endofm.metrics.segmentation import METRICS, FrameScores, frame_scores, segmentation_scores
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder, write_json
from endofm.tasks.segment_config import FrameSettings, ScoringSettings
from endofm.tasks.segment_figure import ShownFrame, frames_to_show, write_figure
from endofm.tasks.segment_scores import (
    LESION_FROM,
    Progress,
    segmented_frames,
)
from endofm.tasks.segment_trained import TrainedSegmenter, read_trained
from endofm.tasks.sharing import evaluating, gather, own_places

UNKNOWN_PAST = (
    "whether these sequences were trained on is not known: the weights are no run of ours"
)
ORIGINAL_SCORES = ("dice", "hd95_px")


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and where it is written."""

    scores: dict[str, dict[str, Estimate]]
    """By level and name, as ``segmentation_scores`` gives them."""
    results: Path
    predictions: Path
    notes: tuple[str, ...]
    """What a reader of the scores must know."""


@dataclass(frozen=True)
class FrameResult:
    """What is found of a frame."""

    sequence: int
    place: int
    scores: FrameScores
    predicted: NDArray[np.int32]
    """Run lengths of what is marked."""
    size_hw: tuple[int, int]


def evaluate(
    source: str | Path,
    *,
    split: str = "test",
    data: str | Path | None = None,
    out: str | Path | None = None,
    scoring: ScoringSettings | None = None,
    num_workers: int = 2,
    show_progress: bool = True,
) -> Evaluation:
    """Score a segmenter; writes ``results-<split>.json`` and a table of the frames.

    Processes of one launch (``torchrun``) share the sequences; the first one writes.

    Args:
        source: Folder of a training run, whose best weights are scored; or a segmenter's weights,
            such as the original's ``cvc.pth``, on ``data`` into ``out``.
        split: Which of the run's splits, or of ``data``'s.
        data: Other frames with masks than those the run was given.
        out: Folder to write to instead of the run's.
        scoring: How weights that are no run are scored.
        num_workers: Loader processes; they change no number.
        show_progress: Show a progress bar on standard error.

    Raises:
        EndofmError: There are no such weights or split, a sequence was trained on, or a frame or
            its mask cannot be read.
    """
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    frames = scoring.frames if scoring else None
    trained = read_trained(source, frames=frames, device=str(accelerator.device))
    run = trained.run
    scoring = scoring or ScoringSettings()
    if run is None and (data is None or out is None):
        raise ConfigError(
            f"{source} are weights without a run", "add --data FRAMES_AND_MASKS and --out FOLDER"
        )
    segmented = (
        run.segmented
        if run and data is None
        else find_segmented(
            Path(str(data)),
            original_split=scoring.original_split,
            threshold=trained.frames.mask_threshold,
            divide=False,
        )
    )
    sequences = segmented.splits.get(split)
    if not sequences:
        raise DataError(
            f"{data or source} has no split {split!r}",
            f"choose {', '.join(segmented.splits)} with --split",
        )
    if run and not (run.config.original_split and data is None):
        _refuse_trained_on(sequences, run.segmented, split=split)
    show = show_progress and accelerator.is_main_process
    num_frames = sum(len(sequence.frames) for sequence in sequences)
    with ProgressBar(f"scoring {split}", total=num_frames, unit="frames", show=show) as bar:
        results, original = _score(
            trained,
            sequences,
            accelerator=accelerator,
            num_workers=num_workers,
            want_original=run.config.original_scores if run else scoring.original_scores,
            progress=bar.set,
        )
    groups = [sequences[one.sequence].origin for one in results]
    estimates = segmentation_scores(
        [one.scores for one in results],
        sequences=[sequences[one.sequence].name for one in results],
        groups=groups,
    )
    folder = RunFolder(Path(out or source))
    name = f"{split}-{Path(data).stem}" if run and data else split
    notes = (
        *segmented.notes,
        *(() if run else (UNKNOWN_PAST,)),
        *folder.scored_before(name),
    )
    if accelerator.is_main_process:
        about = {"split": split, "data": str(data or (run.config.data if run else ""))}
        measured = {
            "num_frames": len(results),
            "num_sequences": len(sequences),
            "num_groups": len(set(groups)),
            "scores": {
                level: {metric: estimate.plain() for metric, estimate in of.items()}
                for level, of in estimates.items()
            },
            "original_scores": _original_estimates(original, sequences),
        }
        write_json(
            folder.results(name),
            {"task": "segment", **about, **_about(trained, notes), **measured},
        )
        _write_table(folder.predictions(name), results, sequences)
        write_figure(folder.segmented_figure(name), _shown(results, sequences, trained.frames))
    accelerator.wait_for_everyone()
    return Evaluation(estimates, folder.results(name), folder.predictions(name), notes)


def _score(
    trained: TrainedSegmenter,
    sequences: Sequence[FrameSequence],
    *,
    accelerator: Accelerator,
    num_workers: int,
    want_original: bool,
    progress: Progress,
) -> tuple[list[FrameResult], list[tuple[float, float]]]:
    """Every frame's scores in order; and of each sequence the original's, if they are asked for."""
    own = own_places(len(sequences), accelerator)
    results: list[FrameResult] = []
    volumes: dict[int, list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]] = {i: [] for i in own}
    num_own = sum(len(sequences[index].frames) for index in own)
    with evaluating(trained.network):
        for frame in segmented_frames(
            trained.network, sequences, trained.frames, chosen=own, num_workers=num_workers
        ):
            scores = frame_scores(frame.probs, frame.predicted, frame.truth)
            marked = encode(frame.predicted)
            height, width = frame.truth.shape
            results.append(
                FrameResult(frame.sequence, frame.place, scores, marked, (height, width))
            )
            if want_original:
                coarse = frame.coarse_probs > LESION_FROM
                volumes[frame.sequence].append((coarse, _coarse(frame.truth, coarse.shape)))
            progress(len(results), num_own)
    original = [
        (index, original_volume_scores(*map(np.stack, zip(*volume, strict=True))))
        for index, volume in volumes.items()
        if volume
    ]
    everyone = sorted(gather(results, accelerator), key=lambda one: (one.sequence, one.place))
    expected = [(k, t) for k, one in enumerate(sequences) for t in range(len(one.frames))]
    if [(one.sequence, one.place) for one in everyone] != expected:
        raise RunError(
            f"{len(everyone)} scores for {len(expected)} frames", "please report this as a bug"
        )
    return everyone, [scores for _, scores in sorted(gather(original, accelerator))]


def _coarse(mask: NDArray[np.bool_], size_hw: tuple[int, ...]) -> NDArray[np.bool_]:
    height, width = size_hw
    resized = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return resized.astype(bool)


def _refuse_trained_on(
    sequences: Sequence[FrameSequence], own: SegmentedSet, *, split: str
) -> None:
    """A score on frames or patients that were trained on measures memory."""
    if split == "train":
        return
    groups = {sequence.group for sequence in own.splits["train"] if sequence.group}
    paths = {frame.resolve() for sequence in own.splits["train"] for frame in sequence.frames}
    for sequence in sequences:
        if sequence.group in groups or any(frame.resolve() in paths for frame in sequence.frames):
            raise DataError(
                f"{sequence.frames[0].parent}: sequence {sequence.name!r} was trained on",
                "leave it out, or give the patients of other data other names",
            )


def _about(trained: TrainedSegmenter, notes: Sequence[str]) -> dict[str, Any]:
    """What was asked, as JSON."""
    run = trained.run
    return {
        "source": trained.source,
        "data_note": run.config.data_note if run else "",
        "selected_on_reported": run is not None and run.config.select_on_test,
        "notes": list(notes),
        "frames": trained.frames.model_dump(mode="json"),
        "weights_sha256": weights_sha256(trained.network.state_dict()),
        "environment": describe_environment(),
    }


def _original_estimates(
    original: Sequence[tuple[float, float]], sequences: Sequence[FrameSequence]
) -> dict[str, Any]:
    """The original's Dice and HD95 by sequence, averaged."""
    values = np.array(original)  # (number of sequences, 2)
    groups = [sequence.origin for sequence in sequences]

    def mean(column: int) -> Mapping[str, Any]:
        return cluster_bootstrap(lambda items: float(values[items, column].mean()), groups).plain()

    return {name: mean(column) for column, name in enumerate(ORIGINAL_SCORES) if len(values)}


def _shown(
    results: Sequence[FrameResult], sequences: Sequence[FrameSequence], settings: FrameSettings
) -> list[ShownFrame]:
    """The frames to look at."""
    shown = []
    for kind, number in frames_to_show([one.scores.dice for one in results]):
        one = results[number]
        sequence = sequences[one.sequence]
        shown.append(
            ShownFrame(
                kind=kind,
                sequence=sequence.name,
                place=one.place,
                dice=one.scores.dice,
                file=sequence.frames[one.place],
                predicted=decode(one.predicted, one.size_hw),
                truth=read_mask(sequence.masks[one.place], threshold=settings.mask_threshold),
            )
        )
    return shown


def _write_table(
    path: Path, results: Sequence[FrameResult], sequences: Sequence[FrameSequence]
) -> None:
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        counts = ("lesion_px", "predicted_px", "num_px")
        rows.writerow(["sequence", "frame", "path", "group", *counts, *METRICS])
        for one in results:
            sequence, scores = sequences[one.sequence], one.scores
            frame = sequence.frames[one.place].as_posix()
            found = [getattr(scores, name) for name in METRICS]
            lesion_px = scores.true_positive_px + scores.false_negative_px
            predicted_px = scores.true_positive_px + scores.false_positive_px
            rows.writerow(
                [sequence.name, one.place, frame, sequence.origin]
                + [lesion_px, predicted_px, scores.num_px]
                + ["" if math.isnan(value) else f"{value:.6f}" for value in found]
            )
