from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from endofm.engine.stem_weights import load_stem
from endofm.errors import WeightsError
from endofm.models import TimeSformer, TransUNet
from tests.checkpoints import refusal


def _segmenter(**options: int) -> TransUNet:
    torch.manual_seed(1)
    return TransUNet(TimeSformer(embed_dim=16, depth=1, num_heads=2, grid=2), width=16, **options)


def _arrays(model: TransUNet) -> dict[str, NDArray[np.float32]]:
    """The file that gives this model, its names written out as the paper's code has them."""
    state = {key: value.numpy() for key, value in model.state_dict().items()}
    arrays = {
        "conv_root/kernel": state["stem.root.conv.weight"].transpose(2, 3, 1, 0),
        "gn_root/scale": state["stem.root.gn.weight"].reshape(1, 1, 1, -1),
        "gn_root/bias": state["stem.root.gn.bias"].reshape(1, 1, 1, -1),
        "embedding/kernel": state["proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": state["proj.bias"],
        "Transformer/encoderblock_0/LayerNorm_0/bias": np.zeros(16, np.float32),
    }
    place = np.concatenate([np.full((1, 1, 16), 9), state["pos_embed"]], 1)
    arrays["Transformer/posembed_input/pos_embedding"] = place
    for block, units in (("block1", 3), ("block2", 4), ("block3", 9)):
        for unit in range(1, units + 1):
            here, there = f"{block}/unit{unit}", f"stem.body.{block}.unit{unit}"
            for i in (1, 2, 3):
                kernel = state[f"{there}.conv{i}.weight"]
                arrays[f"{here}/conv{i}/kernel"] = kernel.transpose(2, 3, 1, 0)
                for theirs, ours in (("scale", "weight"), ("bias", "bias")):
                    norm = state[f"{there}.gn{i}.{ours}"]
                    arrays[f"{here}/gn{i}/{theirs}"] = norm.reshape(1, 1, 1, -1)
        kernel = state[f"stem.body.{block}.unit1.downsample.weight"]
        arrays[f"{block}/unit1/conv_proj/kernel"] = kernel.transpose(2, 3, 1, 0)
        for theirs, ours in (("scale", "weight"), ("bias", "bias")):
            norm = state[f"stem.body.{block}.unit1.gn_proj.{ours}"]
            arrays[f"{block}/unit1/gn_proj/{theirs}"] = norm
    return arrays


@pytest.fixture
def source() -> TransUNet:
    torch.manual_seed(2)
    source = _segmenter(grid=3)
    for parameter in source.parameters():
        torch.nn.init.normal_(parameter)
    return source


def test_stem_projection_and_positions_are_taken_and_nothing_else(
    source: TransUNet, tmp_path: Path
) -> None:
    np.savez(tmp_path / "r50.npz", **_arrays(source))  # type: ignore[arg-type]  # numpy's stub
    model = _segmenter(grid=3)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    load_stem(model, tmp_path / "r50.npz")
    for key, value in model.state_dict().items():
        of_stem = key.startswith(("stem.", "proj.", "pos_embed"))
        expected = source.state_dict()[key] if of_stem else before[key]
        assert torch.equal(value, expected), key


def test_a_file_that_does_not_fit_is_refused(source: TransUNet, tmp_path: Path) -> None:
    path = tmp_path / "r50.npz"
    assert refusal(load_stem, source, path) == f"{path}: no such file; check the path"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    assert refusal(load_stem, source, path) == (
        f"{path} is no .npz file, or is damaged; download or copy it again"
    )
    np.savez(path, other=np.zeros(3))
    assert refusal(load_stem, source, path) == (
        f"{path} has no Transformer/posembed_input/pos_embedding; "
        "give the file of an R50+ViT for ImageNet"
    )
    np.savez(path, **_arrays(source))  # type: ignore[arg-type]  # numpy's stub
    with pytest.raises(WeightsError, match=r"gives \(1, 9, 16\), the segmenter has \(1, 4, 16\)"):
        load_stem(_segmenter(grid=2), path)


def test_pickled_objects_in_a_file_are_not_read(source: TransUNet, tmp_path: Path) -> None:
    arrays = _arrays(source)
    np.savez(tmp_path / "a.npz", **{**arrays, "gn_root/bias": np.array([{}], object)})  # type: ignore[arg-type]  # numpy's stub
    assert "is no .npz file, or is damaged" in refusal(load_stem, source, tmp_path / "a.npz")
