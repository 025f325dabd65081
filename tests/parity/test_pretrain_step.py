"""Six optimiser steps of the original on a small model: losses, gradients, and both networks."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from endofm.engine.loop import Trainer
from endofm.engine.optim import parameter_groups
from endofm.models import DINOHead, TimeSformer, ViewNetwork
from endofm.tasks.self_distillation import Schedule, SelfDistillation
from tests.parity.golden_fill import fill_module, make_input

pytestmark = [pytest.mark.parity, pytest.mark.slow]

NUM_STEPS = 6
FRAMES = {"fixed8": (8,) * 10, "randfr": (8, 16, 2, 2, 4, 4, 8, 8, 16, 16)}


@dataclass
class Recorder:
    """Keeps each step's loss, and each parameter's gradient norm from before the clipping."""

    losses: list[float] = field(default_factory=list)

    def after_step(self, finished: int, record: Mapping[str, float]) -> None:
        self.losses.append(record["loss"])

    def stop_requested(self) -> bool:
        return False

    def failed(self, step: int, term: str, batch: Any) -> None:
        raise AssertionError(f"{term} of step {step} is not finite")


def _crops(tag: str, seed: int) -> Iterator[list[Tensor]]:
    for step in range(NUM_STEPS):
        sizes = [224, 224] + [96] * 8
        yield [
            torch.from_numpy(make_input(f"{tag}:it{step}:crop{i}", (2, 3, t, size, size), seed))
            for i, (t, size) in enumerate(zip(FRAMES[tag], sizes, strict=True))
        ]


def _network(seed: int, config: Mapping[str, Any]) -> ViewNetwork:
    backbone = TimeSformer(
        embed_dim=config["embed_dim"],
        depth=config["depth"],
        num_heads=config["heads"],
        drop_path=0.0,
    )
    head = DINOHead(in_dim=config["embed_dim"], out_dim=config["out_dim"])
    network: ViewNetwork = fill_module(ViewNetwork(backbone, head), seed)
    return network


def _relative_change_error(
    module: nn.Module, start: nn.Module, golden: Mapping[str, Any], prefix: str
) -> dict[str, float]:
    """Relative L2 error of each parameter's change, without the keys' third of qkv biases.

    The gain, which is not trained and moves by rounding alone in the teacher, is left out.
    """
    errors = {}
    pairs = zip(module.named_parameters(), start.parameters(), strict=True)
    for (name, parameter), first in pairs:
        if name.endswith("weight_g"):
            torch.testing.assert_close(parameter, first)
            continue
        flat, initial = (p.detach().double().flatten().numpy() for p in (parameter, first))
        stride = int(golden[f"{prefix}/{name}/stride"])
        index = np.arange(flat.size)[::stride]
        expected = golden[f"{prefix}/{name}/sample"].astype(np.float64) - initial[index]
        got = flat[index] - initial[index]
        if name.endswith("qkv.bias"):
            third = flat.size // 3
            kept = (index < third) | (index >= 2 * third)
            expected, got = expected[kept], got[kept]
        errors[name] = float(np.linalg.norm(got - expected) / np.linalg.norm(expected))
    return errors


@pytest.mark.parametrize("tag", ["fixed8", "randfr"])
def test_six_steps(tag: str, golden: Callable[[str], Mapping[str, Any]]) -> None:
    vectors = golden("pretrain_step")
    seed, config = int(vectors["seed"]), json.loads(str(vectors["config"]))
    network = _network(seed, config)
    start, teacher = copy.deepcopy(network), copy.deepcopy(network)
    schedule = Schedule(
        num_steps=config["epochs"] * config["niter"],
        steps_per_epoch=config["niter"],
        warmup_steps=config["niter"],
        freeze_steps=config["freeze_last_layer"] * config["niter"],
        peak_learning_rate=5e-4,
    )
    for name, key in (
        ("learning_rate", "lr_schedule"),
        ("weight_decay", "wd_schedule"),
        ("teacher_momentum", "momentum_schedule"),
    ):
        ours = [schedule.rates(step)[name] for step in range(schedule.num_steps)]
        np.testing.assert_allclose(ours, vectors[key], rtol=1e-6)
    accelerator = Accelerator(cpu=True)
    optimizer = torch.optim.AdamW(parameter_groups(network), lr=0.0)
    assert [len(g["params"]) for g in optimizer.param_groups] == list(vectors[f"{tag}/group_sizes"])
    student, optimizer = accelerator.prepare(network, optimizer)
    task = SelfDistillation(
        student=student,
        network=network,
        teacher=teacher,
        num_global=2,
        schedule=schedule,
        prepare=lambda views: views,
    )
    norms = _record_norms(network, task)
    recorder = Recorder()
    Trainer(
        task=task,
        model=student,
        optimizer=optimizer,
        accelerator=accelerator,
        hooks=recorder,
        seed=0,
        gradient_limit=config["clip"],
    ).fit(_crops(tag, seed), range(NUM_STEPS))

    np.testing.assert_allclose(recorder.losses, vectors[f"{tag}/losses"], rtol=1e-6)
    for step, by_name in enumerate(norms):
        expected = vectors[f"{tag}/grad_norms"][step]
        got = np.array([by_name[name] for name in vectors[f"{tag}/grad_norm_names"]])
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5 + 1e-4 * expected.max())
    centre = vectors[f"{tag}/center/sample"]
    np.testing.assert_allclose(
        task.centre.numpy().ravel(), centre, rtol=0, atol=1e-5 + 1e-4 * np.abs(centre).max()
    )
    for prefix, module in (("student", network), ("teacher", teacher)):
        errors = _relative_change_error(module, start, vectors, f"{tag}/{prefix}")
        worst = max(errors, key=lambda name: errors[name])
        assert errors[worst] < 1e-3, (prefix, worst, errors[worst])


def _record_norms(network: ViewNetwork, task: SelfDistillation) -> list[dict[str, float]]:
    """Norms of raw gradients, taken as they arrive, before clipping changes them."""
    steps: list[dict[str, float]] = []

    def keep(name: str) -> Callable[[Tensor], None]:
        def hook(parameter: Tensor) -> None:
            assert parameter.grad is not None
            if not steps or name in steps[-1]:
                steps.append({})
            steps[-1][name] = float(parameter.grad.norm())

        return hook

    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(keep(name))
    return steps
