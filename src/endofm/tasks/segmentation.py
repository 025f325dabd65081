"""Learning to segment: losses, schedule, and the average of the weights that is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from endofm.engine.ema import update_average
from endofm.models import TransUNet
from endofm.objectives.segmentation import segmentation_loss
from endofm.schedules import warmup_polynomial


@dataclass(frozen=True)
class Schedule:
    """Every rate of a fine-tuning as a function of the step."""

    num_steps: int
    steps_per_epoch: int
    warmup_steps: int
    peak_learning_rate: float
    decay_power: float
    weight_decay: float

    def rates(self, step: int) -> dict[str, float]:
        """The rates of one step, under the names they are logged by."""
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


class Segmentation:
    """The task that the training loop runs.

    Args:
        model: The network that learns; ``network`` wrapped for several processes, or itself.
        network: The bare network.
        schedule: Rates by step.
        prepare: From a batch to frames (B, T, 3, H, W) and labels (B, T, H, W) int64.
        average: A copy of ``network`` that follows it, and is what gets evaluated.
        average_momentum: Share of the average kept at a step.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        network: TransUNet,
        schedule: Schedule,
        prepare: Callable[[Any], tuple[Tensor, Tensor]],
        average: TransUNet | None = None,
        average_momentum: float = 0.0,
    ) -> None:
        self.model = model
        self.network = network
        self.schedule = schedule
        self.prepare = prepare
        self.average = average
        self.average_momentum = average_momentum

    @property
    def evaluated(self) -> TransUNet:
        """The network whose predictions count."""
        return self.average or self.network

    def rates(self, step: int) -> dict[str, float]:
        """The rates of one step."""
        return self.schedule.rates(step)

    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        """Half cross-entropy, half Dice loss, and both of them."""
        frames, labels = self.prepare(batch)
        found = segmentation_loss(self.model(frames), labels)
        return {"loss": found.total, "cross_entropy": found.cross_entropy, "dice_loss": found.dice}

    def before_update(self, step: int) -> None:
        """Nothing: the gradients are fine as they are."""

    @torch.no_grad()
    def after_update(self, step: int) -> None:
        """Move the average; the statistics of its batch norms are those of the network."""
        if self.average is not None:
            update_average(self.average, self.network, momentum=self.average_momentum)
            for own, new in zip(self.average.buffers(), self.network.buffers(), strict=True):
                own.copy_(new)
