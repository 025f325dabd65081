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
from endofm.data.images import read_image
from endofm.data.masks import read_mask
from endofm.engine.sources import SEGMENTER
from endofm.errors import ConfigError, DataError, EndofmError, WeightsError
from endofm.metrics.segmentation import METRICS
from endofm.models import TimeSformer, TransUNet
from endofm.objectives.segmentation import segmentation_loss
from endofm.runfolder import RunFolder, read_lines
from endofm.tasks.finetuning import FinetuneHooks, FinetuneResult
from endofm.tasks.segment import finetune
from endofm.tasks.segment_config import ScoringSettings, SegmentConfig
from endofm.tasks.segment_data import network_frames, seen_pixels
from endofm.tasks.segment_evaluate import UNKNOWN_PAST, evaluate
from endofm.tasks.segment_figure import frames_to_show
from endofm.tasks.segment_job import build_segmenter
from endofm.tasks.segment_scores import resize_probs
from endofm.tasks.segment_sets import read_set
from tests.data.segmented_folders import write_list, write_picture, write_sequence, write_set

MakeConfig = Callable[..., SegmentConfig]

SMALLEST: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 2,
    "num_workers": 0,
    "log_every": 1,
    "trackers": [],
    "checkpointing": False,
    "drop_path": 0.0,
    "frames": {"size_hw": [32, 48], "clip_frames": 2, "overlap_frames": 1},
    "optimiser": {"learning_rate": 2e-3, "warmup_epochs": 0.5},
}
SPLITS = {"a": "train", "b": "train", "c": "train", "d": "train", "e": "val", "f": "test"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Bright discs in six sequences; the test's last has frames without one."""
    root = write_set(tmp_path / "data", "abcdef", num_frames=3, size_hw=(40, 56))
    write_sequence(root, "g", num_frames=2, lesion=False, size_hw=(40, 56))
    write_list(root, *(f"{name},{split}" for name, split in SPLITS.items()), "g,test")
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

    def make(**changes: Any) -> SegmentConfig:
        values = {"data": data, "out": tmp_path / "run", "weights": str(backbone), "width": 16}
        return SegmentConfig.parse({**SMALLEST, **values, **changes})

    return make


def _run(config: SegmentConfig, *, resume: bool = False) -> FinetuneResult:
    return finetune(config, resume=resume, show_progress=False)


def _results(source: str | Path, **options: Any) -> dict[str, Any]:
    done = evaluate(source, num_workers=0, show_progress=False, **options)
    written: dict[str, Any] = json.loads(done.results.read_text())
    return written


def _table(run: RunFolder, split: str = "test") -> list[dict[str, str]]:
    with run.predictions(split).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_run_learns_to_outline_and_reports_on_test(make_config: MakeConfig) -> None:
    config = make_config(epochs=30)
    result = _run(config)
    assert result.finished
    run = RunFolder(config.out)
    lines = list(read_lines(run.metrics))
    dice = {line["step"]: line["val_dice"] for line in lines if "val_dice" in line}
    assert result.best_step == max(dice, key=lambda step: dice[step])
    tested = _results(config.out)
    assert tested["scores"]["frames"]["dice"]["value"] > 0.6
    assert dice[result.best_step] == pytest.approx(
        json.loads(run.results("val").read_text())["scores"]["frames"]["dice"]["value"], abs=1e-6
    )


def test_results_are_of_every_frame_in_the_files_own_size(make_config: MakeConfig) -> None:
    config = make_config()
    _run(config)
    run = RunFolder(config.out)
    tested = _results(config.out)
    assert (tested["task"], tested["split"], tested["selected_on_reported"]) == (
        "segment",
        "test",
        False,
    )
    assert (tested["num_frames"], tested["num_sequences"], tested["num_groups"]) == (5, 2, 2)
    assert tested["scores"]["frames"]["dice"]["n"] == 3
    assert tested["scores"]["lesion_free"]["correct"]["n"] == 2
    assert tested["scores"]["sequences"]["dice"]["n"] == 1
    assert tested["original_scores"] == {}
    rows = _table(run)
    assert [(row["sequence"], row["frame"]) for row in rows] == [
        *(("f", str(place)) for place in range(3)),
        *(("g", str(place)) for place in range(2)),
    ]
    assert {row["num_px"] for row in rows} == {str(40 * 56)}
    assert all(row["dice"] for row in rows[:3])
    assert not any(row[name] for row in rows[3:] for name in METRICS)
    with np.load(run.segmented_figure("test")) as figure:
        assert set(figure["sequences"]) == {"f"}
        assert figure["dice"].tolist() == pytest.approx(
            sorted((float(row["dice"]) for row in rows[:3]), reverse=True), abs=1e-6
        )
        for number, place in enumerate(figure["places"].tolist()):
            (sequence, _) = read_set(run.sequences).splits["test"]
            assert np.array_equal(figure[f"truth{number}"], read_mask(sequence.masks[place]))
            assert np.array_equal(figure[f"picture{number}"], read_image(sequence.frames[place]))
            assert figure[f"predicted{number}"].sum() == int(rows[place]["predicted_px"])


def test_scores_are_those_of_the_loaded_weights(make_config: MakeConfig) -> None:
    """Written out by hand: all of a short sequence at once, resized back, compared with masks."""
    config = make_config(frames={"size_hw": [32, 48], "clip_frames": 4, "overlap_frames": 1})
    _run(config)
    network = endofm.load(config.out, task="segment")
    (val,) = read_set(RunFolder(config.out).sequences).splits["val"]
    pictures = np.stack([seen_pixels(read_image(file), config.frames) for file in val.frames])
    truth = np.stack([read_mask(file) for file in val.masks])
    with torch.inference_mode():
        frames = network_frames(torch.from_numpy(pictures)[None], config.frames)
        coarse = network(frames).softmax(2)[0, :, 1].numpy()
    probs = np.stack([resize_probs(each, (40, 56)) for each in coarse])
    rows = _table(RunFolder(config.out), "val")
    for row, marked, true in zip(rows, probs > 0.5, truth, strict=True):
        expected = 2 * (marked & true).sum() / (marked.sum() + true.sum())
        assert float(row["dice"]) == pytest.approx(expected, abs=1e-6)
        assert int(row["predicted_px"]) == marked.sum()
    logits = torch.from_numpy(np.log(np.stack([1 - probs, probs], 1)))[None]
    loss = segmentation_loss(logits, torch.from_numpy(truth.astype(np.int64))[None]).total
    logged = [line for line in read_lines(RunFolder(config.out).metrics) if "val_loss" in line]
    best = max(logged, key=lambda line: float(line["val_dice"]))
    assert best["val_loss"] == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("average_momentum", [None, 0.5])
def test_going_on_equals_an_unbroken_run(
    make_config: MakeConfig, tmp_path: Path, average_momentum: float | None
) -> None:
    whole = make_config(epochs=3, average_momentum=average_momentum)
    _run(whole)
    broken = make_config(epochs=3, average_momentum=average_momentum, out=tmp_path / "broken")
    _stop_after(broken, epochs=1)
    assert _run(broken, resume=True).steps == 6
    last = Path("checkpoints", "last", f"{SEGMENTER}.safetensors")
    one, other = load_file(whole.out / last), load_file(broken.out / last)
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    before = load_file(whole.out / "checkpoints" / "step-000004" / last.name)
    assert not torch.equal(before["head.weight"], one["head.weight"])


def _stop_after(config: SegmentConfig, *, epochs: int) -> None:
    """Leave what a run has saved after some epochs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            FinetuneHooks,
            "stop_requested",
            lambda hooks: (hooks.saved_step or 0) >= epochs * hooks.job.steps_per_epoch,
        )
        assert not _run(config).finished


def test_workers_and_processes_change_no_number(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config()
    _run(config)
    alone = _results(config.out)
    with_workers = evaluate(config.out, num_workers=2, out=tmp_path / "w", show_progress=False)
    assert json.loads(with_workers.results.read_text())["scores"] == alone["scores"]
    for source in (config.out, tmp_path / "w"):
        assert RunFolder(source).predictions("test").read_text() == (
            RunFolder(config.out).predictions("test").read_text()
        )


@pytest.mark.slow
def test_two_processes_train_as_one_and_score_as_one(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(dropout=0.0)
    _run(config)
    alone = _results(config.out)
    preset, two = tmp_path / "two.yaml", tmp_path / "two"
    preset.write_text(config.dump_yaml())
    _in_two_processes("finetune", "segment", "--preset", preset, "--out", two)
    logged = [
        next(line["loss"] for line in read_lines(RunFolder(out).metrics) if "loss" in line)
        for out in (config.out, two)
    ]
    assert logged[0] == pytest.approx(logged[1], rel=1e-5)
    assert RunFolder(two).results("val").is_file()
    scored = tmp_path / "scored"
    _in_two_processes("evaluate", config.out, "--out", scored, "--num-workers", 0)
    shared = json.loads(RunFolder(scored).results("test").read_text())
    assert shared["scores"] == alone["scores"]


def _in_two_processes(*words: object) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "endofm", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_originals_protocol_is_reported_where_it_is_asked_for(make_config: MakeConfig) -> None:
    config = make_config(original_scores=True)
    _run(config)
    found = _results(config.out)["original_scores"]
    assert {name: one["n"] for name, one in found.items()} == {"dice": 2, "hd95_px": 2}
    assert found["dice"]["value"] <= 1


def test_sequences_of_one_frame_and_constant_frames_are_learnt_from(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    data = write_set(tmp_path / "single", "abcdef", num_frames=1, size_hw=(40, 56))
    for file in (data / "frames" / "a").iterdir():
        write_picture(file, np.full((40, 56, 3), 90, np.uint8))
    frames = {**SMALLEST["frames"], "original_min_max": True}
    config = make_config(data=data, batch_size=1, frames=frames)
    assert _run(config).finished
    assert _results(config.out)["scores"]["frames"]["dice"]["n"] >= 1


def test_weights_without_a_run_are_scored_on_named_data(
    make_config: MakeConfig, data: Path, tmp_path: Path
) -> None:
    config = make_config()
    _run(config)
    original = tmp_path / "cvc.pth"
    convert(config.out, original)
    options = {
        "scoring": ScoringSettings(frames=config.frames),
        "data": data,
        "out": tmp_path / "scored",
    }
    bare = _results(original, **options)
    assert bare["scores"] == _results(config.out)["scores"]
    assert bare["notes"][-1] == UNKNOWN_PAST
    protocol = ScoringSettings(frames=config.frames, original_scores=True)
    assert (
        _results(original, **{**options, "scoring": protocol})["original_scores"]["dice"]["n"] == 2
    )
    with pytest.raises(ConfigError, match="is not CVC-ClinicDB"):
        _results(original, **{**options, "scoring": ScoringSettings(original_split=True)})
    with pytest.raises(ConfigError, match="are weights without a run; add --data"):
        evaluate(original, show_progress=False)
    with pytest.raises(ConfigError, match="a run knows how it sees frames"):
        evaluate(config.out, scoring=ScoringSettings(), show_progress=False)


def test_what_was_trained_on_is_not_scored(
    make_config: MakeConfig, data: Path, tmp_path: Path
) -> None:
    config = make_config()
    _run(config)
    write_list(data, *(f"{name},test" for name in "abcdefg"))
    with pytest.raises(DataError, match="sequence 'a' was trained on"):
        evaluate(config.out, data=data, show_progress=False)
    other = write_set(tmp_path / "other", "ab", num_frames=1, size_hw=(40, 56))
    found = evaluate(config.out, data=other, num_workers=0, show_progress=False)
    assert found.results.name == "results-test-other.json"
    with pytest.raises(DataError, match=r"has no split 'tset'; choose train, val, test"):
        evaluate(config.out, split="tset", show_progress=False)


def test_a_start_from_a_whole_segmenter_from_a_backbone_or_from_nothing(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    whole = TransUNet(TimeSformer(embed_dim=64, depth=2, num_heads=1, grid=2), width=16)
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    again = build_segmenter(
        make_config(weights=str(tmp_path / "whole.pth"), width=None, dropout=0.3, drop_path=0.2)
    )
    assert all(torch.equal(again.state_dict()[k], v) for k, v in whole.state_dict().items())
    assert (again.training, again.dropout.p) == (True, 0.3)
    with pytest.raises(ConfigError, match="is a whole segmenter, stem included"):
        build_segmenter(make_config(weights=str(tmp_path / "whole.pth")))
    started = build_segmenter(make_config())
    stored = torch.load(make_config().weights, weights_only=True)  # type: ignore[arg-type]  # it has some
    norm = started.backbone.state_dict()["blocks.0.attn.qkv.weight"]
    assert torch.equal(norm, stored["blocks.0.attn.qkv.weight"])
    fresh = build_segmenter(make_config(weights=None, model="tiny", width=None))
    assert fresh.head.in_channels == 16 // 4
    with pytest.raises(ConfigError, match="width is 24; give 16 or a multiple of 32"):
        build_segmenter(make_config(width=24))
    with pytest.raises(WeightsError, match=r"no\.npz: no such file"):
        build_segmenter(make_config(stem_weights=tmp_path / "no.npz"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": {"size_hw": [30, 48]}}, "--frames.size-hw 30 is no multiple of 16; use 32"),
        ({"batch_size": 9}, "4 clips do not fill a batch of 9"),
        ({"optimiser": {"warmup_epochs": 2}}, "the warm-up of 2 epochs is as long as the run"),
        ({"original_split": True}, "is not CVC-ClinicDB"),
    ],
)
def test_bad_settings_are_told_in_one_line(
    make_config: MakeConfig, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(EndofmError, match=message):
        _run(make_config(**changes))
    assert not make_config().out.exists() or not RunFolder(make_config().out).holds_run


def test_frames_to_show() -> None:
    nan = float("nan")
    dice = [0.5, nan, 0.9, 0.1, 0.7, 0.3, 0.8, 0.2, 0.6, 0.4, nan]
    shown = frames_to_show(dice)
    by_kind = {
        kind: [dice[p] for k, p in shown if k == kind] for kind in ("best", "median", "worst")
    }
    assert by_kind == {"best": [0.9, 0.8, 0.7], "median": [0.6, 0.5, 0.4], "worst": [0.1, 0.2, 0.3]}
    assert frames_to_show([nan]) == []
    assert frames_to_show([0.2, 0.3]) == [("best", 1), ("best", 0)]
