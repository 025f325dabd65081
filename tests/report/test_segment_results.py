import math
import re
from pathlib import Path
from typing import Any

import pytest

from endofm.errors import RunError
from endofm.report import write_report
from endofm.report.segment_results import read_segment_results
from tests.report.builder import build_run
from tests.report.segment_builder import (
    build_segmentation,
    rows_of,
    score,
    segment_results,
    write_evaluation,
    write_results,
    write_table,
)
from tests.report.test_page import HOSTILE, Page

LEAK = "the split leaks: 7 of 9 test sequences were trained on"


def test_levels_are_tables_with_percentages_and_pixels(tmp_path: Path) -> None:
    found = read_segment_results(write_results(tmp_path, notes=["a note"]))
    assert [level.title for level in found.levels] == [
        "Frames with a lesion",
        "Sequences",
        "All pixels pooled",
        "Detection",
        "Lesion-free frames",
    ]
    assert [(row.name, row.share, row.unit) for row in found.levels[0].rows] == [
        ("Dice", True, ""),
        ("IoU", True, ""),
        ("Sensitivity", True, ""),
        ("Precision", True, ""),
        ("HD95", False, "px"),
        ("Mean surface distance", False, "px"),
        ("S-measure", False, ""),
        ("E-measure", False, ""),
    ]
    assert [row.result.n for row in found.levels[1].rows] == [4] * 8
    assert [row.name for row in found.tiles] == [
        "Dice per frame",
        "IoU per frame",
        "HD95 per frame",
        "Missed lesions",
    ]
    assert found.tiles[3].result.value == 0.125
    assert found.notes == ("a note",)


def test_what_is_undefined_is_nan(tmp_path: Path) -> None:
    scores = segment_results()["scores"]
    scores["lesion_free"]["correct"] = score(None, 0)
    found = read_segment_results(write_results(tmp_path, scores=scores))
    row = found.levels[4].rows[0]
    assert math.isnan(row.result.value)
    assert math.isnan(row.result.low)
    assert row.result.n == 0


def test_the_papers_protocol_is_a_level_of_its_own(tmp_path: Path) -> None:
    original = {"dice": score(0.8), "hd95_px": score(9.0)}
    found = read_segment_results(write_results(tmp_path, original_scores=original))
    level = found.levels[-1]
    assert level.title == "The paper's protocol"
    assert "flatter" in level.explanation
    assert [(row.name, row.unit) for row in level.rows] == [("Dice", ""), ("HD95", "px")]


@pytest.mark.parametrize(
    ("name", "changes", "selected"),
    [
        ("val", {}, True),
        ("test", {"selected_on_reported": True}, True),
        ("test", {}, False),
        ("test-other", {"split": "test", "selected_on_reported": True}, False),
        ("val-other", {"split": "val"}, False),
    ],
)
def test_sequences_that_chose_are_called_so(
    name: str, changes: dict[str, Any], selected: bool, tmp_path: Path
) -> None:
    path = write_results(tmp_path, **changes).rename(tmp_path / f"results-{name}.json")
    if name == "val":
        path = write_results(tmp_path, "val")
    assert read_segment_results(path).selected is selected


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"task": "segment", "scores": 3}'])
def test_a_damaged_file_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results-test.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"results-test\.json: damaged .* run endofm evaluate again"):
        read_segment_results(path)


def test_a_page_tells_all_of_a_run(tmp_path: Path) -> None:
    run = build_segmentation(tmp_path / "seg")
    write_evaluation(run, notes=[LEAK], original_scores={"dice": score(0.8)})
    write_results(run, "val")
    page = Page(write_report([run]))
    for words in (
        "seg: segmentation report",
        "Segmentation of lesions in endoscopy video.",
        "100 frames of 4 sequences from 3 groups.",
        f"Note: {LEAK}.",
        "Dice per frame 71.0 % synthetic [61.0–81.0 %]",  # noqa: RUF001
        "HD95 per frame 14.25 px synthetic [10.75–17.75 px]",  # noqa: RUF001
        "Missed lesions 12.5 % synthetic",
        "The paper's protocol A sequence as one volume at the network's size",
        "S-measure 0.812 synthetic [0.712–0.912] 90 4",  # noqa: RUF001
        "truth, the outer line prediction, the inner line",
        "Sequence seq0, frame 0: Dice 95.0 % synthetic",
        "Dice over time",
        "Quarters by size",
        "Dice in validation",
        "Sequences a second",
        "Frames and masks cvc",
        "Starts from ssl",
        f"To use it on a video: endofm predict {run} video.mp4 --out predicted/",
    ):
        assert words in page.text, words
    assert page.text.index("Results on test") < page.text.index("Results on val")
    assert page.text.count("chosen on these very sequences") == 1
    for absent in ("Does it learn?", "Skipped videos", "Classification", "videos were"):
        assert absent not in page.text
    assert all(source.startswith("data:image/") for source in page.loaded)
    assert "script" not in page.tags


def test_every_number_of_synthetic_frames_says_so(tmp_path: Path) -> None:
    for note in ("synthetic", ""):
        folder = write_evaluation(tmp_path / f"note {note}", data_note=note)
        html = write_report([folder]).read_text(encoding="utf-8")
        body = html[html.index("<body>") : html.index("<footer>")]
        after = re.findall(
            r'(?:<strong>|<p class="value">|mean )[\d.]+(?: %| px|)(?:</strong>|)(.{7})', body
        )
        assert len(after) == 4 + 9 + 4 + 4 + 23
        assert {follows == " <span " for follows in after} == {bool(note)}
        assert ("synthetic" in body) == bool(note)


def test_an_evaluation_without_a_run_has_a_page_of_results_alone(tmp_path: Path) -> None:
    text = Page(write_report([write_evaluation(tmp_path / "alone")])).text
    assert "Segmentation of lesions in endoscopy video." in text
    assert "Scored: runs/seg ." in text
    for absent in ("Training", "What was run", "What next", "step 0"):
        assert absent not in text


def test_a_run_says_what_it_waits_for(tmp_path: Path) -> None:
    run = build_segmentation(tmp_path / "my seg")
    (run / "metrics.jsonl").unlink()
    text = Page(write_report([run])).text
    assert f"Go on with: endofm finetune segment --out '{run}' --resume" in text
    assert "Results on" not in text
    write_results(run, "val")
    text = Page(write_report([run])).text
    assert f"was held back: endofm evaluate '{run}'" in text


def test_results_alone_make_a_page_without_pictures(tmp_path: Path) -> None:
    write_results(tmp_path)
    text = Page(write_report([tmp_path])).text
    assert "All scores" in text
    for absent in ("Dice over time", "Dice by size", "median and the worst", "Warnings"):
        assert absent not in text


def test_no_lesions_and_few_frames_make_a_page(tmp_path: Path) -> None:
    nothing = {"value": None, "low": None, "high": None, "n": 0, "num_groups": 0}
    scores = {
        level: dict.fromkeys(metrics, nothing)
        for level, metrics in segment_results()["scores"].items()
    }
    write_results(tmp_path, scores=scores, num_frames=2, num_sequences=1, num_groups=1)
    write_table(tmp_path, rows_of("a", [None, None]))
    text = Page(write_report([tmp_path])).text
    assert "2 frames of 1 sequence from 1 group." in text
    assert "Dice per frame – synthetic no interval" in text  # noqa: RUF001
    assert "Dice over time" not in text
    write_table(tmp_path, rows_of("a", [0.5]))
    text = Page(write_report([tmp_path])).text
    assert "a mean 50.0 % synthetic , n = 1" in text
    assert "2.0 % 50.0 % synthetic 1 1" in text


def test_damaged_parts_cost_a_line_each(tmp_path: Path) -> None:
    write_evaluation(tmp_path)
    write_evaluation(tmp_path, "val")
    (tmp_path / "predictions-test.csv").write_text("sequence,frame\na,0\n")
    (tmp_path / "figures" / "segmented-test.npz").write_bytes(b"PK")
    (tmp_path / "results-val.json").write_text('{"task": "segment"}')
    text = Page(write_report([tmp_path])).text
    for words in (
        "predictions-test.csv: damaged",
        "segmented-test.npz cannot be shown",
        "results-val.json: damaged",
    ):
        assert words in text, words
    assert "Results on test" in text
    assert "Results on val" not in text


def test_text_from_files_cannot_become_markup(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "a", data_note=HOSTILE, notes=[HOSTILE], source=HOSTILE)
    write_table(folder, rows_of(HOSTILE, [0.5, None, 0.25]))
    page = Page(write_report([folder]))
    assert "script" not in page.tags
    assert "<script>alert('x')</script>" in page.text
    assert all(source.startswith("data:image/") for source in page.loaded)


def test_runs_are_compared_by_their_results(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_results(one, data_note="")
    write_results(two, "val")
    text = Page(write_report([one, two], tmp_path / "both.html")).text
    assert "Segmentation of lesions in endoscopy video." in text
    row = "71.0 % synthetic [61.0–81.0 %] 72.0 % synthetic"  # noqa: RUF001
    assert f"two val chose the weights 100 {row}" in text
    assert "one test 100 71.0 % [61.0" in text
    assert "Validation Dice" in text
    for absent in ("Skipped", "Feature spread"):
        assert absent not in text


def test_losses_of_several_tasks_do_not_share_a_chart(tmp_path: Path) -> None:
    pretraining = build_run(tmp_path / "ssl", keys=["loss"])
    segmentation = build_run(tmp_path / "seg", keys=["loss"])
    (segmentation / "sequences.json").write_text("{}")
    text = Page(write_report([pretraining, segmentation], tmp_path / "both.html")).text
    assert "Self-supervised pre-training on endoscopy video." in text
    assert "Loss: all pairs of views" in text
    assert "Loss: training" in text
