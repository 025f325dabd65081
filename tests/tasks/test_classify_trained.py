import json
from pathlib import Path
from typing import Any

import pytest
import torch

from endofm.errors import ConfigError, EndofmError, RunError, WeightsError
from endofm.runfolder import RunFolder
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.classify_trained import read_trained
from tests.classifiers import SAMPLING, small_classifier, write_run, write_weights

CLASSES = ("healthy", "polyp", "ulcer")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = tmp_path / "run"
    return RunFolder(write_run(folder, small_classifier(3), CLASSES, multi_label=True))


def test_a_run_tells_everything(run: RunFolder) -> None:
    trained = read_trained(run.path, device="cpu")
    assert trained.source == str(run.path)
    assert (trained.classes, trained.multi_label) == (CLASSES, True)
    assert trained.sampling == SAMPLING
    assert not trained.network.training
    expected = small_classifier(3).state_dict()
    for key, value in trained.network.state_dict().items():
        assert torch.equal(value, expected[key]), key
    assert trained.run is not None
    assert trained.run.labelled.classes == CLASSES


def test_thresholds_are_those_of_the_validation_or_a_half(run: RunFolder) -> None:
    trained = read_trained(run.path)
    assert (trained.thresholds.tolist(), trained.thresholds_from) == ([0.5] * 3, "")
    run.results("test").write_text('{"thresholds": [1, 1, 1]}')
    assert read_trained(run.path).thresholds_from == ""
    run.results("val").write_text('{"thresholds": [0.1, 0.2, 0.3]}')
    trained = read_trained(run.path)
    assert (trained.thresholds.tolist(), trained.thresholds_from) == ([0.1, 0.2, 0.3], "val")


def test_weights_have_numbered_classes_unless_named(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w.safetensors", small_classifier(3))
    trained = read_trained(str(weights))
    assert (trained.source, trained.run) == (str(weights), None)
    assert (trained.classes, trained.multi_label) == (("0", "1", "2"), False)
    assert (trained.thresholds.tolist(), trained.thresholds_from) == ([0.5] * 3, "")
    assert trained.sampling == SamplingSettings()
    named = read_trained(weights, classes=CLASSES, sampling=SAMPLING)
    assert (named.classes, named.sampling) == (CLASSES, SAMPLING)


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "b"), ("a", "b", "c", "d")])
def test_each_output_has_one_name(tmp_path: Path, classes: tuple[str, ...]) -> None:
    weights = write_weights(tmp_path / "w.safetensors", small_classifier(3))
    with pytest.raises(ConfigError, match=r"w\.safetensors: has 3 outputs .*with --classes"):
        read_trained(weights, classes=classes)


def test_a_single_output_is_no_classifier_that_we_know(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w.safetensors", small_classifier(1))
    with pytest.raises(EndofmError, match=r"w\.safetensors: has 1 outputs"):
        read_trained(weights)


@pytest.mark.parametrize("told", [{"sampling": SAMPLING}, {"classes": CLASSES}])
def test_a_run_is_told_nothing(run: RunFolder, told: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a run knows its classes and its clips; leave out"):
        read_trained(run.path, **told)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"thresholds": [0.5]}', '{"thresholds": "x"}', '{"thresholds": null}'),
        *('{"thresholds": [0.5, 1.5]}', '{"thresholds": [null, 0.5]}'),
    ],
)
def test_damaged_thresholds_are_told_in_one_line(run: RunFolder, text: str) -> None:
    run.results("val").write_text(text)
    with pytest.raises(RunError, match=r"results-val\.json: damaged .*endofm evaluate") as error:
        read_trained(run.path)
    assert "\n" not in str(error.value)


def test_other_damage_is_told_in_one_line(run: RunFolder, tmp_path: Path) -> None:
    stored = json.loads(run.labelled.read_text())
    run.labelled.write_text(json.dumps({**stored, "classes": None}))
    with pytest.raises(RunError, match=r"labelled\.json: missing or damaged"):
        read_trained(run.path)
    run.config.write_text("nonsense: 1\n")
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        read_trained(run.path)
    with pytest.raises(WeightsError, match="nowhere"):
        read_trained(tmp_path / "nowhere")
