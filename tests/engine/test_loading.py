from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from endofm.convert import convert
from endofm.engine.loading import load
from endofm.engine.weights import read_checkpoint
from endofm.errors import ConfigError, WeightsError
from endofm.models import Classifier, Detector, TimeSformer, TransUNet
from tests.checkpoints import classifier, pretraining, small_state


@pytest.mark.parametrize("pooling", ["class_token", "attentive"])
def test_a_classifier_run_is_read_and_converts_both_ways(pooling: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = TimeSformer(embed_dim=64, depth=2, num_heads=1, grid=2)
    network = Classifier(backbone, num_classes=3, pooling=pooling).eval()  # type: ignore[arg-type]  # parametrised
    folder = tmp_path / "run" / "checkpoints"
    for name in ("step-000001", "step-000002"):
        (folder / name).mkdir(parents=True)
        save_file(network.state_dict(), folder / name / "classifier.safetensors")
        torch.nn.init.ones_(network.linear.bias)
    (folder / "last").symlink_to("step-000002")
    (folder / "best").symlink_to("step-000001")
    original, ours = tmp_path / "a.pth", tmp_path / "a.safetensors"
    assert convert(tmp_path / "run", original).kind == "classifier"
    convert(original, ours)
    assert list(read_checkpoint(original)) == ["backbone_state_dict", "state_dict"]
    clips = torch.randn(1, 3, 2, 32, 32)
    network.linear.bias.data.zero_()
    for source in (tmp_path / "run", folder / "step-000001", original, ours):
        torch.testing.assert_close(load(source, task="classify")(clips), network(clips))
        torch.testing.assert_close(load(source)(clips), backbone.eval()(clips))


def test_the_originals_checkpoint_is_read(tmp_path: Path) -> None:
    torch.save(classifier(), tmp_path / "polypdiag.pth")
    loaded = load(str(tmp_path / "polypdiag.pth"), task="classify")
    assert not loaded.training
    torch.testing.assert_close(loaded.linear.weight, torch.nn.Parameter(torch.ones(2, 64)))
    assert loaded.backbone.state_dict().keys() == small_state("backbone").keys()


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    torch.save(pretraining(), tmp_path / "ssl.pth")
    with pytest.raises(WeightsError, match=r"ssl\.pth holds no classifier; give a fine-tuned"):
        load(tmp_path / "ssl.pth", task="classify")


def test_a_classifier_with_nan_is_refused(tmp_path: Path) -> None:
    checkpoint = classifier()
    checkpoint["state_dict"]["module.linear.bias"][0] = torch.nan
    torch.save(checkpoint, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"NaN or infinity in linear\.bias"):
        load(tmp_path / "a.pth", task="classify")


def _segmenter(**options: int) -> TransUNet:
    torch.manual_seed(0)
    return TransUNet(TimeSformer(embed_dim=64, depth=2, num_heads=1, grid=2), **options).eval()


def test_a_segmenter_run_is_read_and_converts_both_ways(tmp_path: Path) -> None:
    network = _segmenter(num_classes=3, width=16, grid=3)
    checkpoint = tmp_path / "run" / "checkpoints" / "step-000001"
    checkpoint.mkdir(parents=True)
    save_file(network.state_dict(), checkpoint / "segmenter.safetensors")
    (checkpoint.parent / "last").symlink_to("step-000001")
    original, ours, back = (tmp_path / name for name in ("cvc.pth", "a.safetensors", "b.pth"))
    assert convert(tmp_path / "run", original).kind == "segmenter"
    convert(original, ours)
    convert(ours, back)
    flat = read_checkpoint(original)
    assert "transformer.embeddings.hybrid_model.root.conv.weight" in flat
    assert not any(key.startswith("stem.") for key in flat)
    assert all(torch.equal(value, flat[key]) for key, value in read_checkpoint(back).items())
    frames = torch.randn(1, 2, 3, 32, 48)
    for source in (tmp_path / "run", original, ours, back):
        loaded = load(source, task="segment")
        assert not loaded.training
        torch.testing.assert_close(loaded(frames), network(frames))


def test_a_segmenters_backbone_is_not_taken_for_one_that_sees_pixels(tmp_path: Path) -> None:
    torch.save(_segmenter(width=16).state_dict(), tmp_path / "a.pth")
    with pytest.raises(
        WeightsError, match=r"a\.pth is a segmenter, .* load it with task='segment'"
    ):
        load(tmp_path / "a.pth")


def test_a_segmenter_of_other_shapes_or_with_nan_is_refused(tmp_path: Path) -> None:
    state = _segmenter(width=16).state_dict()
    torch.save({**state, "pos_embed": torch.zeros(1, 195, 64)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="no TransUNet here has 64 channels and 195 positions"):
        load(tmp_path / "a.pth", task="segment")
    torch.save({k: v for k, v in state.items() if k != "head.weight"}, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match=r"b\.pth: the segmenter has no head\.weight of 4 axes"):
        load(tmp_path / "b.pth", task="segment")
    torch.save({**state, "head.bias": torch.full((2,), torch.nan)}, tmp_path / "c.pth")
    with pytest.raises(WeightsError, match=r"c\.pth: NaN or infinity in head\.bias"):
        load(tmp_path / "c.pth", task="segment")


def _detector() -> Detector:
    torch.manual_seed(0)
    backbone = TimeSformer(embed_dim=64, depth=2, num_heads=1, grid=2)
    return Detector(backbone, num_classes=3, channels=64).eval()


def test_a_detector_run_is_read_and_converts_both_ways(tmp_path: Path) -> None:
    network = _detector()
    checkpoint = tmp_path / "run" / "checkpoints" / "step-000001"
    checkpoint.mkdir(parents=True)
    save_file(network.state_dict(), checkpoint / "detector.safetensors")
    (checkpoint.parent / "last").symlink_to("step-000001")
    original, ours, back = (tmp_path / name for name in ("kumc.pth", "a.safetensors", "b.pth"))
    assert convert(tmp_path / "run", original).kind == "detector"
    convert(original, ours)
    convert(ours, back)
    assert list(read_checkpoint(original)) == ["model"]
    flat = read_checkpoint(back)["model"]
    assert "rpn.head.dcn_cls_subnet.conv_offset.weight" in flat
    spread = tmp_path / "spread.pth"
    torch.save({"model": {f"module.{key}": value for key, value in flat.items()}}, spread)
    frames, clips = torch.randn(1, 2, 3, 64, 64), torch.randn(1, 3, 2, 32, 32)
    for source in (tmp_path / "run", original, ours, back, spread):
        loaded = load(source, task="detect")
        assert not loaded.training
        for found, level in zip(loaded(frames), network(frames), strict=True):
            torch.testing.assert_close(found.corrections, level.corrections)
        torch.testing.assert_close(load(source)(clips), network.backbone(clips))


def test_a_detector_without_its_head_or_with_nan_is_refused(tmp_path: Path) -> None:
    state = _detector().state_dict()
    rest = {k: v for k, v in state.items() if k != "head.class_logits.weight"}
    torch.save(rest, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"a\.pth: the detector has no head\.class_logits"):
        load(tmp_path / "a.pth", task="detect")
    torch.save({**state, "pyramid.up.bias": torch.full((64,), torch.nan)}, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match=r"b\.pth: NaN or infinity in pyramid\.up\.bias"):
        load(tmp_path / "b.pth", task="detect")
    torch.save(pretraining(), tmp_path / "c.pth")
    with pytest.raises(WeightsError, match=r"c\.pth holds no detector"):
        load(tmp_path / "c.pth", task="detect")


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="task is 'outline'; choose 'classify', 'segment' or 'det"
    ):
        load("x.pth", task="outline")  # type: ignore[call-overload]  # no task of ours
