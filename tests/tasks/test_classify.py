import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import endofm
from endofm.convert import convert
from endofm.data.manifests import Video, read_clip_list, write_clip_list
from endofm.engine.loading import load_classifier
from endofm.errors import ConfigError, DataError, EndofmError, RunError, WeightsError
from endofm.runfolder import RunFolder, read_lines
from endofm.tasks.classification import Classification
from endofm.tasks.classify import finetune
from endofm.tasks.classify_config import ClassifyConfig
from endofm.tasks.classify_evaluate import evaluate, predictions_of
from endofm.tasks.classify_scores import cross_entropy, video_scores
from endofm.tasks.classify_sets import read_set
from endofm.tasks.finetuning import FinetuneResult, Selection

MakeConfig = Callable[..., ClassifyConfig]

SMALLEST: dict[str, Any] = {
    "model": "tiny",
    "epochs": 4,
    "batch_size": 2,
    "num_workers": 0,
    "log_every": 1,
    "trackers": [],
    "sampling": {"num_frames": 2, "span_frames": 8, "clips_per_video": 2, "size_px": 32},
    "optimiser": {"learning_rate": 0.2, "warmup_epochs": 0.5},
}


@pytest.fixture
def make_config(labelled: Path, tmp_path: Path) -> MakeConfig:
    """``make_config(epochs=9)``: the smallest fine-tuning with some settings changed."""

    def make(**changes: Any) -> ClassifyConfig:
        return ClassifyConfig.parse(
            {**SMALLEST, "data": labelled, "out": tmp_path / "run", **changes}
        )

    return make


def _all(listed: Path) -> list[Video]:
    return list(read_clip_list(listed))


SPLITS = ("train", "train", "train", "train", "val", "test", "val", "test")
REDS = (0, 3, 6, 7)


def _listed(videos: Path, name: str, change: Callable[[int, Video], Video | None]) -> Path:
    """Another list of the same videos, or of some of them."""
    path = videos / f"{name}.csv"
    listed = read_clip_list(videos / "clips.csv")
    changed = [change(number, video) for number, video in enumerate(listed)]
    write_clip_list(path, [video for video in changed if video])
    return path


@pytest.fixture
def labelled(videos: Path) -> Path:
    """The noisy videos with both colours in train, val and test."""

    def change(number: int, video: Video) -> Video:
        return replace(video, label="red" if number in REDS else "other", split=SPLITS[number])

    return _listed(videos, "classes", change)


def _run(config: ClassifyConfig, *, resume: bool = False) -> FinetuneResult:
    return finetune(config, resume=resume, show_progress=False)


def _results(config: ClassifyConfig, split: str = "test") -> dict[str, Any]:
    done = evaluate(config.out, split=split, num_workers=0, show_progress=False)
    written: dict[str, Any] = json.loads(done.results.read_text())
    return written


def test_a_run_learns_selects_on_validation_and_reports_on_test(make_config: MakeConfig) -> None:
    config = make_config(epochs=12)
    result = _run(config)
    assert result.finished
    run = RunFolder(config.out)
    lines = list(read_lines(run.metrics))
    losses = {line["step"]: line["val_loss"] for line in lines if "val_loss" in line}
    assert result.best_step == min(losses, key=lambda step: losses[step])
    assert (run.checkpoints / "best").resolve().name == f"step-{result.best_step:06d}"
    first, *_, last = [line["loss"] for line in lines if "loss" in line]
    assert last < 0.5 * first
    tested = _results(config)
    assert (tested["num_videos"], tested["num_groups"], tested["split"]) == (2, 2, "test")
    assert tested["thresholds"] == _results(config, "val")["thresholds"]
    assert tested["scores"]["accuracy"]["n"] == 2
    assert np.sum(tested["confusion"]) == 2
    with run.predictions("test").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["other", "red"]
    assert sum(float(rows[0][name]) for name in ("other", "red")) == pytest.approx(1, abs=1e-5)


def test_scores_are_those_of_the_loaded_weights(make_config: MakeConfig) -> None:
    config = make_config(epochs=1)
    _run(config)
    labelled = read_set(RunFolder(config.out).labelled)
    network = endofm.load(config.out, task="classify")
    videos = labelled.splits["val"]
    once = video_scores(network, videos, config.sampling)
    again = video_scores(network, videos, config.sampling, num_workers=2)
    np.testing.assert_array_equal(once, again)
    alone = [video_scores(network, [video], config.sampling)[0] for video in videos]
    np.testing.assert_array_equal(once, np.stack(alone))
    assert not np.array_equal(once[0], once[-1])
    loss = cross_entropy(predictions_of(once, videos, labelled))
    written = [line for line in read_lines(RunFolder(config.out).metrics) if "val_loss" in line]
    assert loss == pytest.approx(written[-1]["val_loss"], rel=1e-6)


@pytest.mark.parametrize("average_momentum", [None, 0.5])
def test_going_on_equals_an_unbroken_run(
    make_config: MakeConfig, average_momentum: float | None
) -> None:
    whole = make_config(average_momentum=average_momentum)
    _run(whole)
    broken = make_config(average_momentum=average_momentum, out=whole.out.parent / "broken")
    _stop_after(broken, 3)
    _run(broken, resume=True)

    def numbers(config: ClassifyConfig) -> list[dict[str, Any]]:
        timing = {"step_s", "wait_share", "videos_per_s"}
        lines = read_lines(RunFolder(config.out).metrics)
        return [{k: v for k, v in line.items() if k not in timing} for line in lines]

    assert numbers(broken) == numbers(whole)
    for folder in ("best", "last"):
        first, second = (
            load_file(c.out / "checkpoints" / folder / "classifier.safetensors")
            for c in (whole, broken)
        )
        assert all(torch.equal(first[key], second[key]) for key in first)


def _stop_after(config: ClassifyConfig, step: int) -> None:
    original = Classification.after_update

    def after_update(task: Classification, number: int) -> None:
        original(task, number)
        if number + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classification, "after_update", after_update)
        result = _run(config)
    assert (result.steps, result.finished) == (step, False)


def test_patience_ends_a_run_that_gets_no_better(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Selection.take
    monkeypatch.setattr(Selection, "take", lambda self, _, step: take(self, {"loss": step}, step))
    config = make_config(epochs=9, patience_epochs=2)
    result = _run(config)
    assert (result.steps, result.best_step, result.finished) == (6, 2, True)
    assert _run(config, resume=True).steps == 6


def test_selection_keeps_the_best_and_counts_from_it() -> None:
    for by, values in (("loss", [3.0, 2.0, 2.5, 2.0]), ("f1", [0.1, 0.5, 0.4, 0.5])):
        selection = Selection.start(by)
        taken = [
            selection.take({"loss": value, "f1": value}, step) for step, value in enumerate(values)
        ]
        assert taken == [True, True, False, False]
        assert (selection.step, selection.epochs_since, selection.value) == (1, 2, values[1])


def test_a_probe_leaves_the_backbone_as_it_was(make_config: MakeConfig) -> None:
    start = make_config(epochs=1)
    _run(start)
    for train in ("linear", "attentive"):
        config = make_config(train=train, weights=str(start.out), out=start.out.parent / train)
        _run(config)
        before, after = load_classifier(start.out), load_classifier(config.out)
        pairs = zip(before.backbone.parameters(), after.backbone.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        assert (after.pool is None) == (train == "linear")


def test_videos_of_several_classes(make_config: MakeConfig, videos: Path) -> None:
    labels = ("red;big", "big", "", "red", "red;big", "", "red", "big")

    def change(number: int, video: Video) -> Video:
        return replace(video, label=labels[number], split=SPLITS[number])

    path = _listed(videos, "several", change)
    config = make_config(data=path, multi_label=True, class_weights="balanced", epochs=1)
    _run(config)
    tested = _results(config)
    assert tested["classes"] == ["big", "red"]
    assert np.shape(tested["confusion"]) == (2, 2, 2)
    assert {"auroc/big", "f1/red"} <= tested["scores"].keys()


def test_the_positive_class_may_be_named(make_config: MakeConfig) -> None:
    config = make_config(epochs=1, positive="other")
    _run(config)
    assert read_set(RunFolder(config.out).labelled).classes == ("red", "other")
    with pytest.raises(ConfigError, match="--positive blue is none of two classes; the classes"):
        _run(make_config(positive="blue", out=config.out.parent / "b"))


def test_the_paper_selects_on_what_it_reports_and_says_so(make_config: MakeConfig) -> None:
    config = make_config(select_on_test=True, select_by="f1", epochs=1)
    _run(config)
    tested = _results(config)
    assert tested["selected_on_reported"]
    assert any("too good" in note for note in tested["notes"])


def test_other_data_is_scored_by_the_thresholds_of_the_run(
    make_config: MakeConfig, videos: Path
) -> None:
    config = make_config(epochs=1)
    _run(config)

    def unseen(number: int, video: Video) -> Video | None:
        label = "red" if number in REDS else "other"
        return None if SPLITS[number] == "train" else replace(video, label=label, split="")

    other = _listed(videos, "others", unseen)
    done = evaluate(config.out, data=other, num_workers=0, show_progress=False)
    assert done.results.name == "results-test-others.json"
    assert done.scores["accuracy"].n == 4


def test_weights_without_a_run_are_scored_on_other_data(
    make_config: MakeConfig, videos: Path, tmp_path: Path
) -> None:
    config = make_config(epochs=1)
    _run(config)
    weights, out = tmp_path / "polypdiag.pth", tmp_path / "scored"
    convert(config.out, weights)
    listed = _listed(videos, "numbers", lambda n, v: replace(v, label=str(n % 2), split=""))
    done = evaluate(
        weights,
        data=listed,
        out=out,
        sampling=config.sampling,
        num_workers=0,
        show_progress=False,
    )
    found = json.loads((out / "results-test.json").read_text())
    assert done.scores["accuracy"].n == found["num_videos"] == len(SPLITS)
    assert (found["classes"], found["thresholds"]) == (["0", "1"], [0.5, 0.5])
    assert (found["thresholds_from"], found["source"]) == ("", str(weights))
    assert any("trained on is not known" in note for note in done.notes)
    expected = video_scores(endofm.load(weights, task="classify"), _all(listed), config.sampling)
    with done.predictions.open() as file:
        written = [[float(row["0"]), float(row["1"])] for row in csv.DictReader(file)]
    np.testing.assert_allclose(written, expected, atol=1e-6)


def test_weights_without_a_run_need_data_names_and_a_place(
    make_config: MakeConfig, labelled: Path, tmp_path: Path
) -> None:
    config = make_config(epochs=1)
    _run(config)
    weights = tmp_path / "polypdiag.pth"
    convert(config.out, weights)
    with pytest.raises(ConfigError, match="weights without a run; add --data LABELLED and --out"):
        evaluate(weights, data=labelled)
    with pytest.raises(DataError, match="unknown label 'red'; known labels: 0, 1"):
        evaluate(weights, data=labelled, out=tmp_path / "out")
    with pytest.raises(ConfigError, match="has 2 outputs for the classes a, b, c"):
        evaluate(weights, data=labelled, out=tmp_path / "out", classes="abc")
    with pytest.raises(ConfigError, match="a run knows its classes and its clips"):
        evaluate(config.out, sampling=config.sampling)


def test_what_was_trained_on_is_not_scored(make_config: MakeConfig, videos: Path) -> None:
    config = make_config(epochs=1)
    _run(config)
    trained = _listed(videos, "trained", lambda n, v: replace(v, split="test", label="red"))
    with pytest.raises(DataError, match=r"0\.mp4: its group 'patient-0' was trained on; leave"):
        evaluate(config.out, data=trained, num_workers=0, show_progress=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling": {"size_px": 100}}, "--sampling.size-px 100 is no multiple of 16; use 96"),
        ({"batch_size": 3, "accumulate": 2}, "use a multiple of 2"),
        ({"batch_size": 100}, "4 clips do not fill a batch of 100"),
        ({"optimiser": {"warmup_epochs": 9}}, "as long as the run; shorten"),
        ({"data": "/nowhere"}, "/nowhere"),
        ({"weights": "/nowhere.pth"}, "/nowhere.pth"),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(
    make_config: MakeConfig, changes: dict[str, Any], message: str
) -> None:
    config = make_config(**changes)
    with pytest.raises(EndofmError, match=message):
        _run(config)
    assert not RunFolder(config.out).holds_run


def test_a_group_in_two_splits_stops_the_run_with_its_name(
    make_config: MakeConfig, labelled: Path
) -> None:
    labelled.write_text(labelled.read_text().replace("patient-5", "patient-0"))
    with pytest.raises(DataError, match="patient-0"):
        _run(make_config())


def test_evaluation_of_what_is_no_run_is_refused(make_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds no finished checkpoint"):
        evaluate(tmp_path)
    config = make_config(epochs=1)
    _run(config)
    with pytest.raises(DataError, match="has no split 'foo'; choose train, val, test with --split"):
        evaluate(config.out, split="foo")
    RunFolder(config.out).results("val").unlink()
    with pytest.raises(RunError, match="no thresholds chosen on validation; run first"):
        evaluate(config.out, show_progress=False, num_workers=0)


def test_a_missing_score_is_an_error(
    make_config: MakeConfig, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from endofm.tasks import classify_scores

    network = load_classifier_of(make_config())
    listed = read_clip_list(labelled)[:2]
    monkeypatch.setattr(classify_scores, "Loader", lambda *_, **__: [])
    with pytest.raises(RunError, match="0 scores for 2 videos"):
        video_scores(network, listed, make_config().sampling)


def load_classifier_of(config: ClassifyConfig) -> Any:
    from endofm.tasks.classify_job import build_classifier

    return build_classifier(config, num_classes=2)


@pytest.mark.slow
def test_two_processes_train_as_one_and_score_as_one(make_config: MakeConfig) -> None:
    one = make_config(drop_path=0.0)
    _run(one)
    two = make_config(drop_path=0.0, out=one.out.parent / "two")
    preset = one.out.parent / "two.yaml"
    preset.write_text(two.dump_yaml())
    _in_two_processes(
        *("finetune", "classify", "--preset", preset, "--data", two.data, "--out", two.out)
    )
    for name in ("loss", "val_loss", "val_f1"):
        first, second = (
            [line[name] for line in read_lines(RunFolder(c.out).metrics) if name in line]
            for c in (one, two)
        )
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)
    alone = _results(one)
    told = _in_two_processes("evaluate", one.out)
    assert told.count("results-test.json") == 1  # one process speaks
    together = json.loads(RunFolder(one.out).results("test").read_text())
    assert together["weights_sha256"] == alone["weights_sha256"]
    for name, score in alone["scores"].items():
        assert together["scores"][name] == pytest.approx(score, abs=1e-6, nan_ok=True)


def _in_two_processes(*words: object) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "endofm", *map(str, words)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
