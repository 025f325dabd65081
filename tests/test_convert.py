import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from endofm.convert import Conversion, convert
from endofm.engine.weights import (
    backbone_state,
    load_backbone,
    network_state,
    read_checkpoint,
    save_weights,
    weights_sha256,
)
from endofm.errors import WeightsError
from tests.checkpoints import assert_same, classifier, image_vit, pretraining, refusal, small_state


def odd_tensors() -> dict[Any, Any]:
    """What safetensors would refuse or change if it were handed over as it is."""
    whole = torch.arange(12.0)
    return {
        "tied": [whole, whole[2:5], whole.view(3, 4).t()],
        "scalar": torch.tensor(3),
        "bool": torch.tensor([True, False]),
        "empty": torch.ones(0, 3),
        "bfloat16": torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
        "parts": (None, 2**70, float("inf"), -0.0, "ü"),
        3: {"$tensor": "x"},
    }


CHECKPOINTS: dict[str, Callable[[], dict[Any, Any]]] = {
    "pretraining": pretraining,
    "classifier": classifier,
    "view_network": lambda: small_state("ssl_teacher"),
    "backbone": lambda: {"state_dict": small_state("backbone"), "epoch": 1},
    "image_backbone": image_vit,
    "weights": odd_tensors,
}


@pytest.fixture(params=sorted(CHECKPOINTS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_there_and_back_nothing_is_lost(kind: str, tmp_path: Path) -> None:
    original, ours, again = (tmp_path / name for name in ("a.pth", "b.safetensors", "c.pth"))
    torch.save(CHECKPOINTS[kind](), original)
    there = convert(original, ours)
    back = convert(str(ours), str(again))
    assert there == back
    assert there.kind == kind
    for path in (original, ours, again):
        assert_same(read_checkpoint(path), CHECKPOINTS[kind]())
    assert not [path for path in tmp_path.iterdir() if path not in (original, ours, again)]


def test_what_is_written_needs_no_numpy(tmp_path: Path) -> None:
    """The original's old environment cannot import the names that today's numpy pickles."""
    torch.save(pretraining(), tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    convert(tmp_path / "b.safetensors", tmp_path / "c.pth")
    assert torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "c.pth") == [
        "argparse.Namespace"
    ]


def test_ours_is_plain_safetensors_that_says_what_it_is(tmp_path: Path) -> None:
    torch.save(pretraining(), tmp_path / "a.pth")
    summary = convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    with safe_open(tmp_path / "b.safetensors", "pt") as file:
        metadata = file.metadata()
    assert (metadata["format"], metadata["kind"]) == ("endofm", "pretraining")
    tensors = load_file(tmp_path / "b.safetensors")
    assert torch.equal(
        tensors["teacher/backbone.norm.weight"], pretraining()["teacher"]["backbone.norm.weight"]
    )
    assert summary == Conversion(
        kind="pretraining",
        num_tensors=len(tensors),
        num_parameters=sum(tensor.numel() for tensor in tensors.values()),
        sha256=weights_sha256(tensors),
    )


def test_ours_loads_as_the_original_does(tmp_path: Path) -> None:
    torch.save(pretraining(), tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    for network in ("teacher", "student"):
        original = network_state(tmp_path / "a.pth", network=network)
        assert_same(network_state(tmp_path / "b.safetensors", network=network), original)
    load_backbone(tmp_path / "b.safetensors")


def test_ours_without_structure_becomes_a_flat_state_dict(tmp_path: Path) -> None:
    state = dict(sorted(small_state("backbone").items()))
    save_weights(tmp_path / "a.safetensors", state, kind="backbone")
    summary = convert(tmp_path / "a.safetensors", tmp_path / "b.pth")
    assert summary.kind == "backbone"
    assert summary.sha256 == weights_sha256(state)
    written = torch.load(tmp_path / "b.pth", weights_only=True)
    assert_same(dict(sorted(written.items())), state)


def run_folder(path: Path) -> dict[str, dict[str, Tensor]]:
    folder = path / "checkpoints" / "step-000007"
    folder.mkdir(parents=True)
    networks = {
        name: dict(sorted(small_state("ssl_teacher", seed=seed).items()))
        for name, seed in (("teacher", 1), ("student", 2))
    }
    for name, state in networks.items():
        save_file(state, folder / f"{name}.safetensors")
    centre = torch.arange(40.0)[None]
    save_file(
        {"centre": centre, "optimizer.0.exp_avg": torch.ones(1)}, folder / "training.safetensors"
    )
    (folder / "state.json").write_text(json.dumps({"step": 7, "epoch": 3}))
    (path / "checkpoints" / "last").symlink_to(folder.name)
    return networks


@pytest.mark.parametrize("inside", ["", "checkpoints/last", "checkpoints/step-000007"])
def test_a_run_becomes_the_original_checkpoint(inside: str, tmp_path: Path) -> None:
    networks = run_folder(tmp_path / "run")
    summary = convert(tmp_path / "run" / inside, tmp_path / "a.pth")
    assert summary.kind == "pretraining"
    written = torch.load(tmp_path / "a.pth", weights_only=True)
    student = {f"module.{key}": value for key, value in networks["student"].items()}
    assert set(written) == {"teacher", "student", "dino_loss", "epoch"}
    assert_same(dict(sorted(written["teacher"].items())), networks["teacher"])
    assert_same(dict(sorted(written["student"].items())), student)
    assert_same(written["dino_loss"], {"center": torch.arange(40.0)[None]})
    assert written["epoch"] == 3
    original = pretraining()
    assert set(written["student"]) == set(original["student"])
    assert set(written["teacher"]) == set(original["teacher"])
    for network in ("teacher", "student"):
        assert_same(
            dict(sorted(network_state(tmp_path / "a.pth", network=network).items())),
            networks[network],
        )


def test_what_a_checkpoint_folder_lacks_is_left_out(tmp_path: Path) -> None:
    run_folder(tmp_path)
    folder = tmp_path / "checkpoints" / "step-000007"
    for name in ("student.safetensors", "training.safetensors", "state.json"):
        (folder / name).unlink()
    convert(folder, tmp_path / "a.pth")
    assert list(torch.load(tmp_path / "a.pth", weights_only=True)) == ["teacher"]


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    run_folder(tmp_path)
    state = tmp_path / "checkpoints" / "last" / "state.json"
    state.write_text("{")
    assert (
        refusal(convert, tmp_path, tmp_path / "a.pth")
        == f"{state} is damaged; take another checkpoint"
    )


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".pth.tar", ".safetensors"])
def test_an_existing_target_is_kept_unless_told(suffix: str, tmp_path: Path) -> None:
    source, target = tmp_path / "a.pth", tmp_path / f"b{suffix}"
    torch.save(image_vit(), source)
    target.write_text("mine")
    assert refusal(convert, source, target) == (
        f"{target} exists; add --overwrite, or name another file"
    )
    assert target.read_text() == "mine"
    convert(source, target, overwrite=True)
    assert_same(read_checkpoint(target), image_vit())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_may_be_converted_in_its_place(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    torch.save(image_vit(), tmp_path / "x.pth")
    convert(tmp_path / "x.pth", path)
    convert(path, path, overwrite=True)
    assert_same(read_checkpoint(path), image_vit())


@pytest.mark.parametrize("name", ["b", "b.onnx", "b.bin"])
def test_an_unknown_format_is_refused(name: str, tmp_path: Path) -> None:
    torch.save(image_vit(), tmp_path / "a.pth")
    suffix = Path(name).suffix
    assert refusal(convert, tmp_path / "a.pth", tmp_path / name) == (
        f"{tmp_path / name}: unknown format '{suffix}'; "
        "end the name in .safetensors for ours or in .pth for the original's"
    )


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, os.strerror(28)), "No space left on device"),
        (RuntimeError("unexpected pos 576 vs 534"), "the disk may be full"),
    ],
)
def test_a_full_disk_leaves_nothing_behind(
    suffix: str, error: Exception, reason: str, *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "a.pth", tmp_path / f"b{suffix}"
    torch.save(image_vit(), source)

    def fill(_tree: object, draft: Path, *_: object) -> None:
        draft.write_bytes(b"half")
        raise error

    monkeypatch.setattr("endofm.engine.weights.save_file", fill)
    monkeypatch.setattr("torch.save", fill)
    assert refusal(convert, source, target) == (
        f"{target} cannot be written ({reason}); make room or name another place"
    )
    assert list(tmp_path.iterdir()) == [source]


def test_a_target_in_a_file_is_one_line(tmp_path: Path) -> None:
    torch.save(image_vit(), tmp_path / "a.pth")
    assert "cannot be written (" in refusal(
        convert, tmp_path / "a.pth", tmp_path / "a.pth" / "b.safetensors"
    )


def test_what_cannot_be_kept_is_refused_and_named(tmp_path: Path) -> None:
    torch.save({"x": {"y": b"bytes"}}, tmp_path / "a.pth")
    assert refusal(convert, tmp_path / "a.pth", tmp_path / "b.safetensors") == (
        f"{tmp_path}/a.pth: a bytes at 'x/y' cannot be stored; "
        "only tensors, numbers, text and lists or dictionaries of them can"
    )


def test_weights_that_are_not_finite_are_still_kept(tmp_path: Path) -> None:
    state = small_state("backbone")
    state["norm.bias"][0] = float("nan")
    torch.save(state, tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    with pytest.raises(WeightsError, match="NaN or infinity in 1 tensors"):
        backbone_state(tmp_path / "b.safetensors")
