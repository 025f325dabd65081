"""Learning to detect: from the network's levels to the losses, and the schedule.

Axes: B frames, R references of each, L cells of all levels together, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from endofm.engine.ema import update_average
from endofm.models import Detector
from endofm.models.detector import Features
from endofm.models.fcos import cell_centres
from endofm.models.stft import LevelOutput
from endofm.objectives.detection import (
    CellPredictions,
    Cells,
    cell_targets,
    detection_loss,
    divisors,
)
from endofm.schedules import warmup_halving, warmup_polynomial

ORIGINAL_HALVED_AFTER = (8 / 12, 10 / 12, 11 / 12)
"""Shares of the steps: 64,000, 80,000 and 88,000 of 96,000."""
ORIGINAL_WARMUP_FROM = 1 / 3


class BoxedFrames(NamedTuple):
    """A batch on the device."""

    frames: Tensor  # (B, 1 + R, 3, H, W)
    boxes_xyxy: Sequence[Tensor]  # of each frame (N, 4) px
    labels: Sequence[Tensor]  # of each frame (N,) int64 from 1


@dataclass(frozen=True)
class Schedule:
    """Every rate of a training as a function of the step."""

    num_steps: int
    steps_per_epoch: int
    warmup_steps: int
    peak_learning_rate: float
    decay_power: float
    weight_decay: float
    original_halving: bool

    def rates(self, step: int) -> dict[str, float]:
        """The rates of one step, under the names they are logged by."""
        if self.original_halving:
            learning_rate = warmup_halving(
                step,
                peak=self.peak_learning_rate,
                warmup_from=ORIGINAL_WARMUP_FROM,
                warmup_steps=self.warmup_steps,
                halved_at=[round(share * self.num_steps) for share in ORIGINAL_HALVED_AFTER],
            )
        else:
            learning_rate = warmup_polynomial(
                step,
                peak=self.peak_learning_rate,
                power=self.decay_power,
                warmup_steps=self.warmup_steps,
                num_steps=self.num_steps,
            )
        return {
            "epoch": step // self.steps_per_epoch,
            "learning_rate": learning_rate,
            "weight_decay": self.weight_decay,
        }


class Detection:
    """The task that the training loop runs.

    Args:
        model: The network that learns; ``network`` wrapped for several processes, or itself.
        network: The bare network.
        schedule: Rates by step.
        prepare: From a batch to frames and their boxes.
        features: Do a frame and its references see each other in the backbone?
        divisors_of: From the counts of this process's frames to what its sums are divided by; a
            process whose frames have no box divides by the same as the others.
        average: A copy of ``network`` that follows it, and is what gets evaluated.
        average_momentum: Share of the average kept at a step.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        network: Detector,
        schedule: Schedule,
        prepare: Callable[[Any], BoxedFrames],
        features: Features = "joint",
        divisors_of: Callable[[Tensor], Tensor] = divisors,
        average: Detector | None = None,
        average_momentum: float = 0.0,
    ) -> None:
        self.model = model
        self.network = network
        self.schedule = schedule
        self.prepare = prepare
        self.features = features
        self.divisors_of = divisors_of
        self.average = average
        self.average_momentum = average_momentum

    @property
    def evaluated(self) -> Detector:
        """The network whose predictions count."""
        return self.average or self.network

    def rates(self, step: int) -> dict[str, float]:
        """The rates of one step."""
        return self.schedule.rates(step)

    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        """The five losses, and their sum."""
        given = self.prepare(batch)
        outputs = self.model(given.frames, features=self.features)
        cells, predicted = predictions_of(outputs)
        targets = cell_targets(cells, predicted.boxes_xyxy, given.boxes_xyxy, given.labels)
        found = detection_loss(predicted, targets, self.divisors_of(targets.counts()))
        return {"loss": found.total, **{f"{k}_loss": v for k, v in found._asdict().items()}}

    def before_update(self, step: int) -> None:
        """Nothing: the gradients are fine as they are."""

    def after_update(self, step: int) -> None:
        """Move the average."""
        if self.average is not None:
            update_average(self.average, self.network, momentum=self.average_momentum)


def predictions_of(outputs: Sequence[LevelOutput]) -> tuple[Cells, CellPredictions]:
    """All levels' cells one after another, and what is said of each."""

    def joined(name: str) -> Tensor:
        levels = [getattr(level, name).flatten(2).mT for level in outputs]
        return torch.cat(levels, 1).float()  # (B, L, ...)

    predicted = CellPredictions(
        class_logits=joined("class_logits"),
        centreness_logits=joined("centreness_logits")[..., 0],
        distances_px=joined("distances_px"),
        boxes_xyxy=joined("boxes_xyxy"),
        stft_class_logits=joined("stft_class_logits"),
        corrections=joined("corrections"),
    )
    return _cells(outputs, like=predicted.boxes_xyxy), predicted


def _cells(outputs: Sequence[LevelOutput], *, like: Tensor) -> Cells:
    centres, strides, levels = [], [], []
    for index, level in enumerate(outputs):
        height, width = level.class_logits.shape[-2:]
        centres.append(cell_centres((height, width), stride=level.stride, like=like).flatten(1).T)
        strides.append(like.new_full((height * width,), level.stride))
        levels.append(torch.full((height * width,), index, device=like.device))
    return Cells(torch.cat(centres), torch.cat(strides), torch.cat(levels))
