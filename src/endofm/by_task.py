"""Fine-tuning and evaluation whatever the task: settings, or the weights, tell which it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from endofm.engine.loading import task_of
from endofm.errors import ConfigError
from endofm.tasks import (
    classify,
    classify_evaluate,
    detect,
    detect_config,
    detect_evaluate,
    segment,
    segment_evaluate,
)
from endofm.tasks.classify_config import ClassifyConfig, SamplingSettings
from endofm.tasks.detect_config import DetectConfig
from endofm.tasks.finetuning import FinetuneResult
from endofm.tasks.segment_config import ScoringSettings, SegmentConfig

Evaluation = classify_evaluate.Evaluation | segment_evaluate.Evaluation | detect_evaluate.Evaluation

KINDS = {"classify": "classifier", "segment": "segmenter", "detect": "detector"}
Kind = TypeVar("Kind")


def finetune(
    config: ClassifyConfig | SegmentConfig | DetectConfig,
    *,
    resume: bool = False,
    show_progress: bool = True,
) -> FinetuneResult:
    """Train a classifier, a segmenter or a detector; told to stop, it saves and returns.

    A finished run also holds the score of its best weights on the validation part.

    Args:
        config: All settings; ``config.out`` is the run folder.
        resume: Go on from the folder's last checkpoint, or start if there is no run in it.
        show_progress: Show a progress bar and what is found on standard error.

    Raises:
        EndofmError: Anything a user can put right: see ``tasks.classify``, ``tasks.segment``
            and ``tasks.detect``.
    """
    if isinstance(config, SegmentConfig):
        return segment.finetune(config, resume=resume, show_progress=show_progress)
    if isinstance(config, DetectConfig):
        return detect.finetune(config, resume=resume, show_progress=show_progress)
    return classify.finetune(config, resume=resume, show_progress=show_progress)


def evaluate(
    source: str | Path,
    *,
    split: str = "test",
    data: str | Path | None = None,
    out: str | Path | None = None,
    classes: Sequence[str] | None = None,
    sampling: SamplingSettings | None = None,
    scoring: ScoringSettings | detect_config.ScoringSettings | None = None,
    num_workers: int = 2,
    show_progress: bool = True,
) -> Evaluation:
    """Score a classifier, a segmenter or a detector; writes ``results-<split>.json`` and a table.

    Args:
        source: Folder of a fine-tuning run, whose best weights are scored; or fine-tuned weights,
            such as the original's ``polypdiag.pth``, ``cvc.pth`` or ``kumc.pth``, on ``data`` into
            ``out``.
        split: Which of the run's splits, or of ``data``'s.
        data: Other data than the run was given.
        out: Folder to write to instead of the run's.
        classes: What the outputs of a classifier or a detector without a run are called; numbers.
        sampling: How clips are taken for a classifier without a run.
        scoring: How a segmenter or a detector without a run is scored.
        num_workers: Loader processes; they change no number.
        show_progress: Show a progress bar on standard error.

    Raises:
        EndofmError: There are no such weights, data or split, some of it was trained on or cannot
            be read, or an option is of another task.
    """
    task = task_of(source) or "classify"
    others: dict[str, dict[str, object]] = {
        "classify": {"scoring": scoring},
        "segment": {"classes": classes, "sampling": sampling},
        "detect": {"sampling": sampling},
    }
    if wrong := [name for name, value in others[task].items() if value is not None]:
        raise ConfigError(f"{source} is a {KINDS[task]}", f"leave out {wrong[0]}")
    if task == "segment":
        return segment_evaluate.evaluate(
            source,
            split=split,
            data=data,
            out=out,
            scoring=_of_kind(scoring, ScoringSettings),
            num_workers=num_workers,
            show_progress=show_progress,
        )
    if task == "detect":
        return detect_evaluate.evaluate(
            source,
            split=split,
            data=data,
            out=out,
            classes=classes,
            scoring=_of_kind(scoring, detect_config.ScoringSettings),
            show_progress=show_progress,
        )
    return classify_evaluate.evaluate(
        source,
        split=split,
        data=data,
        out=out,
        classes=classes,
        sampling=sampling,
        num_workers=num_workers,
        show_progress=show_progress,
    )


def _of_kind(scoring: object, kind: type[Kind]) -> Kind | None:
    """The settings as they are, if they are of this task."""
    if scoring is not None and not isinstance(scoring, kind):
        raise ConfigError("scoring is of another task", f"give a {kind.__module__} one")
    return scoring
