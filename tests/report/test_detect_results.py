import re
from pathlib import Path
from typing import Any

import pytest

from endofm.errors import RunError
from endofm.report import write_report
from endofm.report.detect_results import MOST_FALSE_PER_FRAME, read_detect_results
from endofm.report.reading import read_run
from tests.report import segment_builder
from tests.report.builder import add_skipped
from tests.report.detect_builder import (
    build_detection,
    detect_results,
    write_evaluation,
    write_results,
)
from tests.report.svg import svg_text
from tests.report.test_page import HOSTILE, Page


def test_levels_are_tables_with_units(tmp_path: Path) -> None:
    found = read_detect_results(write_results(tmp_path))
    assert [level.title for level in found.levels] == [
        "Ranking",
        "Boxes",
        "Centres",
        "Frames",
        "Free response",
        "Lesions over time",
        "The paper's frame-level score",
    ]
    rows = {row.name: row for level in found.levels for row in level.rows}
    assert rows["AP at IoU 0.5: adenoma"].share
    assert rows["Sensitivity at 0.125 false boxes a frame"].share
    assert (rows["Delay of the first hit"].share, rows["Delay of the first hit"].unit) == (
        False,
        "frames",
    )
    assert not rows["Boxes a frame that touch no lesion"].share
    assert rows["False alerts a minute"].result.value == 2.5
    assert [row.result.value for row in found.tiles] == [0.4, 0.63, 0.75, 0.25]
    assert (found.num_boxes, found.threshold, found.threshold_chosen) == (120, 0.3125, True)


def test_the_papers_percentages_are_shares_without_an_interval(tmp_path: Path) -> None:
    level = read_detect_results(write_results(tmp_path)).levels[-1]
    assert "wherever it lies" in level.explanation
    assert [(row.name, row.result.value, row.result.n) for row in level.rows] == [
        ("F1", 0.875, 100),
        ("Recall", 0.9, 100),
    ]
    assert all(row.result.low != row.result.low for row in level.rows)


def test_the_curve_ends_where_false_boxes_are_many(tmp_path: Path) -> None:
    def ticks(last: float) -> list[float]:
        points = {"false_per_frame": [0, 0.1, last, 60], "sensitivity": [0, 0.4, 0.7, 0.9]}
        drawn = svg_text(read_detect_results(write_results(tmp_path, froc=points)).froc)
        return [float(text) for text in re.findall(r"<!-- ([\d.]+) -->", drawn)]

    assert max(ticks(3.0)) == 3
    assert max(ticks(MOST_FALSE_PER_FRAME + 1)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"froc": {"false_per_frame": [0], "sensitivity": [0, 1]}},
        {"froc": {"false_per_frame": [], "sensitivity": []}},
        {"threshold": None},
        {"scores": {}},
        {"original_scores": []},
    ],
)
def test_a_damaged_file_is_one_line(changes: dict[str, Any], tmp_path: Path) -> None:
    path = write_results(tmp_path, **changes)
    with pytest.raises(RunError, match=r"results-test\.json: damaged .* run endofm evaluate again"):
        read_detect_results(path)


def test_a_page_tells_all_of_a_run(tmp_path: Path) -> None:
    run = build_detection(tmp_path / "det")
    write_evaluation(run, notes=["2 boxes left out: see skipped.csv"])
    write_results(run, "val")
    (run / "skipped.csv").write_text("what,reason\ntrain.json image 3,box has no area\n")
    page = Page(write_report([run]))
    for words in (
        "det: detection report",
        "Detection of lesions in endoscopy video.",
        "100 frames of 4 sequences from 3 groups, with 120 boxes. A box counts from a score of "
        "0.3125, which validation chose. Scored: runs/det .",
        "Note: 2 boxes left out: see skipped.csv.",
        "AP at IoU 0.5 40.0 % synthetic [30.0–50.0 %]",  # noqa: RUF001
        "Lesions found 75.0 % synthetic",
        "Delay of the first hit 3.5 frames synthetic [2.5–4.5 frames] 6 4",  # noqa: RUF001
        "Specificity – synthetic no interval 0 4",  # noqa: RUF001
        "The paper's frame-level score Any box with a score of 0.5",
        "Sequence seq0, frame 3: adenoma 0.5 synthetic ; 1 lesion",
        "Sequence seq1, frame 1: nothing said; 1 lesion",
        "Sequence seq2, frame 4: adenoma 0.5 synthetic ; 0 lesions",
        "Sequence seq3, frame 1: polyp 0.75 , adenoma 0.5 synthetic ; 1 lesion",
        "Lesions found for false boxes",
        "Terms of the loss",
        "AP in validation",
        "Frames a second",
        "Frames and boxes kumc",
        "Skipped frames and boxes",
        "train.json image 3 box has no area",
        f"To use it on a video: endofm predict {run} video.mp4 --out predicted/",
    ):
        assert words in page.text, words
    assert page.text.count("chosen on these very sequences") == 1
    for absent in ("Does it learn?", "Skipped videos", "Dice", "videos were"):
        assert absent not in page.text
    assert all(source.startswith("data:image/") for source in page.loaded)
    assert "script" not in page.tags


def test_a_run_says_what_it_waits_for(tmp_path: Path) -> None:
    run = build_detection(tmp_path / "det")
    assert read_run(run).task == "detect"
    text = Page(write_report([run])).text
    assert f"Go on with: endofm finetune detect --out {run} --resume" in text


def test_every_number_of_synthetic_frames_says_so(tmp_path: Path) -> None:
    for note in ("synthetic", ""):
        folder = write_evaluation(tmp_path / f"note {note}", data_note=note)
        html = write_report([folder]).read_text(encoding="utf-8")
        body = html[html.index("<body>") : html.index("<footer>")]
        units = "(?: %| frames| s|)"
        after = re.findall(
            rf'(?:<td><strong>|<p class="value">)[\d.]+{units}(?:</strong>|)(.{{7}})', body
        )
        assert len(after) == 4 + 5 + 4 + 4 + 2 + 7 + 5 + 2
        assert {follows == " <span " for follows in after} == {bool(note)}
        assert ("synthetic" in body) == bool(note)


def test_weights_alone_and_damaged_pictures(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "alone", threshold_from="", threshold=0.05)
    (folder / "figures" / "boxed-test.npz").write_bytes(b"PK")
    text = Page(write_report([folder])).text
    assert "counts from a score of 0.05. Scored:" in text
    assert "boxed-test.npz cannot be shown" in text
    for absent in ("Training", "What was run", "What next", "truth, the outer line"):
        assert absent not in text


def test_text_from_files_cannot_become_markup(tmp_path: Path) -> None:
    scores = detect_results()["scores"]
    scores["ranking"][f"ap50_{HOSTILE}"] = scores["ranking"]["ap"]
    folder = write_evaluation(tmp_path / "a", scores=scores, data_note=HOSTILE, notes=[HOSTILE])
    page = Page(write_report([folder]))
    assert "script" not in page.tags
    assert "<script>alert('x')</script>" in page.text


def test_runs_are_compared_by_their_results(tmp_path: Path) -> None:
    one, two = write_results(tmp_path / "one").parent, write_results(tmp_path / "two").parent
    segmented = segment_builder.write_results(tmp_path / "three").parent
    add_skipped(one, [])
    text = Page(write_report([one, two, segmented], tmp_path / "all.html")).text
    assert "Detection side by side" in text
    assert "Segmentation side by side" in text
    assert "two test 100 40.0 % synthetic" in text
    assert "three test 100 71.0 % synthetic" in text
