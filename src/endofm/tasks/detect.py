"""Training a detector from start to end: frames and boxes in, a run folder with its score out.

Endo-FM (Wang et al., MICCAI 2023), Section 3.2 (KUMC).
"""

from __future__ import annotations

import csv

from accelerate import Accelerator

from endofm.catalog.detection import read_boxes
from endofm.data.boxed import BoxedSet
from endofm.engine.runlog import claim, make_accelerator
from endofm.files import replacing
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder
from endofm.tasks.detect_config import DetectConfig
from endofm.tasks.detect_evaluate import evaluate
from endofm.tasks.detect_job import DetectJob
from endofm.tasks.detect_scores import validation_scores
from endofm.tasks.detect_sets import read_set, write_set
from endofm.tasks.finetune_config import CHANGEABLE_ON_RESUME
from endofm.tasks.finetuning import FinetuneResult, train_job
from endofm.tasks.sizes import check_batch_size


def finetune(
    config: DetectConfig, *, resume: bool = False, show_progress: bool = True
) -> FinetuneResult:
    """Train a detector; interrupted by Ctrl-C or SIGTERM, it saves and returns early.

    A finished run also holds the score of its best weights on the validation sequences, and the
    threshold that they choose.

    Args:
        config: All settings; ``config.out`` is the run folder.
        resume: Go on from the folder's last checkpoint, or start if there is no run in it.
        show_progress: Show a progress bar and what is found on standard error.

    Raises:
        EndofmError: Anything a user can put right: a broken annotation, a patient in two splits,
            a taken folder, unfit weights, a full disk, a non-finite loss.
    """
    run = RunFolder(config.out)
    resume = claim(run, config, resume=resume, changeable=CHANGEABLE_ON_RESUME)
    accelerator = make_accelerator(run, precision=config.precision, trackers=config.trackers)
    check_batch_size(config.batch_size, accumulate=1, num_processes=accelerator.num_processes)
    show = show_progress and accelerator.is_main_process
    boxed = _find_sequences(run, config, accelerator=accelerator, show=show)
    job = DetectJob.assemble(
        run,
        config,
        sequences=boxed.splits["train"],
        num_classes=len(boxed.classes),
        accelerator=accelerator,
    )
    return train_job(
        job,
        resume=resume,
        validate=lambda: validation_scores(
            job.task.evaluated,
            boxed.splits["val"],
            frames=config.frames,
            references=config.references,
            num_classes=len(boxed.classes),
            accelerator=accelerator,
        ),
        score=lambda: evaluate(run.path, split="val", show_progress=show),
        select_by="ap50",
        unit="frames",
        told=_told(boxed),
        show=show,
    )


def _find_sequences(
    run: RunFolder, config: DetectConfig, *, accelerator: Accelerator, show: bool
) -> BoxedSet:
    """Find the sequences, or recall what the run found at its start."""
    if accelerator.is_main_process and not run.holds_run:
        with ProgressBar("checking boxes", total=0, unit="frames", show=show) as bar:
            found = read_boxes(
                config.data,
                val_share=config.val_share,
                seed=config.seed,
                select_on_test=config.select_on_test,
                progress=bar.set,
            )
        if found.skipped:
            with replacing(run.skipped) as draft, draft.open("w", newline="") as f:
                rows = csv.writer(f)
                rows.writerow(["what", "reason"])
                rows.writerows([one.what, one.reason] for one in found.skipped)
        write_set(run.boxed, found)
    accelerator.wait_for_everyone()
    return read_set(run.boxed)


def _told(boxed: BoxedSet) -> list[str]:
    """What was found, for the user."""
    counts = ", ".join(
        f"{len(sequences)} {split} ({sum(len(one.frames) for one in sequences)} frames, "
        f"{sum(len(frame.labels) for one in sequences for frame in one.frames)} boxes)"
        for split, sequences in boxed.splits.items()
    )
    return [*(f"note: {note}" for note in boxed.notes), f"sequences: {counts}"]
