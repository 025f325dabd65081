"""Checkpoints with the original's keys and shapes give the original's features."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from endofm.convert import convert
from endofm.engine.loading import load
from endofm.engine.sources import NETWORKS
from endofm.engine.weights import load_backbone, network_state
from endofm.models.timesformer import TimeSformer
from tests.parity.golden_fill import compare, fill_array, make_input

pytestmark = pytest.mark.parity

Keys = Callable[[str], dict[str, Any]]
Golden = Callable[[str], Mapping[str, Any]]


def filled(keys: Mapping[str, Any], *, seed: int) -> dict[str, Tensor]:
    """The golden fill of a listing."""
    return {
        key: torch.from_numpy(fill_array(key, entry["shape"], seed)) for key, entry in keys.items()
    }


def agrees(backbone: TimeSformer, golden: Mapping[str, Any]) -> None:
    clips = torch.from_numpy(make_input("clip1x3x4x96x96", (1, 3, 4, 96, 96), int(golden["seed"])))
    with torch.no_grad():
        compare(backbone(clips).numpy(), golden, "cls/1x3x4x96x96", rtol=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_full_size_checkpoint_gives_the_golden_features_in_both_formats(
    golden_keys: Keys, golden: Golden, tmp_path: Path
) -> None:
    vectors = golden("backbone")
    backbone = filled(golden_keys("backbone"), seed=int(vectors["seed"]))
    teacher = {f"backbone.{key}": value for key, value in backbone.items()}
    original, ours = tmp_path / "endo_fm.pth", tmp_path / "endofm.safetensors"
    try:
        torch.save({"teacher": teacher, "epoch": 30, "args": Namespace(lr=5e-4)}, original)
        del backbone, teacher
        agrees(load(original), vectors)
        summary = convert(original, ours)
        assert (summary.num_tensors, summary.num_parameters) == (247, 121_258_752)
        agrees(load(ours), vectors)
    finally:  # half a gigabyte each, which pytest would keep
        original.unlink(missing_ok=True)
        ours.unlink(missing_ok=True)


def test_the_small_networks_keep_every_key_through_both_formats(
    golden_keys: Keys, tmp_path: Path
) -> None:
    keys = golden_keys("small_ssl_student")
    expected = {network: filled(keys, seed=seed) for seed, network in enumerate(NETWORKS)}
    tree = {
        "student": {f"module.{key}": value for key, value in expected["student"].items()},
        "teacher": expected["teacher"],
        "dino_loss": {"center": torch.zeros(1, 1024)},
    }
    torch.save(tree, tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    convert(tmp_path / "b.safetensors", tmp_path / "c.pth")
    for name in ("a.pth", "b.safetensors", "c.pth"):
        for network in NETWORKS:
            state = network_state(tmp_path / name, network=network)
            assert list(state) == list(expected[network])
            assert all(torch.equal(state[key], expected[network][key]) for key in state)
    backbone = load_backbone(tmp_path / "b.safetensors")
    assert (backbone.embed_dim, len(backbone.blocks), backbone.grid) == (192, 2, 14)
