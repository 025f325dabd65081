import math
from itertools import chain
from pathlib import Path

import pytest

from endofm.report.charts import COLOURS
from endofm.report.curves import (
    MACHINERY,
    PANELS,
    is_share,
    learning_charts,
    machinery_charts,
    metric_name,
    probe_charts,
)
from endofm.report.reading import CURVES, read_run
from tests.report.builder import add_probes, build_run, metric_line, write_lines
from tests.report.svg import drawn_points, svg_text


def test_every_logged_number_has_its_place() -> None:
    panels = (*chain(*PANELS.values()), *MACHINERY)
    shown = {key for panel in panels for key in panel.keys}
    assert shown == set(CURVES)


def test_a_single_run_shows_the_losss_terms_in_one_chart(tmp_path: Path) -> None:
    run = read_run(build_run(tmp_path / "a"))
    charts = {chart.title: chart for chart in learning_charts([run], ["a"])}
    assert list(charts) == ["Loss", "Teacher entropy", "Feature spread", "Effective rank"]
    legend = charts["Loss"].legend
    assert [named.label for named in legend] == [
        "all pairs of views",
        "cross-view, L_cv",
        "dynamic, L_dm",
    ]
    assert len({named.line.colour for named in legend}) == 3
    assert {named.data_note for named in legend} == {""}
    assert charts["Feature spread"].legend == ()
    assert {chart.data_note for chart in charts.values()} == {"synthetic"}
    assert len(machinery_charts([run], ["a"])) == 6


def test_several_runs_keep_their_colours_and_notes(tmp_path: Path) -> None:
    runs = [
        read_run(build_run(tmp_path / "a")),
        read_run(build_run(tmp_path / "b", data_note="")),
        read_run(build_run(tmp_path / "c")),
    ]
    write_lines(tmp_path / "a" / "metrics.jsonl", [{"step": 1, "loss": 3.0}])
    runs[0] = read_run(tmp_path / "a")
    charts = {chart.title: chart for chart in learning_charts(runs, ["a", "b", "c"])}
    assert "Loss: dynamic, L_dm" in charts
    for chart in charts.values():
        for named in chart.legend:
            assert named.line.colour == COLOURS["abc".index(named.label)]
            assert named.data_note == ("" if named.label == "b" else "synthetic")
        assert chart.data_note == ""
    assert [n.label for n in charts["Loss: all pairs of views"].legend] == ["a", "b", "c"]
    assert [n.label for n in charts["Feature spread"].legend] == ["b", "c"]


def test_what_was_never_logged_has_no_chart(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a")
    write_lines(run / "metrics.jsonl", [{"step": 1, "loss": 3.0, "clips_per_s": math.nan}])
    record = read_run(run)
    assert [chart.title for chart in learning_charts([record], ["a"])] == ["Loss"]
    assert machinery_charts([record], ["a"]) == []
    assert probe_charts([record], ["a"]) == []


def test_one_line_among_several_runs_says_whose_it_is(tmp_path: Path) -> None:
    runs = [read_run(build_run(tmp_path / name)) for name in ("a", "b")]
    add_probes(tmp_path / "b")
    runs[1] = read_run(tmp_path / "b")
    charts = probe_charts(runs, ["a", "b"])
    assert [chart.title for chart in charts] == ["k-NN accuracy", "Linear-probe accuracy"]
    assert [named.label for named in charts[0].legend] == ["b"]
    assert charts[0].legend[0].data_note == "synthetic"
    assert charts[0].legend[0].line.colour == COLOURS[1]
    assert charts[0].caption == "polyps.csv · test"


def test_probes_say_their_own_note(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a", data_note="")
    add_probes(run)
    record = read_run(run)
    assert {chart.data_note for chart in probe_charts([record], ["a"])} == {"synthetic"}
    assert {chart.data_note for chart in learning_charts([record], ["a"])} == {""}


def test_entropy_is_bounded_by_that_of_equal_prototypes(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a", head={"num_prototypes": 65536})
    lines = [{"step": 1, "teacher_entropy": 3.0}, {"step": 2, "teacher_entropy": 5.0}]
    write_lines(run / "metrics.jsonl", lines)
    (chart,) = learning_charts([read_run(run)], ["a"])
    (_, three), (_, five) = drawn_points(chart.picture, f"stroke: {COLOURS[0]}")
    level = drawn_points(chart.picture, "stroke-dasharray")[0, 1]
    assert 3 + 2 * (level - three) / (five - three) == pytest.approx(math.log(65536), rel=1e-4)


@pytest.mark.parametrize("head", [{}, None, {"num_prototypes": 0}, {"num_prototypes": "many"}])
def test_unknown_prototypes_bound_nothing(tmp_path: Path, head: object) -> None:
    run = read_run(build_run(tmp_path / "a", keys=["teacher_entropy"], head=head))
    (chart,) = learning_charts([run], ["a"])
    assert "stroke-dasharray" not in svg_text(chart.picture)


def test_metrics_in_words() -> None:
    assert metric_name("knn_accuracy") == "k-NN accuracy"
    assert metric_name("auroc_of_mine") == "auroc_of_mine"
    assert is_share("linear_probe_balanced_accuracy")
    assert not is_share("hd95")


def test_builder_logs_what_a_training_logs() -> None:
    tuned = {
        key for task in PANELS if task != "pretrain" for panel in PANELS[task] for key in panel.keys
    }
    speeds = {"videos_per_s", "sequences_per_s", "frames_per_s"}
    assert set(CURVES) - (tuned - {"loss"}) - speeds < set(metric_line(1, 10))
