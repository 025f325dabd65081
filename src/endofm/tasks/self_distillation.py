"""Learning without labels: the student matches the teacher across views of a clip.

Endo-FM (Wang et al., MICCAI 2023), Section 2; DINO (Caron et al. 2021), Algorithm 1.
Axes: B clips, V views, T frames, K prototypes, D features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from endofm.engine.ema import update_average
from endofm.metrics.representation import effective_rank, feature_spread
from endofm.models import ViewNetwork
from endofm.objectives.dino import (
    dino_loss,
    next_centre,
    pair_losses,
    teacher_entropy,
    teacher_probabilities,
)
from endofm.schedules import cosine, linear_by_epoch, warmup_cosine

STUDENT_TEMPERATURE = 0.1
NUM_RECENT_FEATURES = 256
"""Teacher features remembered for the measures of collapse."""


@dataclass(frozen=True)
class Schedule:
    """Every rate of a pre-training as a function of the step."""

    num_steps: int
    steps_per_epoch: int
    warmup_steps: int
    freeze_steps: int
    peak_learning_rate: float
    final_learning_rate: float = 1e-6
    weight_decay: float = 0.04
    final_weight_decay: float = 0.4
    teacher_momentum: float = 0.996
    teacher_temperature: float = 0.04
    warmup_temperature: float = 0.04
    temperature_epochs: int = 0

    def rates(self, step: int) -> dict[str, float]:
        """The rates of one step, under the names they are logged by."""
        epoch = step // self.steps_per_epoch
        return {
            "epoch": epoch,
            "learning_rate": warmup_cosine(
                step,
                peak=self.peak_learning_rate,
                end=self.final_learning_rate,
                warmup_steps=self.warmup_steps,
                num_steps=self.num_steps,
            ),
            "weight_decay": cosine(
                step,
                start=self.weight_decay,
                end=self.final_weight_decay,
                num_steps=self.num_steps,
            ),
            "teacher_momentum": cosine(
                step, start=self.teacher_momentum, end=1.0, num_steps=self.num_steps
            ),
            "teacher_temperature": linear_by_epoch(
                epoch,
                start=self.warmup_temperature,
                end=self.teacher_temperature,
                warmup_epochs=self.temperature_epochs,
            ),
        }


class SelfDistillation:
    """The task that the training loop runs.

    Args:
        student: The network that learns; ``network`` wrapped for several processes, or itself.
        network: The student's bare network, whose weights the teacher averages.
        teacher: A network of the same form; it never sees a gradient.
        num_global: The first so many views are global: the teacher sees these alone.
        schedule: Rates by step.
        prepare: From a batch to its views, each (B, 3, T, H, W).
        centre_momentum: Share of the centre kept at a step.
        mean_over_processes: Reduces a tensor; the identity in a single process.
        gather: Concatenates a tensor's rows over the processes.
        teacher_drop_path: Leave drop path on in the teacher, as the original does.
    """

    def __init__(
        self,
        *,
        student: nn.Module,
        network: ViewNetwork,
        teacher: ViewNetwork,
        num_global: int,
        schedule: Schedule,
        prepare: Callable[[Any], Sequence[Tensor]],
        centre_momentum: float = 0.9,
        mean_over_processes: Callable[[Tensor], Tensor] = lambda t: t,
        gather: Callable[[Tensor], Tensor] = lambda t: t,
        teacher_drop_path: bool = False,
    ) -> None:
        self.student = student
        self.network = network
        self.teacher = teacher.requires_grad_(requires_grad=False).train(teacher_drop_path)
        self.num_global = num_global
        self.schedule = schedule
        self.prepare = prepare
        self.centre_momentum = centre_momentum
        self.mean_over_processes = mean_over_processes
        self.gather = gather
        gain = network.head.last_layer.weight_g
        self.centre = torch.zeros(1, len(gain), device=gain.device)  # (1, K)
        self.recent_features = torch.zeros(0, network.backbone.embed_dim)  # (<= 256, D)
        self._teacher_means: list[Tensor] = []  # (1, K) a micro-batch

    def measure_centre(self, batches: Iterable[Any]) -> None:
        """Start the centre at the mean of the teacher's logits instead of at zero.

        A new teacher says nearly the same of every clip. Until a centre that starts at zero has
        caught up with that, the student is drawn to say the same of every clip, too.
        """
        for batch in batches:
            self._teacher_logits(self.prepare(batch)[: self.num_global])
        self.centre = self.mean_over_processes(torch.stack(self._teacher_means).mean(dim=0))
        self._teacher_means.clear()

    def rates(self, step: int) -> dict[str, float]:
        """The rates of one step."""
        return self.schedule.rates(step)

    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        """Loss over all pairs of different views, its two parts, and the teacher's entropy."""
        views = self.prepare(batch)
        num_clips = len(views[0])
        teacher_logits = self._teacher_logits(views[: self.num_global])  # (G*B, K)
        probabilities = teacher_probabilities(
            teacher_logits, self.centre, self.rates(step)["teacher_temperature"]
        )
        pairs = pair_losses(
            self.student(views), probabilities, num_clips=num_clips, temperature=STUDENT_TEMPERATURE
        )
        terms = dino_loss(pairs)
        return {
            "loss": terms.total,
            "loss_cross_view": terms.cross_view,
            "loss_dynamic": terms.dynamic,
            "teacher_entropy": teacher_entropy(probabilities),
        }

    def before_update(self, step: int) -> None:
        """In the first epochs the prototypes have no gradient: no decay, no moments either."""
        if step < self.schedule.freeze_steps:
            for parameter in self.network.head.last_layer.parameters():
                parameter.grad = None

    def after_update(self, step: int) -> None:
        """Move the centre and the teacher."""
        mean = self.mean_over_processes(torch.stack(self._teacher_means).mean(dim=0))
        self.centre = next_centre(self.centre, mean, momentum=self.centre_momentum)
        self._teacher_means.clear()
        momentum = self.rates(step)["teacher_momentum"]
        update_average(self.teacher, self.network, momentum=momentum)

    def collapse_measures(self) -> dict[str, float]:
        """How far the teacher's recent features are spread, and over how many dimensions."""
        return {
            "feature_spread": feature_spread(self.recent_features),
            "effective_rank": effective_rank(self.recent_features),
        }

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps beside the networks."""
        return {"centre": self.centre, "recent_features": self.recent_features}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take ``tensors`` back from a checkpoint."""
        self.centre = tensors["centre"].to(self.centre.device)
        self.recent_features = tensors["recent_features"]

    @torch.no_grad()
    def _teacher_logits(self, views: Sequence[Tensor]) -> Tensor:
        features = torch.cat([self.teacher.backbone(view) for view in views])  # (G*B, D)
        logits = self.teacher.head(features).float()  # (G*B, K)
        self._teacher_means.append(logits.mean(dim=0, keepdim=True))
        recent = torch.cat([self.recent_features, self.gather(features.float()).cpu()])
        self.recent_features = recent[-NUM_RECENT_FEATURES:]
        return logits


COLLAPSED_SPREAD = 0.05
UNIFORM_SHARE = 0.9999


def collapse_warning(
    *, feature_spread: float, teacher_entropy: float, num_prototypes: int
) -> str | None:
    """What looks wrong, in plain words, or nothing.

    Meant for steps after the warm-up: an untrained network looks collapsed too.

    Args:
        feature_spread: 1 for features in all directions, 0 for one direction.
        teacher_entropy: Mean entropy of the teacher's probabilities, in nats.
        num_prototypes: Their number.
    """
    if feature_spread < COLLAPSED_SPREAD:
        return (
            f"collapse: all clips get nearly the same features (spread {feature_spread:.3f}); "
            "try a lower learning rate, a longer warm-up, or more varied clips"
        )
    if teacher_entropy > UNIFORM_SHARE * math.log(num_prototypes):
        return (
            "collapse: the teacher finds every prototype equally likely; "
            "try a lower teacher temperature or a higher learning rate"
        )
    return None
