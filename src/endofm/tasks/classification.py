"""Learning to classify: losses, schedule, and the average of the weights that is evaluated.

Axes: B videos, T frames, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from endofm.engine.ema import update_average
from endofm.models import Classifier
from endofm.schedules import warmup_cosine


@dataclass(frozen=True)
class Schedule:
    """Every rate of a fine-tuning as a function of the step."""

    num_steps: int
    steps_per_epoch: int
    warmup_steps: int
    peak_learning_rate: float
    final_learning_rate: float
    weight_decay: float
    by_epoch: bool

    def rates(self, step: int) -> dict[str, float]:
        """The rates of one step, under the names they are logged by."""
        epoch = step // self.steps_per_epoch
        learning_rate = warmup_cosine(
            epoch * self.steps_per_epoch if self.by_epoch else step,
            peak=self.peak_learning_rate,
            end=self.final_learning_rate,
            warmup_steps=self.warmup_steps,
            num_steps=self.num_steps,
        )
        return {
            "epoch": epoch,
            "learning_rate": learning_rate,
            "weight_decay": self.weight_decay,
        }


class Classification:
    """The task that the training loop runs.

    Args:
        model: The network that learns; ``network`` wrapped for several processes, or itself.
        network: The bare network.
        schedule: Rates by step.
        prepare: From a batch to clips (B, 3, T, H, W) and targets, (B,) class indices or, for
            several labels a video, (B, K) zeros and ones.
        class_weights: (K,), or for several labels the weight of a one against a zero.
        average: A copy of ``network`` that follows it, and is what gets evaluated.
        average_momentum: Share of the average kept at a step.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        network: Classifier,
        schedule: Schedule,
        prepare: Callable[[Any], tuple[Tensor, Tensor]],
        class_weights: Tensor | None = None,
        average: Classifier | None = None,
        average_momentum: float = 0.0,
    ) -> None:
        self.model = model
        self.network = network
        self.schedule = schedule
        self.prepare = prepare
        self.class_weights = class_weights
        self.average = average
        self.average_momentum = average_momentum
        trained = any(parameter.requires_grad for parameter in network.backbone.parameters())
        self._frozen_backbone = not trained

    @property
    def evaluated(self) -> Classifier:
        """The network whose predictions count."""
        return self.average or self.network

    def rates(self, step: int) -> dict[str, float]:
        """The rates of one step."""
        return self.schedule.rates(step)

    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        """Cross-entropy, and how much of the micro-batch is answered rightly."""
        if self._frozen_backbone:  # no drop path in what does not learn
            self.network.backbone.eval()
        clips, targets = self.prepare(batch)
        logits = self.model(clips).float()  # (B, K)
        with torch.no_grad():
            right = (logits > 0) == targets if targets.ndim == 2 else logits.argmax(-1) == targets
        return {
            "loss": classification_loss(logits, targets, self.class_weights),
            "accuracy": right.float().mean(),
        }

    def before_update(self, step: int) -> None:
        """Nothing: the gradients are fine as they are."""

    def after_update(self, step: int) -> None:
        """Move the average."""
        if self.average is not None:
            update_average(self.average, self.network, momentum=self.average_momentum)


def classification_loss(logits: Tensor, targets: Tensor, class_weights: Tensor | None) -> Tensor:
    """Mean cross-entropy: over videos, each counting as much as its class; or over all labels.

    Args:
        logits: (B, K).
        targets: (B,) class indices, or (B, K) zeros and ones.
        class_weights: (K,) as in ``class_weights``, or none.
    """
    if targets.ndim == 2:
        return F.binary_cross_entropy_with_logits(
            logits, targets.to(logits.dtype), pos_weight=class_weights
        )
    return F.cross_entropy(logits, targets, weight=class_weights)


def balanced_weights(targets: np.ndarray, num_classes: int) -> np.ndarray:
    """Weights that make every class count alike: (K,) float32.

    Args:
        targets: (N,) class indices: a class's weight is N / (K * its number). Or (N, K) zeros and
            ones: the weight of a one is the number of zeros over the number of ones.
        num_classes: K. A class without a video has the weight 1.
    """
    if targets.ndim == 2:
        ones = targets.sum(0)
        weights = (len(targets) - ones) / np.maximum(ones, 1)
    else:
        ones = np.bincount(targets, minlength=num_classes)
        weights = len(targets) / (num_classes * np.maximum(ones, 1))
    return np.where(ones > 0, weights, 1.0).astype(np.float32)
