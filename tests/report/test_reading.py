import json
import math
from pathlib import Path

import pytest

from endofm.errors import ConfigError, RunError
from endofm.report.reading import ProbeKey, read_run
from tests.report.builder import add_probes, add_skipped, build_run, metric_line, write_lines
from tests.report.segment_builder import build_segmentation


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"holds no run; name a folder that a training or an evaluation has"
    ):
        read_run(tmp_path)


def test_damaged_settings_are_named(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    (run / "config.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read as YAML"):
        read_run(run)


def test_curves_hold_what_was_logged(tmp_path: Path) -> None:
    record = read_run(build_run(tmp_path / "run", num_steps=30))
    assert record.name == "run"
    assert record.curves["loss"].steps.tolist() == [10, 20, 30]
    assert record.curves["loss"].values[1] == metric_line(20, 30)["loss"]
    assert set(record.curves) == set(metric_line(1, 1)) - {"step", "epoch"}


def test_a_killed_run_keeps_its_whole_lines(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", num_steps=30)
    for name in ("metrics.jsonl", "probes.jsonl"):
        with (run / name).open("a") as lines:
            lines.write('{"step": 40, "loss": 3.1, "metr')
    record = read_run(run)
    assert record.curves["loss"].steps.tolist() == [10, 20, 30]
    assert record.step == 30


def test_odd_values_are_passed_over(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    write_lines(
        run / "metrics.jsonl",
        [
            {"loss": 1.0},
            {"step": "two", "loss": 1.0},
            {"step": 3, "loss": math.nan, "unheard_of": {"a": 1}},
            {"step": 4, "loss": None, "grad_norm": True},
            {"step": 5, "loss": "low"},
            {"step": 6, "loss": 10**400},
            {"step": 7, "loss": 2},
        ],
    )
    record = read_run(run)
    assert record.curves["loss"].steps.tolist() == [7]
    assert set(record.curves) == {"loss"}


def test_of_a_step_logged_twice_the_later_line_holds(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    lines = [{"step": s, "loss": v} for s, v in ((1, 9.0), (3, 8.0), (2, 7.0), (3, 6.0))]
    write_lines(run / "metrics.jsonl", lines)
    curve = read_run(run).curves["loss"]
    assert (curve.steps.tolist(), curve.values.tolist()) == ([1, 2, 3], [9, 7, 6])


def test_a_run_that_has_only_settings(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", steps=None)
    for name in ("metrics.jsonl", "environment.json"):
        (run / name).unlink()
    record = read_run(run)
    assert (record.curves, record.probes, record.skipped, record.environment) == ({}, {}, (), {})
    assert (record.step, record.num_steps, record.num_videos, record.finished) == (
        0,
        None,
        None,
        False,
    )


def test_state_counts_steps_from_settings_or_checkpoint(tmp_path: Path) -> None:
    assert read_run(build_run(tmp_path / "done")).finished
    assert not read_run(build_run(tmp_path / "half", steps=200)).finished
    by_epochs = build_run(tmp_path / "epochs", steps=None)
    assert read_run(by_epochs).num_steps is None
    last = by_epochs / "checkpoints" / "last"
    last.mkdir(parents=True)
    (last / "state.json").write_text(json.dumps({"step": 105, "num_steps": 105}))
    record = read_run(by_epochs)
    assert (record.step, record.num_steps, record.finished) == (105, 105, True)


def test_probes_are_grouped_and_ordered(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    add_probes(run, num_probes=3)
    with (run / "probes.jsonl").open("a") as lines:
        lines.write('{"step": 50, "metric": "knn_accuracy", "list": "other", "value": NaN}\n')
        lines.write('{"step": 50}\n')
        lines.write(
            '{"step": 25, "metric": "knn_accuracy", "list": "polyps.csv", "split": "test"}\n'
        )
    probes = read_run(run).probes
    assert [result.step for result in probes[ProbeKey("knn_accuracy", "polyps.csv", "test")]] == [
        0,
        25,
        50,
        100,
    ]
    (other,) = probes[ProbeKey("knn_accuracy", "other", "")]
    assert all(math.isnan(x) for x in (other.value, other.low, other.high, other.chance))
    assert (other.n, other.num_groups, other.data_note) == (0, 0, "")
    assert len(probes) == 3


def test_a_warning_is_told_once_with_its_first_step(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    lines = [metric_line(step, 100) for step in (10, 20, 30, 40)]
    lines[1]["warning"] = "collapse: spread 0.04"
    lines[2]["warning"] = "collapse: spread 0.03"
    lines[3]["warning"] = "slow: 1 clip a second"
    write_lines(run / "metrics.jsonl", lines)
    assert read_run(run).warnings == (
        (20, "collapse: spread 0.04"),
        (40, "slow: 1 clip a second"),
    )


def test_a_failed_step_is_a_warning(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    path = run / "failures" / "step-000007" / "process-0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"step": 7, "term": "loss"}))
    (path.parent / "process-1.json").write_text("{")
    assert read_run(run).warnings == ((7, f"loss was not finite; see {path}"),)


def test_skipped_videos_and_the_number_used(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    add_skipped(run, [("a,b.mp4", "too short"), ("c.mp4", "damaged")])
    (run / "videos.json").write_text(json.dumps([{"path": "d.mp4"}] * 3))
    record = read_run(run)
    assert record.skipped == (("a,b.mp4", "too short"), ("c.mp4", "damaged"))
    assert record.num_videos == 3
    (run / "skipped.csv").write_bytes(b"path,reason\n\xff.mp4,damaged\n")
    assert read_run(run).skipped == (("\ufffd.mp4", "damaged"),)
    (run / "skipped.csv").write_text("something else\n1,2,3\n")
    (run / "videos.json").write_text('{"a": 1}')
    record = read_run(run)
    assert record.skipped == (("", ""),)
    assert record.num_videos is None


def test_the_task_is_told_by_the_files(tmp_path: Path) -> None:
    assert read_run(build_run(tmp_path / "ssl")).task == "pretrain"
    classifier = build_run(tmp_path / "classifier")
    (classifier / "labelled.json").write_text("{}")
    assert read_run(classifier).task == "classify"
    assert read_run(build_segmentation(tmp_path / "segmenter")).task == "segment"


@pytest.mark.parametrize(
    ("text", "task"),
    [('{"task": "segment"}', "segment"), ('{"classes": []}', "classify"), ("[", "classify")],
)
def test_the_task_of_an_evaluation_alone_is_that_of_its_results(
    text: str, task: str, tmp_path: Path
) -> None:
    (tmp_path / "results-test.json").write_text(text)
    assert read_run(tmp_path).task == task
