"""One fine-tuning, put together: videos, network, optimizer, and the way back to a checkpoint."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor

from endofm.data.colour import normalise
from endofm.data.labelled import LabelledSet, targets
from endofm.data.loaders import Loader, StepSampler
from endofm.data.manifests import Video
from endofm.engine.loop import Hooks, Trainer
from endofm.engine.optim import layer_scale, parameter_groups
from endofm.engine.sources import CLASSIFIER
from endofm.engine.weights import load_backbone
from endofm.errors import ConfigError
from endofm.models import MODELS, Classifier
from endofm.runfolder import RunFolder
from endofm.tasks.classification import Classification, Schedule, balanced_weights
from endofm.tasks.classify_config import ClassifyConfig, RateSettings, SamplingSettings
from endofm.tasks.classify_data import ClipBatch, TrainingVideos
from endofm.tasks.finetuning import TRAINED

VIDEOS_OF_QUOTED_RATE = 256
"""The learning rate is given for this many videos a step."""
SGD_MOMENTUM = 0.9


@dataclass(frozen=True)
class ClassifyJob:
    """Everything that trains; ``assemble`` makes one."""

    run: RunFolder
    config: ClassifyConfig
    videos: Sequence[Video]
    accelerator: Accelerator
    task: Classification
    optimizer: torch.optim.Optimizer

    @classmethod
    def assemble(
        cls,
        run: RunFolder,
        config: ClassifyConfig,
        *,
        labelled: LabelledSet,
        accelerator: Accelerator,
    ) -> Self:
        """Build network, optimizer and schedule; nothing is written.

        Raises:
            EndofmError: Unfit sizes, too few videos for a batch, or unfit weights.
        """
        set_seed(config.seed)
        videos = labelled.splits["train"]
        steps_per_epoch = _sampler(config, videos, accelerator, first_step=0).steps_per_epoch
        network = build_classifier(config, num_classes=len(labelled.classes))
        average = None
        if config.average_momentum is not None:
            average = copy.deepcopy(network).requires_grad_(requires_grad=False)
            average = average.eval().to(accelerator.device)
        depth = len(network.backbone.blocks)
        decay = config.optimiser.layer_decay
        groups = parameter_groups(
            network, scale=functools.partial(layer_scale, depth=depth, decay=decay)
        )
        model, optimizer = accelerator.prepare(network, _make_optimizer(groups, config.optimiser))
        answers = targets(videos, labelled.classes, multi_label=labelled.multi_label)
        weights = None
        if config.class_weights == "balanced":
            weights = torch.from_numpy(balanced_weights(answers, len(labelled.classes)))
            weights = weights.to(accelerator.device)
        task = Classification(
            model=model,
            network=accelerator.unwrap_model(model),
            schedule=_make_schedule(config, steps_per_epoch=steps_per_epoch),
            prepare=_Prepare(torch.from_numpy(answers), config.sampling, accelerator.device),
            class_weights=weights,
            average=average,
            average_momentum=config.average_momentum or 0.0,
        )
        return cls(run, config, videos, accelerator, task, optimizer)

    def networks(self) -> dict[str, torch.nn.Module]:
        """What a checkpoint keeps: what is evaluated, and what learns if that is another."""
        if self.task.average is None:
            return {CLASSIFIER: self.task.network}
        return {CLASSIFIER: self.task.average, TRAINED: self.task.network}

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
        """Videos a step."""
        return self.config.batch_size

    def describe(self, batch: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The videos and frames of a batch that broke the training."""
        if not isinstance(batch, ClipBatch):
            return {}, {}
        paths = [str(self.videos[i].path) for i in batch.index.tolist()]
        return {"videos": paths}, {"frames": batch.frames}

    def train(self, hooks: Hooks, *, first_step: int) -> int:
        """Do the steps from ``first_step`` on; the number of finished steps."""
        trainer = Trainer(
            task=self.task,
            model=self.task.model,
            optimizer=self.optimizer,
            accelerator=self.accelerator,
            hooks=hooks,
            seed=self.config.seed,
            accumulate=self.config.accumulate,
        )
        steps = range(first_step, self.num_steps)
        return trainer.fit(self._micro_batches(first_step), steps)

    def _micro_batches(self, first_step: int) -> Iterator[ClipBatch]:
        config = self.config
        loader = Loader(
            TrainingVideos(self.videos, config.sampling, seed=config.seed),
            _sampler(config, self.videos, self.accelerator, first_step=first_step),
            collate=ClipBatch.collate,
            num_workers=config.num_workers,
        )
        for batch in loader:
            yield from batch.split(config.accumulate)


def build_classifier(config: ClassifyConfig, *, num_classes: int) -> Classifier:
    """The network at the start.

    Raises:
        WeightsError: ``config.weights`` cannot be used.
    """
    if config.weights is None:
        backbone = MODELS[f"timesformer_{config.model}"](drop_path=config.drop_path)
    else:
        backbone = load_backbone(config.weights, drop_path=config.drop_path)
    classifier = Classifier(
        backbone,
        num_classes=num_classes,
        pooling="attentive" if config.train == "attentive" else "class_token",
    )
    backbone.requires_grad_(config.train == "all")
    return classifier.train()


@dataclass(frozen=True)
class _Prepare:
    """From a batch on the CPU to normalised clips and their targets on the device."""

    targets: Tensor
    settings: SamplingSettings
    device: torch.device

    def __call__(self, batch: ClipBatch) -> tuple[Tensor, Tensor]:
        frames = batch.frames.to(self.device, non_blocking=True)
        clips = normalise(frames, mean=self.settings.mean, std=self.settings.std)
        return clips, self.targets[batch.index].to(self.device)


def _make_optimizer(groups: list[dict[str, Any]], rates: RateSettings) -> torch.optim.Optimizer:
    if rates.algorithm == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=SGD_MOMENTUM)
    return torch.optim.AdamW(groups, lr=0.0)


def _make_schedule(config: ClassifyConfig, *, steps_per_epoch: int) -> Schedule:
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
        peak_learning_rate=rates.learning_rate * config.batch_size / VIDEOS_OF_QUOTED_RATE,
        final_learning_rate=rates.final_learning_rate,
        weight_decay=rates.weight_decay,
        by_epoch=rates.by_epoch,
    )


def _sampler(
    config: ClassifyConfig, videos: Sequence[Video], accelerator: Accelerator, *, first_step: int
) -> StepSampler:
    return StepSampler(
        len(videos),
        config.batch_size,
        seed=config.seed,
        num_processes=accelerator.num_processes,
        process_index=accelerator.process_index,
        first_step=first_step,
    )
