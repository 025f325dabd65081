import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from endofm.engine.detector_layout import detector_state, original_detector
from endofm.engine.layouts import recognise, select_state
from endofm.engine.segmenter_layout import original_segmenter, segmenter_state
from endofm.engine.weights import backbone_state, load_backbone, network_state
from endofm.models import Detector, TransUNet, timesformer_base
from tests.checkpoints import (
    KEYS,
    assert_same,
    assert_same_state,
    classifier,
    image_vit,
    in_both_formats,
    pretraining,
    refusal,
    small_backbone,
    small_state,
)


@pytest.mark.parametrize("network", ["teacher", "student"])
def test_pretraining_gives_either_network(network: str, tmp_path: Path) -> None:
    torch.save(pretraining(), tmp_path / "endo_fm.pth")
    listed = small_state(f"ssl_{network}", seed=1 if network == "student" else 2)
    whole = {key.removeprefix("module."): value for key, value in listed.items()}
    state = network_state(tmp_path / "endo_fm.pth", network=network)
    assert_same(state, whole)
    backbone = {k.removeprefix("backbone."): v for k, v in whole.items() if "head" not in k}
    assert_same(backbone_state(tmp_path / "endo_fm.pth", network=network), backbone)


def test_a_wrapped_network_gives_backbone_and_head(tmp_path: Path) -> None:
    network = dict(small_state("ssl_teacher"))
    for path in in_both_formats(network, tmp_path):
        assert_same_state(network_state(path), network)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state},
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"teacher": state},
        lambda state: {"teacher": {"state_dict": state}, "student": {}},
        lambda state: {"model": {"teacher": state, "student": {}}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {f"backbone.{key}": value for key, value in state.items()},
        lambda state: {f"module.backbone.{key}": value for key, value in state.items()},
    ],
)
def test_a_backbone_is_found_under_usual_wrappings(
    wrap: Callable[[dict[str, Tensor]], dict[str, Any]], tmp_path: Path
) -> None:
    torch.save(wrap(small_backbone()), tmp_path / "x.pth")
    assert_same(backbone_state(tmp_path / "x.pth"), small_backbone())


def test_a_classifier_gives_its_backbone(tmp_path: Path) -> None:
    torch.save(classifier(), tmp_path / "polypdiag.pth.tar")
    assert_same(backbone_state(tmp_path / "polypdiag.pth.tar"), small_backbone())


def test_a_linear_head_is_no_part_of_either(tmp_path: Path) -> None:
    torch.save(small_state("backbone_with_head400"), tmp_path / "x.pth")
    assert_same(backbone_state(tmp_path / "x.pth"), small_backbone())
    assert not [key for key in network_state(tmp_path / "x.pth") if key.startswith("head.")]


def test_a_run_and_its_checkpoints_are_read(tmp_path: Path) -> None:
    for step, seed in ((1, 1), (2, 2)):
        folder = tmp_path / "checkpoints" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        for network, offset in (("teacher", 0), ("student", 10)):
            save_file(
                small_state("ssl_teacher", seed=seed + offset), folder / f"{network}.safetensors"
            )
    (tmp_path / "checkpoints" / "last").symlink_to("step-000002")
    assert_same_state(network_state(tmp_path), dict(small_state("ssl_teacher", seed=2)))
    first = tmp_path / "checkpoints" / "step-000001"
    assert_same_state(network_state(first), dict(small_state("ssl_teacher", seed=1)))
    student = small_state("ssl_teacher", seed=12)
    assert_same_state(network_state(tmp_path, network="student"), dict(student))


def test_an_absent_network_is_named(tmp_path: Path) -> None:
    torch.save({"student": pretraining()["student"]}, tmp_path / "x.pth")
    assert refusal(load_backbone, tmp_path / "x.pth") == (
        f"{tmp_path}/x.pth holds no teacher, but a student; ask for network='student'"
    )
    load_backbone(tmp_path / "x.pth", network="student")


def test_another_model_is_refused_by_its_keys(tmp_path: Path) -> None:
    resnet = {"conv1.weight": torch.ones(1), "bn1.weight": torch.ones(1), "bn1.bias": torch.ones(1)}
    torch.save({"state_dict": {**resnet, "fc.weight": torch.ones(1)}}, tmp_path / "x.pth")
    line = refusal(load_backbone, tmp_path / "x.pth")
    assert line.startswith(
        f"{tmp_path}/x.pth holds no TimeSformer backbone; "
        "found keys such as conv1.weight, bn1.weight, bn1.bias; give a checkpoint"
    )


@pytest.mark.parametrize(("tree", "keys"), [({}, "none"), ({"epoch": 1, 2: 3}, "epoch, 2")])
def test_a_file_without_weights_is_refused(tree: object, keys: str, tmp_path: Path) -> None:
    torch.save(tree, tmp_path / "x.pth")
    assert f"found keys such as {keys};" in refusal(load_backbone, tmp_path / "x.pth")


def test_an_image_vit_is_inflated(tmp_path: Path) -> None:
    image = image_vit()
    for path in in_both_formats(image, tmp_path):
        video = backbone_state(path)
        assert set(video) == set(small_backbone())
        for key, value in video.items():
            if "temporal_fc" in key or key == "time_embed":
                assert not value.any()
            else:
                assert torch.equal(value, image[key.replace("temporal_", "")])
        pointers = [value.data_ptr() for value in video.values()]
        assert len(set(pointers)) == len(pointers)


def test_an_inflated_vit_sees_a_still_clip_as_its_image(tmp_path: Path) -> None:
    torch.save(image_vit(), tmp_path / "dino.pth")
    backbone = load_backbone(tmp_path / "dino.pth")
    frame = torch.rand(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        once, often = backbone(frame), backbone(frame.expand(-1, -1, 4, -1, -1))
    assert torch.allclose(once, often, atol=1e-5)


def test_a_full_dino_checkpoint_keeps_its_head(tmp_path: Path) -> None:
    head = {k: v for k, v in small_state("ssl_teacher").items() if k.startswith("head.")}
    teacher = {**{f"backbone.{k}": v for k, v in image_vit().items()}, **head}
    student = {f"module.{k}": v for k, v in teacher.items()}
    torch.save({"student": student, "teacher": teacher, "epoch": 100}, tmp_path / "dino.pth")
    for network in ("student", "teacher"):
        state = network_state(tmp_path / "dino.pth", network=network)
        assert set(state) == set(small_state("ssl_teacher"))
        assert_same({k: v for k, v in state.items() if k.startswith("head.")}, head)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"patch_embed.proj.weight": torch.ones(64, 3, 8, 8)},
            "patch_embed.proj.weight has the shape (64, 3, 8, 8)",
        ),
        ({"pos_embed": torch.ones(1, 577, 64)}, "pos_embed has the shape (1, 577, 64)"),
        ({"pos_embed": torch.ones(64)}, "pos_embed has the shape (64,)"),
        ({"pos_embed": None}, "pos_embed has the shape ()"),
    ],
)
def test_other_image_vits_are_refused(
    change: dict[str, Tensor | None], words: str, tmp_path: Path
) -> None:
    state = {k: v for k, v in {**image_vit(), **change}.items() if v is not None}
    torch.save(state, tmp_path / "x.pth")
    assert refusal(load_backbone, tmp_path / "x.pth") == (
        f"{tmp_path}/x.pth: an image transformer whose {words}; "
        "take a plain ViT with 16 px patches for 224 px, such as DINO's ViT-B/16"
    )


def test_an_image_vit_with_further_parts_is_refused(tmp_path: Path) -> None:
    torch.save({**image_vit(), "blocks.0.ls1.gamma": torch.ones(64)}, tmp_path / "x.pth")
    assert "1 unexpected (blocks.0.ls1.gamma)" in refusal(load_backbone, tmp_path / "x.pth")


def _original_segmenter() -> dict[str, Tensor]:
    """Tensors of the original's keys and shapes, without memory of their own."""
    listing = json.loads((KEYS / "keys_transunet.json").read_text())
    return {key: torch.empty(()).expand(entry["shape"]) for key, entry in listing.items()}


def test_a_segmenters_keys_are_the_originals_one_to_one() -> None:
    with torch.device("meta"):
        ours = TransUNet(timesformer_base()).state_dict()
    original = _original_segmenter()
    assert len(original) == 458
    renamed = segmenter_state(original, source="cvc.pth")
    assert {k: v.shape for k, v in renamed.items()} == {k: v.shape for k, v in ours.items()}
    assert list(original_segmenter(renamed)) == list(original)
    assert all(original_segmenter(renamed)[key] is value for key, value in original.items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 149},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: segmenter_state(state, source=""),
    ],
)
def test_a_segmenter_is_known_under_usual_wrappings(
    wrap: Callable[[dict[str, Tensor]], dict[str, Any]],
) -> None:
    tree = wrap(_original_segmenter())
    assert recognise(tree) == "segmenter"
    expected = segmenter_state(_original_segmenter(), source="")
    found = select_state(tree, "teacher", source="")
    assert list(segmenter_state(found, source="")) == list(expected)


def test_a_detectors_keys_are_the_originals_but_for_what_is_never_used() -> None:
    listing = json.loads((KEYS / "keys_stft_model.json").read_text())
    original = {key: torch.empty(()).expand(entry["shape"]) for key, entry in listing.items()}
    assert len(original) == 325
    with torch.device("meta"):
        ours = Detector(timesformer_base()).state_dict()
    renamed = detector_state(original, source="kumc.pth")
    assert {k: v.shape for k, v in renamed.items()} == {k: v.shape for k, v in ours.items()}
    back = original_detector(renamed)["model"]
    assert set(original) - set(back) == {key for key in original if ".fpn1." in key}
    assert all(original[key] is value for key, value in back.items())
    assert recognise({"model": original, "optimizer": {}}) == "detector"


def test_what_is_no_segmenter_is_refused() -> None:
    for tree in (small_backbone(), classifier(), pretraining()):
        assert recognise(tree) != "segmenter"
        assert refusal(
            segmenter_state, select_state(tree, "teacher", source=""), source="x.pth"
        ) == ("x.pth holds no segmenter; give the checkpoint of a fine-tuned TransUNet")
