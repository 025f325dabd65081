from pathlib import Path

import pytest
import torch

import endofm
from endofm.errors import ConfigError, DataError, RunError, WeightsError
from endofm.models import Classifier, TimeSformer, TransUNet
from endofm.tasks.classify_config import ClassifyConfig, SamplingSettings
from endofm.tasks.segment_config import ScoringSettings, SegmentConfig


def _backbone() -> TimeSformer:
    return TimeSformer(embed_dim=64, depth=1, num_heads=1, grid=2)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, str]:
    networks = {
        "classifier": Classifier(_backbone(), num_classes=2),
        "segmenter": TransUNet(_backbone(), width=16),
    }
    for name, network in networks.items():
        torch.save(network.state_dict(), tmp_path / f"{name}.pth")
    return {name: str(tmp_path / f"{name}.pth") for name in networks}


def test_options_of_another_task_are_refused(weights: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"segmenter\.pth is a segmenter; leave out classes"):
        endofm.evaluate(weights["segmenter"], classes=["a", "b"])
    with pytest.raises(ConfigError, match="leave out sampling"):
        endofm.evaluate(weights["segmenter"], sampling=SamplingSettings())
    with pytest.raises(ConfigError, match=r"classifier\.pth is a classifier; leave out scoring"):
        endofm.evaluate(weights["classifier"], scoring=ScoringSettings())


def test_each_is_scored_by_its_own_task(weights: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="add --data FRAMES_AND_MASKS and --out"):
        endofm.evaluate(weights["segmenter"])
    with pytest.raises(ConfigError, match="add --data LABELLED and --out"):
        endofm.evaluate(weights["classifier"])


def test_weights_of_no_task_cannot_be_scored(tmp_path: Path) -> None:
    torch.save(_backbone().state_dict(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="holds no classifier"):
        endofm.evaluate(tmp_path / "a.pth")


def test_settings_tell_the_task(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("data: x\n")
    for form in (ClassifyConfig, SegmentConfig):
        config = form.parse({"data": tmp_path / "none", "out": tmp_path / "run"})
        with pytest.raises(RunError, match="already holds a run"):
            endofm.finetune(config, show_progress=False)
    with pytest.raises(DataError, match="no such folder; give a folder with frames"):
        endofm.finetune(
            SegmentConfig(data=tmp_path / "none", out=tmp_path / "new"), show_progress=False
        )
