"""The only training loop: what a step is, whatever the task.

Time is the integer step. Everything scheduled is a function of it, randomness on the device is
seeded from it, and a run that goes on starts at another number.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from endofm.engine.optim import clip_each_gradient, set_rates
from endofm.errors import TrainingError

Record = dict[str, float]


class Task(Protocol):
    """What the loop asks of a task."""

    def rates(self, step: int) -> Record:
        """This step's ``learning_rate`` and ``weight_decay``, and what else is worth logging."""

    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        """Scalars of one micro-batch; ``loss`` is minimised, the others are logged."""

    def before_update(self, step: int) -> None:
        """The last word on the gradients."""

    def after_update(self, step: int) -> None:
        """What follows the weights: moving averages and the like."""


class Hooks(Protocol):
    """What the owner of a run does around a step."""

    def after_step(self, finished: int, record: Record) -> None:
        """Log, save, probe: ``finished`` steps are done."""

    def stop_requested(self) -> bool:
        """Shall the loop end here? Asked of every process; one yes is enough."""

    def failed(self, step: int, term: str, batch: Any) -> None:
        """Keep what is known of the batch whose ``term`` is not finite."""


@dataclass(frozen=True)
class Trainer:
    """A network, its optimizer, and the machine they run on.

    Args:
        task: Losses and schedules.
        model: The network that learns, prepared by ``accelerator``.
        optimizer: Its optimizer, prepared likewise.
        accelerator: Device, precision and processes.
        hooks: What happens around a step.
        seed: Of the randomness on the device (drop path, dropout).
        accumulate: Micro-batches a step; their losses are averaged.
        gradient_limit: Largest norm of each parameter's gradient.
    """

    task: Task
    model: nn.Module
    optimizer: torch.optim.Optimizer
    accelerator: Accelerator
    hooks: Hooks
    seed: int
    accumulate: int = 1
    gradient_limit: float = math.inf

    def fit(self, batches: Iterator[Any], steps: range) -> int:
        """Train for ``steps``, taking ``accumulate`` batches a step.

        Returns:
            The number of finished steps: less than ``steps.stop`` after a request to stop.

        Raises:
            TrainingError: On the first non-finite loss or gradient, in all processes together.
        """
        self.model.train()
        for step in steps:
            began = time.perf_counter()
            set_seed(step_seed(self.seed, step, self.accelerator.process_index))
            rates = self.task.rates(step)
            set_rates(
                self.optimizer,
                learning_rate=rates["learning_rate"],
                weight_decay=rates["weight_decay"],
            )
            terms, waited_s = self._accumulate_gradients(batches, step)
            norm = self._clip(step)
            self.task.before_update(step)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.task.after_update(step)
            step_s = time.perf_counter() - began
            timing = {"step_s": step_s, "wait_share": waited_s / step_s}
            self.hooks.after_step(step + 1, {**terms, **rates, "grad_norm": norm, **timing})
            if self._stop_agreed():
                return step + 1
        return steps.stop

    def _accumulate_gradients(self, batches: Iterator[Any], step: int) -> tuple[Record, float]:
        """Mean loss terms over the micro-batches, and the seconds spent waiting for data."""
        records: list[Record] = []
        waited_s = 0.0
        for micro in range(self.accumulate):
            asked = time.perf_counter()
            batch = next(batches)
            waited_s += time.perf_counter() - asked
            last = micro == self.accumulate - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                with self.accelerator.autocast():
                    losses = self.task.losses(batch, step)
                records.append(self._finite_means(losses, step, batch))
                self.accelerator.backward(losses["loss"] / self.accumulate)
        means = {name: sum(r[name] for r in records) / len(records) for name in records[0]}
        return means, waited_s

    def _finite_means(self, losses: Mapping[str, Tensor], step: int, batch: Any) -> Record:
        """Each term's mean over the processes; one bad value anywhere stops all of them."""
        own = torch.stack([value.detach().float() for value in losses.values()])
        means: list[float] = self.accelerator.reduce(own, reduction="mean").tolist()
        bad = [
            name
            for name, value in zip(losses, own.tolist(), strict=True)
            if not math.isfinite(value)
        ]
        if bad:
            self.hooks.failed(step, bad[0], batch)
        for name, mean in zip(losses, means, strict=True):
            if not math.isfinite(mean):
                raise _not_finite(name, step)
        return dict(zip(losses, means, strict=True))

    def _clip(self, step: int) -> float:
        """Clip each parameter's gradient; the norm of all of them together, before that."""
        if scaled := self.accelerator.scaler is not None:
            self.accelerator.unscale_gradients(self.optimizer)
        norms = clip_each_gradient(self.model.parameters(), limit=self.gradient_limit)
        norm = float(norms.square().sum().sqrt())
        if not math.isfinite(norm) and not scaled:  # a scaler skips such a step and scales less
            named = [n for n, p in self.model.named_parameters() if p.grad is not None]
            culprit = next(
                n for n, v in zip(named, norms.tolist(), strict=True) if not math.isfinite(v)
            )
            self.hooks.failed(step, f"gradient of {culprit}", None)
            raise _not_finite(f"gradient of {culprit}", step)
        return norm

    def _stop_agreed(self) -> bool:
        wish = torch.tensor(float(self.hooks.stop_requested()), device=self.accelerator.device)
        return bool(self.accelerator.reduce(wish, reduction="sum") > 0)


def step_seed(seed: int, step: int, process_index: int) -> int:
    """A seed for one step of one process, unrelated to its neighbours'."""
    return int(np.random.SeedSequence([seed, step, process_index]).generate_state(1)[0])


def _not_finite(term: str, step: int) -> TrainingError:
    return TrainingError(
        f"step {step}: {term} is not finite",
        "see failures/ in the run folder; a lower learning rate or --precision fp32 may help",
    )
