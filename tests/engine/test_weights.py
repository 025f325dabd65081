import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from endofm.engine.loading import load
from endofm.engine.weights import (
    load_backbone,
    load_state,
    network_state,
    read_checkpoint,
    save_weights,
    weights_sha256,
)
from endofm.models.timesformer import TimeSformer
from tests.checkpoints import assert_same, in_both_formats, refusal, small_backbone, small_state


def test_the_backbone_is_built_to_the_shapes_of_its_weights(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = TimeSformer(
            embed_dim=128, depth=3, num_heads=2, num_frames=5, grid=6, mlp_ratio=2
        ).eval()
    torch.save(expected.state_dict(), tmp_path / "x.pth")
    backbone = load(tmp_path / "x.pth")
    assert not backbone.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in backbone.parameters())
    assert_same(dict(backbone.state_dict()), dict(expected.state_dict()))
    clip = torch.rand(1, 3, 5, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(backbone(clip), expected(clip))


def test_overrides_win(tmp_path: Path) -> None:
    torch.save(small_backbone(), tmp_path / "x.pth")
    backbone = load_backbone(tmp_path / "x.pth", num_heads=4, checkpointing=True)
    assert backbone.checkpointing
    frame = torch.zeros(1, 3, 1, 16, 16)
    assert backbone.last_attention(frame).shape[1] == 4


def test_other_widths_need_the_number_of_heads(tmp_path: Path) -> None:
    narrow = TimeSformer(embed_dim=48, depth=1, num_heads=3).state_dict()
    torch.save(narrow, tmp_path / "x.pth")
    assert "a multiple of 64 channels" in refusal(load, tmp_path / "x.pth")
    assert_same(dict(load_backbone(tmp_path / "x.pth", num_heads=3).state_dict()), dict(narrow))


def test_half_precision_is_widened(tmp_path: Path) -> None:
    half = {key: value.half() for key, value in small_backbone().items()}
    torch.save(half, tmp_path / "x.pth")
    state = load_backbone(tmp_path / "x.pth").state_dict()
    assert_same(dict(state), {key: value.float() for key, value in half.items()})


def test_a_loaded_backbone_outlives_its_file(tmp_path: Path) -> None:
    for path in in_both_formats(small_backbone(), tmp_path):
        backbone = load_backbone(path)
        size = path.stat().st_size
        path.write_bytes(b"\xff" * size)  # in place: what is mapped would change
        assert_same(dict(backbone.state_dict()), small_backbone())


def test_missing_unexpected_and_reshaped_tensors_are_counted_and_named(tmp_path: Path) -> None:
    state = small_backbone()
    for part in ("weight", "bias"):
        del state[f"blocks.1.temporal_fc.{part}"]
        del state[f"norm.{part}"]
    state["fpn.weight"] = torch.ones(1)
    state["cls_token"] = torch.ones(1, 2, 64)
    torch.save(state, tmp_path / "x.pth")
    assert refusal(load_backbone, tmp_path / "x.pth") == (
        f"{tmp_path}/x.pth does not fit TimeSformer: 4 missing (blocks.1.temporal_fc.weight, "
        "blocks.1.temporal_fc.bias, norm.weight, ...), 1 unexpected (fpn.weight), "
        "1 of another shape (cls_token 1x2x64 for 1x1x64); "
        "these weights belong to another model, or to another size of it"
    )


@pytest.mark.parametrize(
    "key", ["patch_embed.proj.weight", "pos_embed", "time_embed", "blocks.0.mlp.fc1.weight"]
)
@pytest.mark.parametrize("remove", [True, False])
def test_a_tensor_that_tells_the_architecture_may_not_lack(
    key: str, remove: bool, tmp_path: Path
) -> None:
    state = small_backbone()
    if remove:
        del state[key]
    else:
        state[key] = torch.tensor(1.0)
    torch.save(state, tmp_path / "x.pth")
    assert f"{tmp_path}/x.pth: the backbone has no {key} of" in refusal(load, tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("patch_embed.proj.weight", (64, 3, 8, 8)),
        ("patch_embed.proj.weight", (64, 1, 16, 16)),
        ("patch_embed.proj.weight", (65, 3, 16, 16)),
        ("patch_embed.proj.weight", (0, 3, 16, 16)),
        ("pos_embed", (1, 198, 64)),
        ("pos_embed", (1, 0, 64)),
    ],
)
def test_other_video_transformers_are_refused(
    key: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    torch.save({**small_backbone(), key: torch.zeros(shape)}, tmp_path / "x.pth")
    line = refusal(load, tmp_path / "x.pth")
    assert f"{tmp_path}/x.pth: no TimeSformer here has" in line
    assert "it takes RGB patches of 16 px in a square grid, and a multiple of 64" in line


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("key", ["backbone.norm.bias", "head.mlp.0.bias"])
def test_non_finite_weights_are_refused_by_name(value: float, key: str, tmp_path: Path) -> None:
    state = dict(small_state("ssl_teacher"))
    state[key][3] = value
    torch.save(state, tmp_path / "x.pth")
    assert refusal(network_state, tmp_path / "x.pth") == (
        f"{tmp_path}/x.pth: NaN or infinity in 1 tensors, the first "
        f"{key.removeprefix('backbone.').removeprefix('head.')}; take an earlier checkpoint"
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64, torch.bool])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_finite_tensors_of_any_type_pass(
    dtype: torch.dtype, shape: tuple[int, ...], tmp_path: Path
) -> None:
    further = {"head.x": torch.ones(shape, dtype=dtype)}
    torch.save({**small_state("ssl_teacher"), **further}, tmp_path / "x.pth")
    assert_same(network_state(tmp_path / "x.pth")["head.x"], further["head.x"])


def test_state_is_copied_into_a_module_of_any_type(tmp_path: Path) -> None:
    module = torch.nn.Linear(2, 3).double()
    state = {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}
    load_state(module, state, source=tmp_path)
    state["weight"].zero_()
    assert module.weight.dtype == torch.float64
    assert module.weight.eq(1).all()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; download or copy it again"),
        (b"<!DOCTYPE html><html>", "is a web page, not the weights; the link leads to a page"),
        (b"\n  <html><title>Drive", "is a web page, not the weights; the link leads to a page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
            "is a git-LFS pointer, not the weights; run git lfs pull",
        ),
        (b"quota exceeded", "is truncated, damaged or no weights file; download or copy it again"),
        (b"PK\x03\x04" + b"x" * 64, "is truncated, damaged or no weights file; download"),
    ],
)
def test_impostors_are_named(content: bytes, words: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    assert f"{path} {words}" in refusal(read_checkpoint, path)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_truncated_files_are_refused(share: float, tmp_path: Path) -> None:
    for path in in_both_formats(small_backbone(), tmp_path):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        assert f"{path} is truncated" in refusal(read_checkpoint, path)


@pytest.mark.parametrize("tree", [[1], torch.ones(2), "text", None])
def test_only_dictionaries_are_checkpoints(tree: object, tmp_path: Path) -> None:
    torch.save(tree, tmp_path / "x.pth")
    line = refusal(read_checkpoint, tmp_path / "x.pth")
    assert f"holds a {type(tree).__name__}, not a checkpoint" in line


def test_a_damaged_structure_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "x.safetensors", {}, kind="x", metadata={"structure": "{"})
    assert "x.safetensors is truncated, damaged" in refusal(
        read_checkpoint, tmp_path / "x.safetensors"
    )


def test_an_unreadable_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: Path) -> None:
        raise PermissionError(13, os.strerror(13))

    torch.save({}, tmp_path / "x.pth")
    monkeypatch.setattr("endofm.engine.weights.read_torch_file", deny)
    assert refusal(read_checkpoint, tmp_path / "x.pth") == (
        f"{tmp_path}/x.pth cannot be read (Permission denied); check its permissions and its disk"
    )


def test_saved_weights_say_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.safetensors"
    columns = torch.arange(6.0).reshape(2, 3).t()
    tensors = {"columns": columns, "tied": columns[1:]}
    save_weights(path, tensors, kind="backbone", metadata={"step": "7", "kind": "?"})
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "endofm", "kind": "backbone", "step": "7"}
    assert_same(load_file(path), tensors)
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_save_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.safetensors"
    save_weights(path, {"a": torch.ones(1)}, kind="backbone")
    before = path.read_bytes()

    def write_half(_tensors: object, draft: Path, _metadata: object) -> None:
        draft.write_bytes(b"half")
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("endofm.engine.weights.save_file", write_half)
    line = refusal(save_weights, path, {"a": torch.zeros(1)}, kind="backbone")
    assert line == (
        f"{path} cannot be written (No space left on device); make room or name another place"
    )
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_the_fingerprint_is_the_hash_of_names_types_shapes_and_bytes() -> None:
    tensors = {"b": torch.tensor([1, 2], dtype=torch.int16), "a": torch.tensor(True)}
    written_out = b"a torch.bool ()\n\x01" + b"b torch.int16 (2,)\n\x01\x00\x02\x00"
    assert weights_sha256(tensors) == hashlib.sha256(written_out).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        {"x": torch.ones(4)},
        {"y": torch.ones(2, 2)},
        {"x": torch.ones(2, 2, dtype=torch.float64)},
        {"x": torch.tensor([[1.0, 1.0], [1.0, 2.0]])},
        {"x": torch.ones(2, 2), "y": torch.ones(0)},
    ],
)
def test_the_fingerprint_tells_apart(other: dict[str, Tensor]) -> None:
    assert weights_sha256(other) != weights_sha256({"x": torch.ones(2, 2)})


def test_the_fingerprint_takes_any_layout_and_type() -> None:
    for dtype in (torch.bfloat16, torch.float16, torch.uint8):
        square = torch.arange(4).reshape(2, 2).to(dtype)
        assert weights_sha256({"x": square.t().contiguous().t()}) == weights_sha256({"x": square})
