"""What happens around the steps of a fine-tuning: log, validate, save, stop when it is enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from endofm.engine.checkpoint import save_checkpoint
from endofm.engine.interrupt import StopSignal
from endofm.engine.runlog import RunLog
from endofm.progress import ProgressBar
from endofm.tasks.classify_data import ClipBatch
from endofm.tasks.classify_job import ClassifyJob


@dataclass(frozen=True)
class Validation:
    """How good the network is on the videos that it is selected by."""

    loss: float
    f1: float

    def better(self, other: float, *, by: str) -> bool:
        """Is this better than the best value so far?"""
        return self.loss < other if by == "loss" else self.f1 > other


@dataclass
class Selection:
    """The best validation so far, and how long ago it was; part of every checkpoint."""

    by: str
    value: float
    step: int = 0
    epochs_since: int = 0

    @classmethod
    def start(cls, by: str) -> Selection:
        """Nothing is known yet, and anything is better."""
        return cls(by, math.inf if by == "loss" else -math.inf)

    def take(self, validation: Validation, step: int) -> bool:
        """Remember a validation; is it the best?"""
        if better := validation.better(self.value, by=self.by):
            self.value = validation.loss if self.by == "loss" else validation.f1
            self.step, self.epochs_since = step, 0
        else:
            self.epochs_since += 1
        return better


@dataclass
class ClassifyHooks:
    """The owner of one fine-tuning run."""

    job: ClassifyJob
    log: RunLog
    validate: Callable[[], Validation]
    selection: Selection
    stop: StopSignal
    progress: ProgressBar
    saved_step: int | None = None

    @property
    def enough(self) -> bool:
        """Has the validation been no better for as long as the settings allow?"""
        patience = self.job.config.patience_epochs
        return patience is not None and self.selection.epochs_since >= patience

    def after_step(self, finished: int, record: Mapping[str, float]) -> None:
        """Log; at the end of an epoch validate and save."""
        config, schedule = self.job.config, self.job.task.schedule
        self.progress.update(finished, f"loss {record['loss']:.4f}")
        if finished == 1 or finished % config.log_every == 0:
            videos_per_s = config.batch_size / record["step_s"]
            self.log.metrics(finished, {**record, "videos_per_s": videos_per_s})
        if finished % schedule.steps_per_epoch == 0:
            validation = self.validate()
            best = self.selection.take(validation, finished)
            self.log.metrics(finished, {f"val_{k}": v for k, v in asdict(validation).items()})
            self.progress.say(
                f"epoch {finished // schedule.steps_per_epoch}: validation loss "
                f"{validation.loss:.4f}, F1 {validation.f1:.3f}" + (", the best" if best else "")
            )
            self.save(finished, best=best)

    def stop_requested(self) -> bool:
        """Is it enough, or has the user or the system asked to end?"""
        return self.stop.requested or self.enough

    def failed(self, step: int, term: str, batch: Any) -> None:
        """Write the batch whose ``term`` is not finite into the run folder."""
        facts: dict[str, Any] = {"term": term, "seed": self.job.config.seed}
        tensors: dict[str, torch.Tensor] = {}
        if isinstance(batch, ClipBatch):
            facts["videos"] = [str(self.job.videos[i].path) for i in batch.index.tolist()]
            tensors = {"frames": batch.frames}
        self.log.failure(step, facts, tensors)

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
                    "epoch": finished // job.task.schedule.steps_per_epoch,
                    "num_steps": job.task.schedule.num_steps,
                    "scaler": scaler.state_dict() if scaler else None,
                    "selection": asdict(self.selection),
                },
                keep=job.config.keep,
                best=best,
            )
        self.saved_step = finished
        job.accelerator.wait_for_everyone()
