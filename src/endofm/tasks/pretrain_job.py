"""One pre-training, put together: clips, networks, optimizer, and the way back to a checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor

from endofm.batch import ViewBatch
from endofm.data.colour import colour_and_normalise
from endofm.data.datasets import ViewDataset, evaluation_frames
from endofm.data.loaders import StepSampler, collate_views, make_loader
from endofm.data.manifests import Clip
from endofm.data.views import ViewSettings
from endofm.engine.checkpoint import complete_checkpoints, load_checkpoint
from endofm.engine.loop import Hooks, Trainer
from endofm.engine.optim import parameter_groups
from endofm.runfolder import RunFolder
from endofm.tasks.figures import write_attention, write_views
from endofm.tasks.pretrain_config import PretrainConfig
from endofm.tasks.pretrain_setup import build_network, check_room, make_schedule
from endofm.tasks.self_distillation import SelfDistillation


@dataclass(frozen=True)
class PretrainJob:
    """Everything that trains; ``assemble`` makes one."""

    run: RunFolder
    config: PretrainConfig
    clips: Sequence[Clip]
    accelerator: Accelerator
    task: SelfDistillation
    optimizer: torch.optim.Optimizer
    origin: str
    """Where the first weights come from, for the user."""

    @classmethod
    def assemble(
        cls,
        run: RunFolder,
        config: PretrainConfig,
        *,
        clips: Sequence[Clip],
        accelerator: Accelerator,
    ) -> Self:
        """Build networks, optimizer and schedule; nothing is written.

        Raises:
            EndofmError: Too few clips for a batch, unfit weights, or no room on the disk.
        """
        set_seed(config.seed)
        sampler = _sampler(config, clips, accelerator, first_step=0)
        schedule = make_schedule(config, steps_per_epoch=sampler.steps_per_epoch)
        network, origin = build_network(config)
        check_room(run.path, network, keep=config.keep)
        teacher = copy.deepcopy(network).to(accelerator.device)
        optimizer = torch.optim.AdamW(parameter_groups(network), lr=0.0)
        student, optimizer = accelerator.prepare(network, optimizer)
        task = SelfDistillation(
            student=student,
            network=accelerator.unwrap_model(student),
            teacher=teacher,
            num_global=len(config.views.global_frames),
            schedule=schedule,
            prepare=_Prepare(config.views, accelerator.device),
            centre_momentum=config.teacher.centre_momentum,
            mean_over_processes=lambda tensor: accelerator.reduce(tensor, reduction="mean"),
            gather=accelerator.gather,
            teacher_drop_path=config.teacher.drop_path,
        )
        return cls(run, config, clips, accelerator, task, optimizer, origin)

    def restore(self) -> int:
        """Take up the last checkpoint; the number of finished steps, 0 where there is none."""
        found = complete_checkpoints(self.run.checkpoints)
        if not found:
            return 0
        networks = {"student": self.task.network, "teacher": self.task.teacher}
        tensors, facts = load_checkpoint(found[-1], networks=networks, optimizer=self.optimizer)
        self.task.restore(tensors)
        if facts["scaler"] and self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(facts["scaler"])
        return int(facts["step"])

    def train(self, hooks: Hooks, *, first_step: int) -> int:
        """Do the steps from ``first_step`` on; the number of finished steps."""
        num_batches = self.config.teacher.centre_batches * self.config.accumulate
        if first_step == 0 and num_batches:
            self.task.measure_centre(islice(self._micro_batches(0), num_batches))
        trainer = Trainer(
            task=self.task,
            model=self.task.student,
            optimizer=self.optimizer,
            accelerator=self.accelerator,
            hooks=hooks,
            seed=self.config.seed,
            accumulate=self.config.accumulate,
            gradient_limit=self.config.optimiser.gradient_limit,
        )
        steps = range(first_step, self.task.schedule.num_steps)
        return trainer.fit(self._micro_batches(first_step), steps)

    def draw_views(self) -> None:
        """Keep the views of the first clip for the run's page."""
        dataset = ViewDataset(self.clips, self.config.views, seed=self.config.seed)
        batch = collate_views([dataset[0, 0]])
        views = self.task.prepare(batch)
        write_views(self.run.views_figure, views, num_global=self.task.num_global)

    def draw_attention(self) -> None:
        """Keep what the teacher attends to in the first clip for the run's page."""
        frames = evaluation_frames(
            self.clips[0],
            num_frames=self.config.probe.num_frames,
            size_px=self.config.views.global_size_px,
        )
        write_attention(self.run.attention_figure, self.task.teacher.backbone, frames)

    def _micro_batches(self, first_step: int) -> Iterator[ViewBatch]:
        loader = make_loader(
            ViewDataset(self.clips, self.config.views, seed=self.config.seed),
            _sampler(self.config, self.clips, self.accelerator, first_step=first_step),
            num_workers=self.config.num_workers,
        )
        for batch in loader:
            yield from batch.split(self.config.accumulate)


@dataclass(frozen=True)
class _Prepare:
    """From a batch on the CPU to coloured, normalised views on the device."""

    settings: ViewSettings
    device: torch.device

    def __call__(self, batch: ViewBatch) -> list[Tensor]:
        return [
            colour_and_normalise(
                view,
                original_swapped_grey=self.settings.original_swapped_grey,
                original_frame_contrast=self.settings.original_frame_contrast,
                original_unclamped=self.settings.original_unclamped,
            )
            for view in batch.to(self.device).views
        ]


def _sampler(
    config: PretrainConfig, clips: Sequence[Clip], accelerator: Accelerator, *, first_step: int
) -> StepSampler:
    return StepSampler(
        len(clips),
        config.batch_size,
        seed=config.seed,
        num_processes=accelerator.num_processes,
        process_index=accelerator.process_index,
        first_step=first_step,
    )
