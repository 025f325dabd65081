"""What happens around the steps of a pre-training: log, warn, save, probe, keep failures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from accelerate import Accelerator

from endofm.batch import ViewBatch
from endofm.data.manifests import Clip
from endofm.engine.checkpoint import save_checkpoint
from endofm.engine.interrupt import StopSignal
from endofm.engine.runlog import RunLog
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder
from endofm.tasks.pretrain_config import PretrainConfig
from endofm.tasks.probing import Probe
from endofm.tasks.self_distillation import SelfDistillation, collapse_warning


@dataclass
class PretrainHooks:
    """The owner of one pre-training run."""

    config: PretrainConfig
    run: RunFolder
    log: RunLog
    task: SelfDistillation
    optimizer: torch.optim.Optimizer
    accelerator: Accelerator
    clips: Sequence[Clip]
    probe: Probe | None
    stop: StopSignal
    progress: ProgressBar
    saved_step: int | None = None
    _warned: bool = field(default=False, init=False)

    def after_step(self, finished: int, record: Mapping[str, float]) -> None:
        """Log, probe and save where it is time to; the last step's turn comes in ``finish``."""
        clips_per_s = self.config.batch_size / record["step_s"]
        self.progress.update(finished, f"loss {record['loss']:.4f}")
        if finished == 1 or finished % self.config.log_every == 0:
            self._log(finished, {**record, "clips_per_s": clips_per_s})
        if finished == self.task.schedule.num_steps:
            return
        if finished % self.config.probe.every == 0:
            self.run_probe(finished)
        if finished % self.config.save_every == 0:
            self.save(finished)

    def stop_requested(self) -> bool:
        """Has the user or the system asked to end?"""
        return self.stop.requested

    def failed(self, step: int, term: str, batch: Any) -> None:
        """Write the batch whose ``term`` is not finite into the run folder."""
        facts: dict[str, Any] = {"term": term, "seed": self.config.seed}
        tensors: dict[str, torch.Tensor] = {}
        if isinstance(batch, ViewBatch):
            clips = [self.clips[position] for position in batch.clip_index.tolist()]
            facts["clips"] = [{**asdict(clip), "path": str(clip.path)} for clip in clips]
            tensors = {f"view{i}": view.frames for i, view in enumerate(batch.views)}
        self.log.failure(step, facts, tensors)

    def save(self, finished: int) -> None:
        """Write a checkpoint, unless this step has one."""
        if self.saved_step == finished:
            return
        if self.accelerator.is_main_process:
            scaler = self.accelerator.scaler
            save_checkpoint(
                self.run.checkpoints,
                finished,
                networks={"student": self.task.network, "teacher": self.task.teacher},
                optimizer=self.optimizer,
                tensors=self.task.tensors(),
                facts={
                    "epoch": finished // self.task.schedule.steps_per_epoch,
                    "num_steps": self.task.schedule.num_steps,
                    "scaler": scaler.state_dict() if scaler else None,
                },
                keep=self.config.keep,
            )
        self.saved_step = finished
        self.accelerator.wait_for_everyone()

    def run_probe(self, finished: int) -> None:
        """Score the teacher's features on the labelled clips, if there are any."""
        if self.probe is not None and self.accelerator.is_main_process:
            backbone = self.task.teacher.backbone
            for record in self.probe.records(backbone, step=finished, note=self.config.data_note):
                self.log.probe(record)
                if record["metric"] == "knn_accuracy":
                    low, high = record["low"], record["high"]
                    interval = (
                        "no interval from a single group"
                        if math.isnan(low)
                        else f"[{low:.3f}, {high:.3f}]"
                    )
                    self.progress.say(
                        f"step {finished}: k-NN accuracy {record['value']:.3f} "
                        f"{interval}, n = {record['n']} "
                        f"({record['split']} of {record['list']}; chance {record['chance']:.3f})"
                    )
        self.accelerator.wait_for_everyone()

    def finish(self, finished: int) -> None:
        """Save the last step; probe it too if the run is complete."""
        self.save(finished)
        if finished == self.task.schedule.num_steps:
            self.run_probe(finished)
        self.log.close()

    def _log(self, finished: int, record: Mapping[str, float]) -> None:
        measures = self.task.collapse_measures()
        line: dict[str, float | str] = {**record, **measures}
        if finished > self.task.schedule.warmup_steps:
            warning = collapse_warning(
                feature_spread=measures["feature_spread"],
                teacher_entropy=record["teacher_entropy"],
                num_prototypes=self.config.head.num_prototypes,
            )
            if warning:
                line["warning"] = warning
                if not self._warned:
                    self.progress.say(f"warning: step {finished}: {warning}")
                self._warned = True
        self.log.metrics(finished, line)
