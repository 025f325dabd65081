"""What happens around the steps of any fine-tuning: log, validate, save, stop when it is enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from endofm.engine.checkpoint import complete_checkpoints, load_checkpoint, save_checkpoint
from endofm.engine.interrupt import StopSignal
from endofm.engine.loop import Hooks
from endofm.engine.runlog import RunLog, start_run
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder
from endofm.tasks.finetune_config import FinetuneConfig

TRAINED = "trained"
"""In a checkpoint: the weights that learn, where their average is what counts."""


@dataclass(frozen=True)
class FinetuneResult:
    """Where a fine-tuning has come to."""

    run: Path
    steps: int
    num_steps: int
    best_step: int
    finished: bool
    """All steps done, or stopped because the validation got no better."""


class FinetuneJob(Protocol):
    """What the hooks must know of a job."""

    @property
    def run(self) -> RunFolder:
        """Where it writes."""

    @property
    def config(self) -> FinetuneConfig:
        """Its settings."""

    @property
    def accelerator(self) -> Accelerator:
        """Device, precision and processes."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """What is stepped."""

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps from one validation to the next."""

    @property
    def batch_size(self) -> int:
        """Items a step."""

    def networks(self) -> Mapping[str, nn.Module]:
        """What a checkpoint keeps, by name."""

    def train(self, hooks: Hooks, *, first_step: int) -> int:
        """Do the steps from ``first_step`` on; the number of finished steps."""

    def describe(self, batch: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What to keep of a batch that broke the training: facts for JSON, and tensors."""


@dataclass
class Selection:
    """The best validation so far, and how long ago it was; part of every checkpoint."""

    by: str
    """Name of what is compared: a ``loss`` is best when low, anything else when high."""
    value: float
    step: int = 0
    epochs_since: int = 0

    @classmethod
    def start(cls, by: str) -> Selection:
        """Nothing is known yet, and anything is better."""
        return cls(by, math.inf if by == "loss" else -math.inf)

    def take(self, validation: Mapping[str, float], step: int) -> bool:
        """Remember a validation; is it the best?"""
        value = validation[self.by]
        if better := value < self.value if self.by == "loss" else value > self.value:
            self.value, self.step, self.epochs_since = value, step, 0
        else:
            self.epochs_since += 1
        return better


@dataclass
class FinetuneHooks:
    """The owner of one fine-tuning run."""

    job: FinetuneJob
    log: RunLog
    validate: Callable[[], Mapping[str, float]]
    """How good the network is on what it is selected by; called by every process."""
    selection: Selection
    stop: StopSignal
    progress: ProgressBar
    unit: str
    """What a batch is made of, in the plural."""
    saved_step: int | None = None

    @property
    def enough(self) -> bool:
        """Has the validation been no better for as long as the settings allow?"""
        patience = self.job.config.patience_epochs
        return patience is not None and self.selection.epochs_since >= patience

    def after_step(self, finished: int, record: Mapping[str, float]) -> None:
        """Log; at the end of an epoch validate and save."""
        self.progress.update(finished, f"loss {record['loss']:.4f}")
        if finished == 1 or finished % self.job.config.log_every == 0:
            rate = {f"{self.unit}_per_s": self.job.batch_size / record["step_s"]}
            self.log.metrics(finished, {**record, **rate})
        if finished % self.job.steps_per_epoch == 0 or finished == self.job.num_steps:
            validation = self.validate()
            best = self.selection.take(validation, finished)
            self.log.metrics(finished, {f"val_{k}": v for k, v in validation.items()})
            told = ", ".join(f"{name} {value:.4f}" for name, value in validation.items())
            self.progress.say(
                f"epoch {math.ceil(finished / self.job.steps_per_epoch)}: validation {told}"
                + (", the best" if best else "")
            )
            self.save(finished, best=best)

    def stop_requested(self) -> bool:
        """Is it enough, or has the user or the system asked to end?"""
        return self.stop.requested or self.enough

    def failed(self, step: int, term: str, batch: Any) -> None:
        """Write the batch whose ``term`` is not finite into the run folder."""
        facts, tensors = self.job.describe(batch)
        self.log.failure(step, {"term": term, "seed": self.job.config.seed, **facts}, tensors)

    def save(self, finished: int, *, best: bool = False) -> None:
        """Write a checkpoint, unless this step has one."""
        if self.saved_step == finished:
            return
        job = self.job
        if job.accelerator.is_main_process:
            scaler = job.accelerator.scaler
            save_checkpoint(
                job.run.checkpoints,
                finished,
                networks=job.networks(),
                optimizer=job.optimizer,
                tensors={},
                facts={
                    "epoch": finished // job.steps_per_epoch,
                    "num_steps": job.num_steps,
                    "scaler": scaler.state_dict() if scaler else None,
                    "selection": asdict(self.selection),
                },
                keep=job.config.keep,
                best=best,
            )
        self.saved_step = finished
        job.accelerator.wait_for_everyone()


def train_job(
    job: FinetuneJob,
    *,
    resume: bool,
    validate: Callable[[], Mapping[str, float]],
    score: Callable[[], object],
    select_by: str,
    unit: str,
    told: Sequence[str],
    show: bool,
) -> FinetuneResult:
    """Train from the start or from the last checkpoint; interrupted, save and return early.

    Args:
        job: What trains.
        resume: Whether the run goes on.
        validate: As in ``FinetuneHooks``.
        score: Scores the best weights of a finished run; called by every process.
        select_by: Which of the validation's numbers tells the best step.
        unit: What a batch is made of, in the plural.
        told: What the user should know before the first step.
        show: Show a progress bar and what is told on standard error.
    """
    if not resume and job.accelerator.is_main_process:
        start_run(job.run, job.config)
    job.accelerator.wait_for_everyone()
    facts = _restore(job) if resume else {}
    first_step = int(facts.get("step", 0))
    selection = Selection(**facts["selection"]) if facts else Selection.start(select_by)
    log = RunLog(job.run, accelerator=job.accelerator, first_step=first_step)
    bar = ProgressBar("fine-tuning", total=job.num_steps, done=first_step, unit="steps", show=show)
    with StopSignal() as stop, bar:
        hooks = FinetuneHooks(
            job=job,
            log=log,
            validate=validate,
            selection=selection,
            stop=stop,
            progress=bar,
            unit=unit,
            saved_step=first_step,
        )
        for line in told:
            bar.say(line)
        steps = first_step if hooks.enough else job.train(hooks, first_step=first_step)
        hooks.save(steps)
    finished = steps == job.num_steps or hooks.enough
    if finished:
        score()
    log.close()  # the processes part
    return FinetuneResult(job.run.path, steps, job.num_steps, selection.step, finished)


def _restore(job: FinetuneJob) -> dict[str, Any]:
    """Take up the last checkpoint; what it says of itself, or nothing where there is none."""
    found = complete_checkpoints(job.run.checkpoints)
    if not found:
        return {}
    _, facts = load_checkpoint(found[-1], networks=job.networks(), optimizer=job.optimizer)
    if facts["scaler"] and job.accelerator.scaler:
        job.accelerator.scaler.load_state_dict(facts["scaler"])
    return facts
