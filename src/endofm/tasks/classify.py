"""Fine-tuning from start to end: labelled videos in, a run folder with an honest score out.

Endo-FM (Wang et al., MICCAI 2023), Section 3.2 (PolypDiag).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from accelerate import Accelerator

from endofm.data.labelled import LabelledSet, read_labelled
from endofm.engine.runlog import claim, make_accelerator
from endofm.errors import ConfigError
from endofm.metrics.classification import classification_scores
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder
from endofm.tasks.classify_config import ClassifyConfig
from endofm.tasks.classify_evaluate import evaluate, predictions_of
from endofm.tasks.classify_job import ClassifyJob
from endofm.tasks.classify_scores import cross_entropy, video_scores
from endofm.tasks.classify_sets import read_set, write_set
from endofm.tasks.finetune_config import CHANGEABLE_ON_RESUME
from endofm.tasks.finetuning import FinetuneResult, train_job
from endofm.tasks.sizes import check_batch_size, check_frame_size

SELECTED_ON_TEST = "the best epoch is picked on the test videos: their scores are too good"


def finetune(
    config: ClassifyConfig, *, resume: bool = False, show_progress: bool = True
) -> FinetuneResult:
    """Train a classifier; interrupted by Ctrl-C or SIGTERM, it saves and returns early.

    A finished run also holds the score of its best weights on the validation videos, and with it
    the thresholds that later evaluations use.

    Args:
        config: All settings; ``config.out`` is the run folder.
        resume: Go on from the folder's last checkpoint, or start if there is no run in it.
        show_progress: Show a progress bar and what is found on standard error.

    Raises:
        EndofmError: Anything a user can put right: wrong labels, a patient in two splits, a taken
            folder, unfit weights, a full disk, a non-finite loss.
    """
    run = RunFolder(config.out)
    resume = claim(run, config, resume=resume, changeable=CHANGEABLE_ON_RESUME)
    accelerator = make_accelerator(run, precision=config.precision, trackers=config.trackers)
    check_frame_size("--sampling.size-px", config.sampling.size_px)
    check_batch_size(
        config.batch_size, accumulate=config.accumulate, num_processes=accelerator.num_processes
    )
    show = show_progress and accelerator.is_main_process
    labelled = _find_videos(run, config, accelerator=accelerator, show=show)
    job = ClassifyJob.assemble(run, config, labelled=labelled, accelerator=accelerator)
    return train_job(
        job,
        resume=resume,
        validate=lambda: _validate(job, labelled),
        score=lambda: evaluate(run.path, split="val", show_progress=show),
        select_by=config.select_by,
        unit="videos",
        told=_told(labelled),
        show=show,
    )


def _told(labelled: LabelledSet) -> list[str]:
    """What was found, for the user."""
    counts = ", ".join(f"{len(videos)} {name}" for name, videos in labelled.splits.items())
    one_question = len(labelled.classes) == 2 and not labelled.multi_label
    positive = f" (positive: {labelled.classes[-1]})" if one_question else ""
    notes = [f"note: {note}" for note in labelled.notes]
    return [*notes, f"{counts}; classes: {', '.join(labelled.classes)}{positive}"]


def _find_videos(
    run: RunFolder, config: ClassifyConfig, *, accelerator: Accelerator, show: bool
) -> LabelledSet:
    """Find the labelled videos, or recall what the run found at its start."""
    if accelerator.is_main_process and not run.holds_run:
        with ProgressBar("checking videos", total=0, unit="videos", show=show) as bar:
            found = read_labelled(
                config.data,
                val_share=config.val_share,
                seed=config.seed,
                folder_fps=config.sampling.folder_fps,
                multi_label=config.multi_label,
                select_on_test=config.select_on_test,
                progress=bar.set,
            )
        if config.select_on_test:
            found = replace(found, notes=(*found.notes, SELECTED_ON_TEST))
        write_set(run.labelled, _with_positive_last(found, config.positive))
    accelerator.wait_for_everyone()
    return read_set(run.labelled)


def _with_positive_last(labelled: LabelledSet, positive: str | None) -> LabelledSet:
    if positive is None:
        return labelled
    if positive not in labelled.classes or len(labelled.classes) != 2 or labelled.multi_label:
        raise ConfigError(
            f"--positive {positive} is none of two classes",
            f"the classes are {', '.join(labelled.classes)}",
        )
    others = [name for name in labelled.classes if name != positive]
    return replace(labelled, classes=(*others, positive))


def _validate(job: ClassifyJob, labelled: LabelledSet) -> Mapping[str, float]:
    scores = video_scores(
        job.task.evaluated,
        labelled.splits["val"],
        job.config.sampling,
        multi_label=labelled.multi_label,
        num_workers=job.config.num_workers,
        accelerator=job.accelerator,
    )
    predictions = predictions_of(scores, labelled.splits["val"], labelled)
    f1 = classification_scores(predictions, thresholds=0.5, num_resamples=0)["f1"].value
    return {"loss": cross_entropy(predictions), "f1": 0.0 if math.isnan(f1) else f1}
