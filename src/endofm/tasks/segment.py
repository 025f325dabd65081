"""Training a segmenter from start to end: frames and masks in, a run folder with its score out.

Endo-FM (Wang et al., MICCAI 2023), Section 3.2 (CVC-12k).
"""

from __future__ import annotations

from accelerate import Accelerator

from endofm.catalog.segmentation import find_segmented
from endofm.data.segmented import SegmentedSet
from endofm.engine.runlog import claim, make_accelerator
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder
from endofm.tasks.finetune_config import CHANGEABLE_ON_RESUME
from endofm.tasks.finetuning import FinetuneResult, train_job
from endofm.tasks.segment_config import SegmentConfig
from endofm.tasks.segment_evaluate import evaluate
from endofm.tasks.segment_job import SegmentJob
from endofm.tasks.segment_scores import validation_scores
from endofm.tasks.segment_sets import read_set, write_set
from endofm.tasks.sizes import check_batch_size, check_frame_size


def finetune(
    config: SegmentConfig, *, resume: bool = False, show_progress: bool = True
) -> FinetuneResult:
    """Train a segmenter; interrupted by Ctrl-C or SIGTERM, it saves and returns early.

    A finished run also holds the score of its best weights on the validation sequences.

    Args:
        config: All settings; ``config.out`` is the run folder.
        resume: Go on from the folder's last checkpoint, or start if there is no run in it.
        show_progress: Show a progress bar and what is found on standard error.

    Raises:
        EndofmError: Anything a user can put right: a frame without a mask, a patient in two
            splits, a taken folder, unfit weights, a full disk, a non-finite loss.
    """
    run = RunFolder(config.out)
    resume = claim(run, config, resume=resume, changeable=CHANGEABLE_ON_RESUME)
    accelerator = make_accelerator(run, precision=config.precision, trackers=config.trackers)
    for size_px in config.frames.size_hw:
        check_frame_size("--frames.size-hw", size_px)
    check_batch_size(config.batch_size, accumulate=1, num_processes=accelerator.num_processes)
    show = show_progress and accelerator.is_main_process
    segmented = _find_sequences(run, config, accelerator=accelerator, show=show)
    job = SegmentJob.assemble(
        run, config, sequences=segmented.splits["train"], accelerator=accelerator
    )
    return train_job(
        job,
        resume=resume,
        validate=lambda: validation_scores(
            job.task.evaluated,
            segmented.splits["val"],
            config.frames,
            num_workers=config.num_workers,
            accelerator=accelerator,
        ),
        score=lambda: evaluate(run.path, split="val", show_progress=show),
        select_by=config.select_by,
        unit="sequences",
        told=_told(segmented),
        show=show,
    )


def _find_sequences(
    run: RunFolder, config: SegmentConfig, *, accelerator: Accelerator, show: bool
) -> SegmentedSet:
    """Find the sequences, or recall what the run found at its start."""
    if accelerator.is_main_process and not run.holds_run:
        with ProgressBar("checking frames", total=0, unit="frames", show=show) as bar:
            found = find_segmented(
                config.data,
                original_split=config.original_split,
                threshold=config.frames.mask_threshold,
                val_share=config.val_share,
                seed=config.seed,
                select_on_test=config.select_on_test,
                progress=bar.set,
            )
        write_set(run.sequences, found)
    accelerator.wait_for_everyone()
    return read_set(run.sequences)


def _told(segmented: SegmentedSet) -> list[str]:
    """What was found, for the user."""
    counts = ", ".join(
        f"{len(sequences)} {split} ({sum(len(one.frames) for one in sequences)} frames)"
        for split, sequences in segmented.splits.items()
    )
    return [*(f"note: {note}" for note in segmented.notes), f"sequences: {counts}"]
