"""Checkpoints without pickles: everything a run needs to go on as if never stopped.

``checkpoints/step-000120/`` holds one safetensors file a network, ``training.safetensors`` (the
optimizer's moments and the task's own tensors) and ``state.json``. A folder appears under its
final name only when it is complete; ``last`` is a symbolic link to the newest one, ``best`` to the
one with the best validation where there is a validation.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from endofm.engine.sources import TASK_NETWORKS
from endofm.errors import RunError
from endofm.files import replacing
from endofm.runfolder import write_json

TRAINING = "training.safetensors"
STATE = "state.json"
MOMENTS = "optimizer."


def save_checkpoint(
    folder: Path,
    step: int,
    *,
    networks: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    keep: int,
    best: bool = False,
) -> Path:
    """Write ``folder/step-N`` and forget all but the ``keep`` newest and the best.

    Args:
        folder: The run's folder of checkpoints.
        step: Number of finished steps.
        networks: Written to one file each, named after the key.
        optimizer: Its per-parameter tensors are stored.
        tensors: The task's own tensors, such as a centre.
        facts: Anything of JSON's types to return on loading.
        keep: How many checkpoints stay.
        best: This one is the best so far: ``folder/best`` points to it from now on.

    Raises:
        RunError: The checkpoint cannot be written, for example because the disk is full.
    """
    path = folder / f"step-{step:06d}"
    try:
        with replacing(path) as draft:
            draft.mkdir()
            kind = next((name for name in networks if name in TASK_NETWORKS), "view_network")
            metadata = {"format": "endofm", "kind": kind}
            for name, network in networks.items():
                save_file(_plain(network.state_dict()), draft / f"{name}.safetensors", metadata)
            moments = {MOMENTS + k: v for k, v in _moments(optimizer).items()}
            save_file(_plain({**tensors, **moments}), draft / TRAINING)
            write_json(draft / STATE, {"step": step, **facts})
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"{path}: cannot be written ({_reason(error)})",
            "make room and go on with --resume; the last complete checkpoint is kept",
        ) from None
    _point(folder / "last", path)
    if best:
        _point(folder / "best", path)
    for old in complete_checkpoints(folder)[:-keep]:
        if old.name != (folder / "best").resolve().name:
            shutil.rmtree(old)
    return path


def load_checkpoint(
    path: Path,
    *,
    networks: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Restore networks and optimizer in place; return the task's own tensors and the facts.

    Raises:
        RunError: The checkpoint is damaged or belongs to another model.
    """
    try:
        for name, network in networks.items():
            network.load_state_dict(load_file(path / f"{name}.safetensors"))
        stored = load_file(path / TRAINING)
        facts: dict[str, Any] = json.loads((path / STATE).read_text(encoding="utf-8"))
    except (OSError, SafetensorError, RuntimeError, json.JSONDecodeError) as error:
        raise RunError(
            f"{path}: damaged or of another model ({error})",
            "delete this folder to go on from the checkpoint before it",
        ) from None
    moments = {k.removeprefix(MOMENTS): v for k, v in stored.items() if k.startswith(MOMENTS)}
    _restore(optimizer, moments)
    return {k: v for k, v in stored.items() if not k.startswith(MOMENTS)}, facts


def complete_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    found = [p for p in folder.glob("step-*") if (p / STATE).is_file()]
    return sorted(found, key=lambda p: int(p.name.removeprefix("step-")))


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, entry in state.items() for key, value in entry.items()}


def _restore(optimizer: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in moments.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _point(link: Path, target: Path) -> None:
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target.name, target_is_directory=True)
    draft.replace(link)


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
