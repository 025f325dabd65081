"""Training a detector, and scoring it."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import endofm
from endofm.convert import convert
from endofm.engine.sources import DETECTOR
from endofm.errors import ConfigError, DataError, EndofmError, RunError, WeightsError
from endofm.models import TimeSformer
from endofm.runfolder import RunFolder, read_lines
from endofm.tasks.detect import finetune
from endofm.tasks.detect_config import DetectConfig, ReferenceSettings, ScoringSettings
from endofm.tasks.detect_evaluate import UNDECIDED, UNKNOWN_PAST, evaluate
from endofm.tasks.detect_job import build_detector
from endofm.tasks.detect_sets import read_set
from endofm.tasks.finetuning import FinetuneHooks, FinetuneResult
from tests.data.boxed_folders import coco, write_coco
from tests.data.segmented_folders import write_list, write_sequence, write_set

MakeConfig = Callable[..., DetectConfig]

SMALLEST: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 2,
    "num_workers": 0,
    "log_every": 1,
    "trackers": [],
    "checkpointing": False,
    "drop_path": 0.0,
    "channels": 64,
    "frames": {"size_hw": [64, 64]},
    "optimiser": {"learning_rate": 1e-3},
}
SPLITS = {"a": "train", "b": "train", "c": "train", "d": "val", "e": "test", "f": "test"}
SIZE_HW = (40, 56)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Bright discs in sequences of two frames; those of c and f show none."""
    root = write_set(tmp_path / "data", "abde", num_frames=2, size_hw=SIZE_HW)
    for name in "cf":
        write_sequence(root, name, num_frames=2, lesion=False, size_hw=SIZE_HW)
    write_list(root, *(f"{name},{split}" for name, split in SPLITS.items()))
    return root


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    """Weights of a very small backbone."""
    torch.manual_seed(0)
    network = TimeSformer(embed_dim=64, depth=1, num_heads=1, grid=2)
    torch.save(network.state_dict(), tmp_path / "backbone.pth")
    return tmp_path / "backbone.pth"


@pytest.fixture
def make_config(data: Path, backbone: Path, tmp_path: Path) -> MakeConfig:
    """``make_config(epochs=9)``: the smallest training with some settings changed."""

    def make(**changes: Any) -> DetectConfig:
        values = {"data": data, "out": tmp_path / "run", "weights": str(backbone)}
        return DetectConfig.parse({**SMALLEST, **values, **changes})

    return make


def _run(config: DetectConfig, *, resume: bool = False) -> FinetuneResult:
    return finetune(config, resume=resume, show_progress=False)


def _results(source: str | Path, **options: Any) -> dict[str, Any]:
    done = evaluate(source, show_progress=False, **options)
    written: dict[str, Any] = json.loads(done.results.read_text())
    return written


def _table(run: RunFolder, split: str = "test") -> list[dict[str, str]]:
    with run.predictions(split).open(newline="") as file:
        return list(csv.DictReader(file))


def test_results_are_of_every_frame(make_config: MakeConfig) -> None:
    config = make_config()
    assert _run(config).finished
    run = RunFolder(config.out)
    tested = _results(config.out)
    assert (tested["task"], tested["split"], tested["threshold_from"]) == ("detect", "test", "val")
    assert tested["threshold"] == json.loads(run.results("val").read_text())["threshold"]
    counts = ("num_frames", "num_boxes", "num_sequences", "num_groups")
    assert [tested[name] for name in counts] == [4, 2, 2, 2]
    assert tested["classes"] == ["lesion"]
    assert set(tested["scores"]) == {"ranking", "boxes", "centres", "frames", "froc", "lesions"}
    assert "original_frame_f1" in tested["original_scores"]
    rows = _table(run)
    assert [row["sequence"] for row in rows] == ["e", "e", "f", "f"]
    assert [int(r["true_positives"]) + int(r["false_negatives"]) for r in rows] == [1, 1, 0, 0]
    logged = [line["val_ap50"] for line in read_lines(run.metrics) if "val_ap50" in line]
    best = json.loads(run.results("val").read_text())["scores"]["ranking"]["ap50"]["value"]
    assert max(logged) == pytest.approx(best, abs=1e-9)
    with np.load(run.boxed_figure("test")) as figure:
        assert set(figure["kinds"]) <= {"found", "missed", "false alarms"}
        for number in range(len(figure["kinds"])):
            assert figure[f"picture{number}"].shape == (*SIZE_HW, 3)


@pytest.mark.slow
def test_a_run_learns_to_find(make_config: MakeConfig, data: Path) -> None:
    for name in "gh":
        write_sequence(data, name, num_frames=4, size_hw=SIZE_HW)
    write_list(data, *(f"{name},{split}" for name, split in SPLITS.items()), "g,train", "h,train")
    config = make_config(epochs=40)
    _run(config)
    tested = _results(config.out)
    assert tested["scores"]["ranking"]["ap50"]["value"] > 0.5
    assert tested["scores"]["frames"]["specificity"]["value"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("average_momentum", [None, 0.5])
def test_going_on_equals_an_unbroken_run(
    make_config: MakeConfig, tmp_path: Path, average_momentum: float | None
) -> None:
    whole = make_config(epochs=3, average_momentum=average_momentum)
    _run(whole)
    broken = make_config(epochs=3, average_momentum=average_momentum, out=tmp_path / "broken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            FinetuneHooks,
            "stop_requested",
            lambda hooks: (hooks.saved_step or 0) >= hooks.job.steps_per_epoch,
        )
        assert not _run(broken).finished
    assert _run(broken, resume=True).finished
    last = Path("checkpoints", "last", f"{DETECTOR}.safetensors")
    one, other = load_file(whole.out / last), load_file(broken.out / last)
    assert all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.slow
def test_two_processes_train_as_one_and_score_as_one(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    """A third of the frames has no box: in some steps a process has none at all."""
    config = make_config()
    _run(config)
    alone = _results(config.out)
    preset, two = tmp_path / "two.yaml", tmp_path / "two"
    preset.write_text(config.dump_yaml())
    _in_two_processes("finetune", "detect", "--preset", preset, "--out", two)
    logged = [
        [line["loss"] for line in read_lines(RunFolder(out).metrics) if "loss" in line]
        for out in (config.out, two)
    ]
    assert len(logged[0]) == 6
    assert logged[0] == pytest.approx(logged[1], rel=2e-3)
    assert logged[0][0] == pytest.approx(logged[1][0], rel=1e-5)
    assert RunFolder(two).results("val").is_file()
    scored = tmp_path / "scored"
    _in_two_processes("evaluate", config.out, "--out", scored)
    shared = json.loads(RunFolder(scored).results("test").read_text())
    assert shared["scores"] == alone["scores"]
    assert _table(RunFolder(scored)) == _table(RunFolder(config.out))


def _in_two_processes(*words: object) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "endofm", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def test_weights_without_a_run_are_scored_on_named_data(
    make_config: MakeConfig, data: Path, tmp_path: Path
) -> None:
    config = make_config(epochs=1)
    _run(config)
    tested = _results(config.out)
    weights = tmp_path / "kumc.pth"
    convert(config.out, weights)
    options = {"scoring": ScoringSettings(frames=config.frames), "data": data}
    found = _results(weights, out=tmp_path / "out", **options)
    assert found["scores"]["ranking"] == tested["scores"]["ranking"]
    assert found["classes"] == ["lesion"]
    assert (found["threshold"], found["threshold_from"]) == (0.5, "")
    assert UNKNOWN_PAST in found["notes"]
    validated = json.loads(RunFolder(config.out).results("val").read_text())
    is_chosen = validated["scores"]["ranking"]["ap50"]["value"] > 0
    assert validated["threshold_from"] == ("val" if is_chosen else "")
    with pytest.raises(ConfigError, match="are weights without a run; add --data"):
        _results(weights)
    with pytest.raises(ConfigError, match="tells 1 classes apart, --classes names 2"):
        _results(weights, out=tmp_path / "x", classes=["a", "b"], **options)


def test_a_validation_that_finds_nothing_chooses_nothing(make_config: MakeConfig) -> None:
    config = make_config(steps=1, optimiser={"learning_rate": 1e-9})
    _run(config)
    for split in ("val", "test"):
        found = _results(config.out, split=split)
        assert (found["threshold"], found["threshold_from"]) == (0.5, "")
        assert UNDECIDED in found["notes"]


def test_other_data_of_a_run(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(epochs=1)
    _run(config)
    other = tmp_path / "other set"
    write_coco(other, coco({"v": 2}))
    found = _results(config.out, data=other)
    assert "the data's 'polyp' is taken for the detector's 'lesion'" in found["notes"]
    assert RunFolder(config.out).results("test-other set").is_file()
    content = coco({"v": 2})
    content["categories"].append({"id": 8, "name": "ulcer"})
    write_coco(other, content)
    with pytest.raises(DataError, match="has the classes polyp, ulcer; the detector was trained"):
        _results(config.out, data=other)


def test_what_was_trained_on_is_not_scored(make_config: MakeConfig, data: Path) -> None:
    config = make_config(epochs=1)
    _run(config)
    write_list(
        data, *(f"{name},{split}" for name, split in SPLITS.items() if name != "a"), "a,test"
    )
    with pytest.raises(DataError, match="sequence 'a' was trained on"):
        _results(config.out, data=data)
    RunFolder(config.out).results("val").unlink()
    with pytest.raises(RunError, match=r"no threshold chosen on validation; run first: endofm"):
        _results(config.out)
    with pytest.raises(DataError, match=r"has no split 'all'; choose train, val, test"):
        _results(config.out, split="all")


def test_what_is_left_out_is_listed(make_config: MakeConfig, tmp_path: Path) -> None:
    content = coco(dict.fromkeys("abcdef", 1), boxes_xywh=[(10, 5, 20, 20), (60, 5, 9, 9)])
    write_coco(tmp_path / "coco", content)
    config = make_config(data=tmp_path / "coco", epochs=1, batch_size=1)
    _run(config)
    run = RunFolder(config.out)
    with run.skipped.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert "lies outside the frame" in rows[0]["reason"]
    assert "6 boxes left out: see skipped.csv" in _results(config.out)["notes"]


def test_a_start_from_a_detector_from_a_backbone_or_from_nothing(
    make_config: MakeConfig, backbone: Path
) -> None:
    config = make_config(epochs=1)
    _run(config)
    trained = endofm.load(config.out, task="detect").state_dict()
    again = make_config(weights=str(config.out), channels=None)
    started = build_detector(again, num_classes=1).state_dict()
    assert all(torch.equal(value, started[key]) for key, value in trained.items())
    with pytest.raises(ConfigError, match="is a whole detector of 1 classes"):
        build_detector(again, num_classes=2)
    given = torch.load(backbone, weights_only=True)
    fresh = build_detector(config, num_classes=1).state_dict()
    assert torch.equal(fresh["backbone.norm.weight"], given["norm.weight"])
    assert build_detector(make_config(weights=None, model="tiny"), num_classes=1) is not None


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"batch_size": 99}, DataError, "99"),
        ({"data": Path("nowhere")}, DataError, "nowhere: no such folder"),
        ({"weights": "nowhere.pth"}, WeightsError, "nowhere.pth"),
    ],
)
def test_bad_settings_are_told_in_one_line(
    changes: dict[str, Any], error: type[EndofmError], words: str, make_config: MakeConfig
) -> None:
    with pytest.raises(error, match=words) as caught:
        _run(make_config(**changes))
    assert "\n" not in str(caught.value)


def test_references_are_what_the_run_was_given(make_config: MakeConfig) -> None:
    config = make_config(epochs=1, references={"num": 0})
    _run(config)
    assert _results(config.out)["references"] == ReferenceSettings(num=0).model_dump(mode="json")
    assert read_set(RunFolder(config.out).boxed).classes == ("lesion",)
