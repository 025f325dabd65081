import math
from pathlib import Path

import pytest

from endofm.report import wording
from endofm.report.reading import ProbeResult, read_run
from tests.report.builder import build_run
from tests.report.segment_builder import build_segmentation


def result(value: float, low: float, high: float) -> ProbeResult:
    return ProbeResult(0, value, low, high, n=9, num_groups=3, chance=0.5, data_note="")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0004567, "0.0004567"),
        (5.24321, "5.243"),
        (123456.7, "123,457"),
        (math.nan, "–"),  # noqa: RUF001
        (None, "–"),  # noqa: RUF001
    ],
)
def test_numbers(value: float | None, words: str) -> None:
    assert wording.number(value) == words


def test_shares_are_percentages_with_their_interval() -> None:
    assert wording.measured(0.7421, share=True) == "74.2 %"
    assert wording.measured(0.7421, share=False) == "0.7421"
    assert wording.measured(math.nan, share=True) == "–"  # noqa: RUF001
    assert wording.interval(result(0.7, 0.61, 0.788), share=True) == "[61.0–78.8 %]"  # noqa: RUF001
    assert wording.interval(result(7, 6.1, 7.9), share=False) == "[6.1–7.9]"  # noqa: RUF001
    assert wording.interval(result(0.7, math.nan, math.nan), share=True) == "no interval"


def test_changes_have_a_sign() -> None:
    assert wording.change(0.5, 0.623, share=True) == "+12.3 points"
    assert wording.change(0.5, 0.4, share=True) == "-10.0 points"
    assert wording.change(2, 1.5, share=False) == "-0.5"
    assert wording.change(math.nan, 0.4, share=True) == "–"  # noqa: RUF001


def test_state(tmp_path: Path) -> None:
    assert wording.state(read_run(build_run(tmp_path / "a"))) == "finished: step 100 of 100"
    half = read_run(build_run(tmp_path / "b", steps=4000))
    assert wording.state(half) == "not finished: step 100 of 4,000"
    unknown = read_run(build_run(tmp_path / "c", steps=None))
    assert wording.state(unknown) == "step 100"


def test_summary_says_what_was_run_on_what(tmp_path: Path) -> None:
    rows = dict(wording.summary(read_run(build_run(tmp_path / "a"))))
    assert rows["Model"] == "tiny"
    assert rows["Steps"] == "100"
    assert "Epochs" not in rows
    assert rows["Machine"] == "NVIDIA H200"
    assert rows["Versions"] == "endofm 0.1.0, torch 2.13.0, python 3.11.9"
    by_epochs = read_run(build_run(tmp_path / "b", steps=None))
    assert dict(wording.summary(by_epochs))["Epochs"] == "30"


def test_summary_of_an_unknown_machine(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a")
    (run / "environment.json").write_text('{"num_cpus": 2, "packages": [], "command": null}')
    record = read_run(run)
    assert dict(wording.summary(record))["Machine"] == "2 CPU cores"
    assert "Versions" not in dict(wording.summary(record))
    assert wording.command(record) == ""


def test_command_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a")
    expected = f"endofm pretrain --data 'my clips' --out {run}"
    assert wording.command(read_run(run)) == expected


def test_settings_are_flattened() -> None:
    values = {"a": {"b": 1, "c": {"d": [0.4, 1.0]}}, "e": None, "f": True, "g": {}, "h": ""}
    assert list(wording.flat(values)) == [
        ("a.b", "1"),
        ("a.c.d", "0.4, 1.0"),
        ("e", "–"),  # noqa: RUF001
        ("f", "yes"),
        ("g", "–"),  # noqa: RUF001
        ("h", "–"),  # noqa: RUF001
    ]


def test_runs_of_one_name_are_told_apart_by_their_path(tmp_path: Path) -> None:
    runs = [
        read_run(build_run(tmp_path / folder)) for folder in ("one/ssl", "two/ssl", "two/other")
    ]
    names = wording.distinct_names(runs)
    assert names == [str(tmp_path / "one/ssl"), str(tmp_path / "two/ssl"), "other"]


def test_distances_have_a_unit_and_areas_two_digits() -> None:
    assert wording.measured(14.25, share=False, unit="px") == "14.25 px"
    assert wording.measured(math.nan, share=False, unit="px") == "–"  # noqa: RUF001
    assert wording.interval(result(7, 6.1, 7.9), share=False, unit="px") == "[6.1–7.9 px]"  # noqa: RUF001
    assert [wording.area(share) for share in (1.0, 0.1234, 0.00123)] == [
        "100.0 %",
        "12.3 %",
        "0.12 %",
    ]


def test_a_segmentation_calls_things_by_their_names(tmp_path: Path) -> None:
    rows = dict(wording.summary(read_run(build_segmentation(tmp_path / "a"))))
    assert rows["Frames and masks"] == "cvc"
    assert rows["Sequences a step"] == "12"
    assert rows["Starts from"] == "ssl"
    assert not {"Videos", "Clips a step"} & set(rows)


def test_a_page_is_about_a_pre_training_if_there_is_one(tmp_path: Path) -> None:
    segmentation = read_run(build_segmentation(tmp_path / "a"))
    pretraining = read_run(build_run(tmp_path / "b"))
    assert wording.task_of([segmentation]) == "segment"
    assert wording.task_of([segmentation, segmentation]) == "segment"
    assert wording.task_of([segmentation, pretraining]) == "pretrain"


def test_what_to_type_next_depends_on_what_is_scored(tmp_path: Path) -> None:
    run = read_run(build_segmentation(tmp_path / "a b"))
    folder = f"'{run.files.path}'"
    assert wording.next_step(run, [])[1] == f"endofm finetune segment --out {folder} --resume"
    assert wording.next_step(run, ["val"])[1] == f"endofm evaluate {folder}"
    assert wording.next_step(run, ["test", "val"])[1].startswith(f"endofm predict {folder} ")


def test_durations_come_in_the_unit_that_suits() -> None:
    found = [wording.duration(time_s) for time_s in (0, 99.94, 100, 5999, 6000, 3.6e7)]
    assert found == ["0.0 s", "99.9 s", "1.7 min", "100.0 min", "1.7 h", "10,000.0 h"]
