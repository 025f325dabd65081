"""Small stand-ins for published checkpoints, with the original's keys and golden fill."""

import json
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from endofm.errors import WeightsError
from tests.parity.golden_fill import fill_array

KEYS = Path(__file__).parent / "parity" / "data"
SMALL = {768: 64, 2304: 192, 3072: 256, 2048: 24, 256: 8, 65536: 40}
DEPTH = 2


def small_state(listing: str, *, seed: int = 1) -> OrderedDict[str, Tensor]:
    """The keys of ``keys_<listing>.json`` in two blocks of 64 channels."""
    keys = json.loads((KEYS / f"keys_{listing}.json").read_text())
    state: OrderedDict[str, Tensor] = OrderedDict()
    for key, entry in keys.items():
        if "blocks." in key and int(key.split("blocks.")[1].split(".")[0]) >= DEPTH:
            continue
        shape = [SMALL.get(size, size) for size in entry["shape"]]
        state[key] = torch.from_numpy(fill_array(key, shape, seed))
    return state


def small_backbone() -> dict[str, Tensor]:
    """The backbone alone."""
    return dict(small_state("backbone"))


def pretraining() -> dict[str, Any]:
    """What the original's pre-training writes; numpy numbers where its schedules put them."""
    student = small_state("ssl_student", seed=1)
    vars(student)["_metadata"] = OrderedDict({"": {"version": 1}})
    return {
        "student": student,
        "teacher": small_state("ssl_teacher", seed=2),
        "optimizer": {
            "state": {
                0: {"step": 7, "exp_avg": torch.ones(3), "exp_avg_sq": torch.zeros(3)},
                1: {"step": torch.tensor(7.0), "exp_avg": torch.ones(2, 2).t()},
            },
            "param_groups": [
                {
                    "lr": np.float64(5e-4),
                    "betas": (0.9, 0.999),
                    "eps": 1e-8,
                    "weight_decay": np.float32(0.25),
                    "amsgrad": False,
                    "params": [0, 1],
                }
            ],
        },
        "epoch": np.int64(30),
        "args": Namespace(lr=5e-4, data_path="data", use_fp16=True, opts=None, crops=(0.4, 1.0)),
        "dino_loss": OrderedDict(center=torch.arange(40.0)[None]),
        "fp16_scaler": {"scale": 65536.0, "growth_interval": 2000, "_growth_tracker": 0},
    }


def classifier() -> dict[str, Any]:
    """What the original's fine-tuning on PolypDiag writes."""
    backbone = {f"module.{key}": value for key, value in small_state("backbone").items()}
    linear = {"module.linear.weight": torch.ones(2, 64), "module.linear.bias": torch.zeros(2)}
    return {
        "epoch": 20,
        "state_dict": OrderedDict(linear),
        "backbone_state_dict": OrderedDict(backbone),
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3, "params": [0, 1]}]},
        "scheduler": {"T_max": 20, "base_lrs": [1e-3], "last_epoch": 20, "verbose": False},
        "best_acc": np.float64(0.915),
    }


def image_vit() -> dict[str, Tensor]:
    """DINO's checkpoint of an image ViT."""
    return {
        key: value
        for key, value in small_state("backbone").items()
        if "temporal" not in key and key != "time_embed"
    }


def assert_same(actual: Any, expected: Any) -> None:
    """Equal values, types, order and nesting; bytes for tensors; numpy numbers as plain ones."""
    if isinstance(expected, Tensor):
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
        assert _bytes(actual) == _bytes(expected)
        return
    if isinstance(expected, np.generic):
        expected = expected.item()
    assert type(actual) is type(expected)
    if isinstance(expected, OrderedDict | Namespace):
        assert_same(vars(actual), vars(expected))
    if isinstance(expected, dict):
        assert_same(list(actual.items()), list(expected.items()))
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    elif not isinstance(expected, Namespace):
        assert repr(actual) == repr(expected)  # tells -0.0 from 0.0 and finds NaN equal


def in_both_formats(state: dict[str, Tensor], folder: Path) -> list[Path]:
    """The state as ``.pth`` and as ``.safetensors``."""
    torch.save(state, folder / "x.pth")
    save_file(state, folder / "x.safetensors")
    return [folder / "x.pth", folder / "x.safetensors"]


def assert_same_state(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """In any order: safetensors has its own."""
    assert_same(dict(sorted(actual.items())), dict(sorted(expected.items())))


def refusal(call: Callable[..., object], *arguments: Any, **options: Any) -> str:
    """The one line with which a call is refused."""
    with pytest.raises(WeightsError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
