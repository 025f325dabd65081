"""One training of a segmenter, put together: sequences, network, optimizer."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from endofm.data.loaders import Loader, StepSampler
from endofm.data.segmented import FrameSequence
from endofm.engine.loading import load_segmenter, task_of
from endofm.engine.loop import Hooks, Trainer
from endofm.engine.optim import parameter_groups
from endofm.engine.sources import SEGMENTER
from endofm.engine.stem_weights import load_stem
from endofm.engine.weights import load_backbone
from endofm.errors import ConfigError
from endofm.models import MODELS, TransUNet
from endofm.runfolder import RunFolder
from endofm.tasks.finetuning import TRAINED
from endofm.tasks.segment_config import WIDTHS, FrameSettings, SegmentConfig
from endofm.tasks.segment_data import SequenceBatch, TrainingSequences, training_frames
from endofm.tasks.segmentation import Schedule, Segmentation


@dataclass(frozen=True)
class SegmentJob:
    """Everything that trains; ``assemble`` makes one."""

    run: RunFolder
    config: SegmentConfig
    sequences: Sequence[FrameSequence]
    accelerator: Accelerator
    task: Segmentation
    optimizer: torch.optim.Optimizer

    @classmethod
    def assemble(
        cls,
        run: RunFolder,
        config: SegmentConfig,
        *,
        sequences: Sequence[FrameSequence],
        accelerator: Accelerator,
    ) -> Self:
        """Build network, optimizer and schedule; nothing is written.

        Raises:
            EndofmError: Too few sequences for a batch, or unfit weights.
        """
        set_seed(config.seed)
        steps_per_epoch = _sampler(config, sequences, accelerator, first_step=0).steps_per_epoch
        network = build_segmenter(config)
        average = None
        if config.average_momentum is not None:
            average = copy.deepcopy(network).requires_grad_(requires_grad=False)
            average = average.eval().to(accelerator.device)
        optimizer = torch.optim.AdamW(parameter_groups(network), lr=0.0)
        model, optimizer = accelerator.prepare(network, optimizer)
        task = Segmentation(
            model=model,
            network=accelerator.unwrap_model(model),
            schedule=_make_schedule(config, steps_per_epoch=steps_per_epoch),
            prepare=_Prepare(config.frames, accelerator.device),
            average=average,
            average_momentum=config.average_momentum or 0.0,
        )
        return cls(run, config, sequences, accelerator, task, optimizer)

    def networks(self) -> dict[str, nn.Module]:
        """What a checkpoint keeps: what is evaluated, and what learns if that is another."""
        if self.task.average is None:
            return {SEGMENTER: self.task.network}
        return {SEGMENTER: self.task.average, TRAINED: self.task.network}

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.task.schedule.num_steps

    @property
    def steps_per_epoch(self) -> int:
        """Steps from one validation to the next."""
        return self.task.schedule.steps_per_epoch

    @property
    def batch_size(self) -> int:
        """Sequences a step."""
        return self.config.batch_size

    def describe(self, batch: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The sequence, frames and labels that broke the training."""
        if not isinstance(batch, SequenceBatch):
            return {}, {}
        sequence = self.sequences[batch.index]
        facts = {"sequence": sequence.name, "first_frame": str(sequence.frames[0])}
        return facts, {"frames": batch.view.frames, "labels": batch.labels}

    def train(self, hooks: Hooks, *, first_step: int) -> int:
        """Do the steps from ``first_step`` on; the number of finished steps."""
        trainer = Trainer(
            task=self.task,
            model=self.task.model,
            optimizer=self.optimizer,
            accelerator=self.accelerator,
            hooks=hooks,
            seed=self.config.seed,
            accumulate=self.config.batch_size // self.accelerator.num_processes,
        )
        return trainer.fit(self._micro_batches(first_step), range(first_step, self.num_steps))

    def _micro_batches(self, first_step: int) -> Iterator[SequenceBatch]:
        config = self.config
        loader = Loader(
            TrainingSequences(self.sequences, config.frames, config.augment, seed=config.seed),
            _sampler(config, self.sequences, self.accelerator, first_step=first_step),
            collate=list,
            num_workers=config.num_workers,
        )
        for batch in loader:
            yield from batch


def build_segmenter(config: SegmentConfig) -> TransUNet:
    """The network at the start.

    Raises:
        WeightsError: ``config.weights`` or ``config.stem_weights`` cannot be used.
        ConfigError: Settings of a new network stand beside the weights of a whole one.
    """
    options: dict[str, Any] = {"drop_path": config.drop_path, "checkpointing": config.checkpointing}
    if config.weights is not None and task_of(config.weights) == "segment":
        if config.stem_weights or config.width:
            raise ConfigError(
                f"{config.weights} is a whole segmenter, stem included",
                "leave out --stem-weights and --width, or give the weights of a backbone",
            )
        segmenter = load_segmenter(config.weights, **options)
        segmenter.dropout.p = config.dropout
        return segmenter.train()
    if config.weights is None:
        backbone = MODELS[f"timesformer_{config.model}"](**options)
    else:
        backbone = load_backbone(config.weights, **options)
    width = config.width or min(WIDTHS, key=lambda width: abs(12 * width - backbone.embed_dim))
    segmenter = TransUNet(backbone, width=width, dropout=config.dropout)
    if config.stem_weights:
        load_stem(segmenter, config.stem_weights)
    return segmenter.train()


@dataclass(frozen=True)
class _Prepare:
    """From a batch on the CPU to normalised frames and their labels on the device."""

    settings: FrameSettings
    device: torch.device

    def __call__(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        frames = training_frames(batch.view.to(self.device), self.settings)
        return frames, batch.labels.to(self.device, non_blocking=True).long()


def _make_schedule(config: SegmentConfig, *, steps_per_epoch: int) -> Schedule:
    rates = config.optimiser
    num_steps = config.epochs * steps_per_epoch
    warmup_steps = round(rates.warmup_epochs * steps_per_epoch)
    if warmup_steps >= num_steps:
        raise ConfigError(
            f"the warm-up of {rates.warmup_epochs:g} epochs is as long as the run",
            "shorten --optimiser.warmup-epochs or train longer",
        )
    return Schedule(
        num_steps=num_steps,
        steps_per_epoch=steps_per_epoch,
        warmup_steps=warmup_steps,
        peak_learning_rate=rates.learning_rate,
        decay_power=rates.decay_power,
        weight_decay=rates.weight_decay,
    )


def _sampler(
    config: SegmentConfig,
    sequences: Sequence[FrameSequence],
    accelerator: Accelerator,
    *,
    first_step: int,
) -> StepSampler:
    return StepSampler(
        len(sequences),
        config.batch_size,
        seed=config.seed,
        num_processes=accelerator.num_processes,
        process_index=accelerator.process_index,
        first_step=first_step,
    )
