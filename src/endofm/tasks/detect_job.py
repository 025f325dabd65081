"""One training of a detector, put together: frames, network, optimizer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from endofm.data.boxed import BoxedSequence
from endofm.data.loaders import Loader, StepSampler
from endofm.engine.loading import load_detector, task_of
from endofm.engine.loop import Hooks, Trainer
from endofm.engine.optim import parameter_groups
from endofm.engine.sources import DETECTOR
from endofm.engine.weights import load_backbone
from endofm.errors import ConfigError
from endofm.models import MODELS, Detector
from endofm.objectives.detection import divisors
from endofm.runfolder import RunFolder
from endofm.tasks.detect_config import CHANNELS, DetectConfig, FrameSettings
from endofm.tasks.detect_data import (
    DetectionBatch,
    TrainingFrames,
    collate,
    fill_colour,
    training_frames,
)
from endofm.tasks.detection import BoxedFrames, Detection, Schedule
from endofm.tasks.finetuning import TRAINED

SGD_MOMENTUM = 0.9
SGD_BIAS_RATE = 2.0


@dataclass(frozen=True)
class DetectJob:
    """Everything that trains; ``assemble`` makes one."""

    run: RunFolder
    config: DetectConfig
    frames: TrainingFrames
    accelerator: Accelerator
    task: Detection
    optimizer: torch.optim.Optimizer

    @classmethod
    def assemble(
        cls,
        run: RunFolder,
        config: DetectConfig,
        *,
        sequences: Sequence[BoxedSequence],
        num_classes: int,
        accelerator: Accelerator,
    ) -> Self:
        """Build network, optimizer and schedule; nothing is written.

        Raises:
            EndofmError: Too few frames for a batch, or unfit weights.
        """
        set_seed(config.seed)
        frames = TrainingFrames(
            sequences,
            config.frames,
            config.augment,
            reach_frames=config.reference_reach_frames,
            seed=config.seed,
            drop_empty=config.original_drop_empty,
        )
        sampler = _sampler(config, frames, accelerator, first_step=0)
        network = build_detector(config, num_classes=num_classes)
        average = None
        if config.average_momentum is not None:
            average = copy.deepcopy(network).requires_grad_(requires_grad=False)
            average = average.eval().to(accelerator.device)
        model, optimizer = accelerator.prepare(network, _make_optimizer(network, config))
        task = Detection(
            model=model,
            network=accelerator.unwrap_model(model),
            schedule=_make_schedule(config, steps_per_epoch=sampler.steps_per_epoch),
            prepare=_Prepare(config.frames, accelerator.device),
            features=config.features,
            divisors_of=partial(_shared_divisors, accelerator),
            average=average,
            average_momentum=config.average_momentum or 0.0,
        )
        return cls(run, config, frames, accelerator, task, optimizer)

    def networks(self) -> dict[str, nn.Module]:
        """What a checkpoint keeps: what is evaluated, and what learns if that is another."""
        if self.task.average is None:
            return {DETECTOR: self.task.network}
        return {DETECTOR: self.task.average, TRAINED: self.task.network}

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
        """Frames a step."""
        return self.config.batch_size

    def describe(self, batch: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The frames that broke the training."""
        if not isinstance(batch, DetectionBatch):
            return {}, {}
        given = [self.frames.places[index] for index in batch.index]
        names = [f"{sequence.frames[place].path} {place}" for sequence, place in given]
        return {"frames": names}, {"frames": batch.view.frames}

    def train(self, hooks: Hooks, *, first_step: int) -> int:
        """Do the steps from ``first_step`` on; the number of finished steps."""
        trainer = Trainer(
            task=self.task,
            model=self.task.model,
            optimizer=self.optimizer,
            accelerator=self.accelerator,
            hooks=hooks,
            seed=self.config.seed,
            accumulate=1,
        )
        loader = Loader(
            self.frames,
            _sampler(self.config, self.frames, self.accelerator, first_step=first_step),
            collate=partial(collate, fill=fill_colour(self.config.frames)),
            num_workers=self.config.num_workers,
        )
        return trainer.fit(iter(loader), range(first_step, self.num_steps))


def build_detector(config: DetectConfig, *, num_classes: int) -> Detector:
    """The network at the start.

    Raises:
        WeightsError: ``config.weights`` cannot be used.
        ConfigError: The weights are a detector's of other classes, or ``config.channels`` stands
            beside those of a whole detector.
    """
    options: dict[str, Any] = {"drop_path": config.drop_path, "checkpointing": config.checkpointing}
    if config.weights is not None and task_of(config.weights) == "detect":
        detector = load_detector(config.weights, **options)
        known = detector.head.class_logits.out_channels
        if config.channels or known != num_classes:
            raise ConfigError(
                f"{config.weights} is a whole detector of {known} classes",
                f"leave out --channels, and give data of {known} classes; or take a backbone",
            )
    else:
        if config.weights is None:
            backbone = MODELS[f"timesformer_{config.model}"](**options)
        else:
            backbone = load_backbone(config.weights, **options)
        channels = config.channels or min(CHANNELS, key=lambda c: abs(3 * c - backbone.embed_dim))
        detector = Detector(backbone, num_classes=num_classes, channels=channels)
    for branch in (detector.transform.class_branch, detector.transform.box_branch):
        branch.offsets.requires_grad_(requires_grad=False)  # no gradient would reach them
    return detector.train()


@dataclass(frozen=True)
class _Prepare:
    """From a batch on the CPU to normalised frames and their boxes on the device."""

    settings: FrameSettings
    device: torch.device

    def __call__(self, batch: DetectionBatch) -> BoxedFrames:
        return BoxedFrames(
            training_frames(batch.view.to(self.device), self.settings),
            [boxes.to(self.device, non_blocking=True) for boxes in batch.boxes_xyxy],
            [labels.to(self.device, non_blocking=True) for labels in batch.labels],
        )


def _shared_divisors(accelerator: Accelerator, counts: Tensor) -> Tensor:
    everyones: Tensor = accelerator.reduce(counts, reduction="sum")
    return divisors(everyones, num_processes=accelerator.num_processes)


def _make_optimizer(network: Detector, config: DetectConfig) -> torch.optim.Optimizer:
    if not config.optimiser.original_sgd:
        return torch.optim.AdamW(parameter_groups(network), lr=0.0)
    groups = parameter_groups(
        network, scale=lambda name: SGD_BIAS_RATE if name.endswith(".bias") else 1.0
    )
    return torch.optim.SGD(groups, lr=0.0, momentum=SGD_MOMENTUM)


def _make_schedule(config: DetectConfig, *, steps_per_epoch: int) -> Schedule:
    rates = config.optimiser
    num_steps = config.steps or config.epochs * steps_per_epoch
    return Schedule(
        num_steps=num_steps,
        steps_per_epoch=steps_per_epoch,
        warmup_steps=round(rates.warmup_share * num_steps),
        peak_learning_rate=rates.learning_rate,
        decay_power=rates.decay_power,
        weight_decay=rates.weight_decay,
        original_halving=rates.original_sgd,
    )


def _sampler(
    config: DetectConfig, frames: TrainingFrames, accelerator: Accelerator, *, first_step: int
) -> StepSampler:
    return StepSampler(
        len(frames),
        config.batch_size,
        seed=config.seed,
        num_processes=accelerator.num_processes,
        process_index=accelerator.process_index,
        first_step=first_step,
    )
