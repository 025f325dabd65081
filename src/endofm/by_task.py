"""Fine-tuning and evaluation whatever the task: settings, or the weights, tell which it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from endofm.engine.loading import task_of
from endofm.errors import ConfigError
from endofm.tasks import classify, classify_evaluate, segment, segment_evaluate
from endofm.tasks.classify_config import ClassifyConfig, SamplingSettings
from endofm.tasks.finetuning import FinetuneResult
from endofm.tasks.segment_config import ScoringSettings, SegmentConfig

Evaluation = classify_evaluate.Evaluation | segment_evaluate.Evaluation


def finetune(
    config: ClassifyConfig | SegmentConfig, *, resume: bool = False, show_progress: bool = True
) -> FinetuneResult:
    """Train a classifier or a segmenter; interrupted by Ctrl-C or SIGTERM, it saves and returns.

    A finished run also holds the score of its best weights on the validation part.

    Args:
        config: All settings; ``config.out`` is the run folder.
        resume: Go on from the folder's last checkpoint, or start if there is no run in it.
        show_progress: Show a progress bar and what is found on standard error.

    Raises:
        EndofmError: Anything a user can put right: see ``tasks.classify`` and ``tasks.segment``.
    """
    if isinstance(config, SegmentConfig):
        return segment.finetune(config, resume=resume, show_progress=show_progress)
    return classify.finetune(config, resume=resume, show_progress=show_progress)


def evaluate(
    source: str | Path,
    *,
    split: str = "test",
    data: str | Path | None = None,
    out: str | Path | None = None,
    classes: Sequence[str] | None = None,
    sampling: SamplingSettings | None = None,
    scoring: ScoringSettings | None = None,
    num_workers: int = 2,
    show_progress: bool = True,
) -> Evaluation:
    """Score a classifier or a segmenter; writes ``results-<split>.json`` and a table.

    Args:
        source: Folder of a fine-tuning run, whose best weights are scored; or fine-tuned weights,
            such as the original's ``polypdiag.pth`` or ``cvc.pth``, on ``data`` into ``out``.
        split: Which of the run's splits, or of ``data``'s.
        data: Other data than the run was given.
        out: Folder to write to instead of the run's.
        classes: What the outputs of a classifier without a run are called; ``0``, ``1``, ... .
        sampling: How clips are taken for a classifier without a run.
        scoring: How a segmenter without a run is scored.
        num_workers: Loader processes; they change no number.
        show_progress: Show a progress bar on standard error.

    Raises:
        EndofmError: There are no such weights, data or split, some of it was trained on or cannot
            be read, or an option is of another task.
    """
    task = task_of(source)
    others = (
        {"scoring": scoring} if task != "segment" else {"classes": classes, "sampling": sampling}
    )
    if wrong := [name for name, value in others.items() if value is not None]:
        raise ConfigError(
            f"{source} is a {'segmenter' if task == 'segment' else 'classifier'}",
            f"leave out {wrong[0]}",
        )
    if task == "segment":
        return segment_evaluate.evaluate(
            source,
            split=split,
            data=data,
            out=out,
            scoring=scoring,
            num_workers=num_workers,
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
