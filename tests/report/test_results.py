import json
from pathlib import Path
from typing import Any

import pytest

from endofm.errors import RunError
from endofm.report import write_report
from endofm.report.results import read_results
from tests.report.builder import build_run
from tests.report.svg import svg_text

SCORE = {"value": 0.75, "low": 0.5, "high": None, "n": 8, "num_groups": 4, "level": 0.95}
CURVE = {
    "roc": {"false_positive_rate": [0, 0.5, 1], "sensitivity": [0, None, 1]},
    "precision_recall": {"recall": [0.5, 1], "precision": [1, 0.5]},
}
FOUND: dict[str, Any] = {
    "num_videos": 8,
    "num_groups": 4,
    "classes": ["normal", "<b>polyp"],
    "multi_label": False,
    "data_note": "synthetic",
    "source": "runs/<b>polyp",
    "thresholds_from": "val",
    "selected_on_reported": False,
    "notes": ["a note"],
    "scores": {"auroc": SCORE, "brier": {**SCORE, "value": 0.125}, "f1/polyp": SCORE},
    "curves": {
        "classes": {"<b>polyp": CURVE},
        "reliability": {"confidence": [None, 0.7], "accuracy": [None, 0.6], "num": [0, 8]},
    },
    "confusion": [[3, 1], [0, 4]],
}


def _write(folder: Path, split: str = "test", **changes: Any) -> Path:
    path = folder / f"results-{split}.json"
    path.write_text(json.dumps({**FOUND, **changes}))
    return path


def test_an_evaluation_becomes_rows_and_pictures(tmp_path: Path) -> None:
    found = read_results(_write(tmp_path))
    assert (found.name, found.selected, found.notes) == ("test", False, ("a note",))
    assert [row.name for row in found.scores] == ["AUROC", "Brier score", "F1: polyp"]
    assert [row.share for row in found.scores] == [True, False, True]
    assert [row.name for row in found.tiles()] == ["AUROC"]
    assert [picture.title for picture in found.pictures] == [
        "ROC",
        "Precision and recall",
        "Reliability",
    ]
    assert not any("polyp" in svg_text(drawn.picture) for drawn in found.pictures)
    (confusion,) = found.confusions
    assert [[cell.num for cell in row] for row in confusion.rows] == [[3, 1], [0, 4]]
    assert [cell.share for cell in confusion.rows[0]] == [0.75, 0.25]


@pytest.mark.parametrize(
    ("split", "changes"), [("val", {}), ("test", {"selected_on_reported": True})]
)
def test_videos_that_chose_are_called_so(
    split: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    assert read_results(_write(tmp_path, split, **changes)).selected


def test_several_labels_have_a_confusion_each(tmp_path: Path) -> None:
    matrices = [[[1, 0], [0, 1]], [[2, 0], [0, 0]]]
    found = read_results(_write(tmp_path, multi_label=True, confusion=matrices))
    assert [table.title for table in found.confusions] == [
        "Confusion: normal",
        "Confusion: <b>polyp",
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"classes": 3}'])
def test_a_damaged_file_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results-test.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"results-test\.json: damaged .* run endofm evaluate again"):
        read_results(path)


def test_the_page_shows_reported_before_validation_and_escapes_names(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: tiny\ndata_note: synthetic\n")
    (tmp_path / "labelled.json").write_text("{}")
    _write(tmp_path, "val")
    _write(tmp_path, "test")
    page = write_report([tmp_path]).read_text(encoding="utf-8")
    assert page.index("Results on test") < page.index("Results on val")
    assert "<b>polyp" not in page
    assert "&lt;b&gt;polyp" in page
    assert "Classification of endoscopy video." in page
    assert "75.0 %" in page
    assert "0.125" in page
    assert "Does it learn?" not in page


def test_an_evaluation_without_a_run_has_a_page_of_results_alone(tmp_path: Path) -> None:
    _write(tmp_path, thresholds_from="")
    text = write_report([tmp_path]).read_text(encoding="utf-8")
    assert "Results on test" in text
    assert "Scored: <code>runs/&lt;b&gt;polyp</code>" in text
    for absent in ("chosen on other videos", "<h2>Training", "What was run", "step 0"):
        assert absent not in text


def test_evaluations_without_a_run_stand_beside_runs(tmp_path: Path) -> None:
    run, alone = build_run(tmp_path / "run"), tmp_path / "alone"
    alone.mkdir()
    _write(alone)
    text = write_report([run, alone], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "evaluated" in text
    assert "<h2>Training" in text
