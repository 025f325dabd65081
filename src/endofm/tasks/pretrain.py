"""Pre-training from start to end: find the clips, train, leave a run folder.

Endo-FM (Wang et al., MICCAI 2023), Section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from endofm.engine.interrupt import StopSignal
from endofm.engine.runlog import RunLog, claim, make_accelerator, start_run
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder
from endofm.tasks.pretrain_config import CHANGEABLE_ON_RESUME, PretrainConfig
from endofm.tasks.pretrain_data import find_clips
from endofm.tasks.pretrain_hooks import PretrainHooks
from endofm.tasks.pretrain_job import PretrainJob
from endofm.tasks.pretrain_setup import check_sizes
from endofm.tasks.probing import read_probe


@dataclass(frozen=True)
class PretrainResult:
    """Where a pre-training has come to."""

    run: Path
    steps: int
    num_steps: int

    @property
    def finished(self) -> bool:
        """Are all steps done?"""
        return self.steps == self.num_steps


def pretrain(
    config: PretrainConfig, *, resume: bool = False, show_progress: bool = True
) -> PretrainResult:
    """Pre-train a backbone; interrupted by Ctrl-C or SIGTERM, it saves and returns early.

    Args:
        config: All settings; ``config.out`` is the run folder.
        resume: Go on from the folder's last checkpoint, or start if there is no run in it.
        show_progress: Show a progress bar and what is found on standard error.

    Raises:
        EndofmError: Anything a user can put right: no videos, a taken folder, unfit weights, a
            full disk, a non-finite loss.
    """
    run = RunFolder(config.out)
    resume = claim(run, config, resume=resume, changeable=CHANGEABLE_ON_RESUME)
    accelerator = make_accelerator(run, precision=config.precision, trackers=config.trackers)
    check_sizes(config, num_processes=accelerator.num_processes)
    show = show_progress and accelerator.is_main_process
    probe = read_probe(config) if config.probe.clips else None
    clips = find_clips(run, config, accelerator=accelerator, show=show)
    job = PretrainJob.assemble(run, config, clips=clips, accelerator=accelerator)
    if not resume and accelerator.is_main_process:
        job.draw_views()
        start_run(run, config)
    accelerator.wait_for_everyone()
    first_step = job.restore() if resume else 0
    num_steps = job.task.schedule.num_steps
    log = RunLog(run, accelerator=accelerator, first_step=first_step)
    bar = ProgressBar("pre-training", total=num_steps, done=first_step, unit="steps", show=show)
    with StopSignal() as stop, bar:
        hooks = PretrainHooks(
            config=config,
            run=run,
            log=log,
            task=job.task,
            optimizer=job.optimizer,
            accelerator=accelerator,
            clips=clips,
            probe=probe,
            stop=stop,
            progress=bar,
            saved_step=first_step,
        )
        bar.say(f"{len(clips)} clips; " + (f"on from step {first_step}" if resume else job.origin))
        if first_step == 0:
            hooks.run_probe(0)
        finished = job.train(hooks, first_step=first_step)
        hooks.finish(finished)
        if accelerator.is_main_process:
            job.draw_attention()
    return PretrainResult(run.path, finished, num_steps)
