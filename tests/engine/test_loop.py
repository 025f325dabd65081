import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from endofm.engine.loop import Trainer, step_seed
from endofm.engine.optim import parameter_groups
from endofm.errors import TrainingError


@dataclass
class Regression:
    """Fits a line, with dropout so that randomness on the device shows."""

    model: nn.Module
    updates: list[int] = field(default_factory=list)

    def rates(self, step: int) -> dict[str, float]:
        return {"learning_rate": 0.1 / (1 + step), "weight_decay": 0.01}

    def losses(self, batch: Tensor, step: int) -> Mapping[str, Tensor]:
        error = self.model(batch) - batch.sum(dim=1, keepdim=True)
        return {"loss": error.square().mean(), "bias": error.mean()}

    def before_update(self, step: int) -> None:
        pass

    def after_update(self, step: int) -> None:
        self.updates.append(step)


@dataclass
class Recorder:
    stop_after: int = 1000
    losses: list[float] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)

    def after_step(self, finished: int, record: Mapping[str, float]) -> None:
        self.losses.append(record["loss"])

    def stop_requested(self) -> bool:
        return len(self.losses) >= self.stop_after

    def failed(self, step: int, term: str, batch: Any) -> None:
        self.failures.append((step, term))


def _batches(first: int, size: int = 4) -> Iterator[Tensor]:
    for step in itertools.count(first):
        yield torch.randn(size, 3, generator=torch.Generator().manual_seed(step))


def _trainer(hooks: Recorder, *, dropout: float = 0.5, accumulate: int = 1) -> Trainer:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(dropout), nn.Linear(8, 1))
    accelerator = Accelerator(cpu=True)
    optimizer = torch.optim.AdamW(parameter_groups(model))
    prepared, optimizer = accelerator.prepare(model, optimizer)
    return Trainer(
        task=Regression(prepared),
        model=prepared,
        optimizer=optimizer,
        accelerator=accelerator,
        hooks=hooks,
        seed=3,
        accumulate=accumulate,
    )


def test_steps_are_done_in_order_and_the_loss_falls() -> None:
    hooks = Recorder()
    trainer = _trainer(hooks, dropout=0.0)
    assert trainer.fit(_batches(0), range(60)) == 60
    assert trainer.task.updates == list(range(60))  # type: ignore[attr-defined]
    assert sum(hooks.losses[-10:]) < 0.5 * sum(hooks.losses[:10])


def test_a_run_in_two_parts_equals_an_unbroken_one_bit_for_bit() -> None:
    whole = Recorder()
    _trainer(whole).fit(_batches(0), range(8))
    parts = Recorder()
    trainer = _trainer(parts)
    trainer.fit(_batches(0), range(3))
    torch.manual_seed(99)  # what happened in between must not matter
    trainer.fit(_batches(3), range(3, 8))
    assert parts.losses == whole.losses


def test_micro_batches_give_the_gradient_of_the_whole_batch() -> None:
    whole, parts = Recorder(), Recorder()
    _trainer(whole, dropout=0.0).fit(_batches(0), range(5))
    halves = (half for batch in _batches(0) for half in batch.split(2))
    _trainer(parts, dropout=0.0, accumulate=2).fit(halves, range(5))
    assert parts.losses == pytest.approx(whole.losses, rel=1e-5)


def test_a_request_to_stop_ends_after_the_step() -> None:
    hooks = Recorder(stop_after=3)
    assert _trainer(hooks).fit(_batches(0), range(10)) == 3
    assert len(hooks.losses) == 3


def test_the_first_non_finite_loss_stops_and_is_handed_over() -> None:
    def poisoned() -> Iterator[Tensor]:
        for step, batch in enumerate(_batches(0)):
            yield batch * (float("nan") if step == 2 else 1)

    hooks = Recorder()
    with pytest.raises(TrainingError, match="step 2: loss is not finite"):
        _trainer(hooks).fit(poisoned(), range(10))
    assert hooks.failures == [(2, "loss")]
    assert len(hooks.losses) == 2


def test_a_non_finite_gradient_names_its_parameter() -> None:
    hooks = Recorder()
    trainer = _trainer(hooks, dropout=0.0)
    weight = next(trainer.model.parameters())
    weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(TrainingError, match=r"gradient of 0\.weight is not finite"):
        trainer.fit(_batches(0), range(1))
    assert hooks.failures == [(0, "gradient of 0.weight")]


def test_seeds_differ_between_steps_and_processes() -> None:
    seeds = {step_seed(0, step, process) for step in range(20) for process in range(4)}
    assert len(seeds) == 80
    assert step_seed(1, 0, 0) not in seeds
