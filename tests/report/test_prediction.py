import base64
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endofm.errors import RunError
from endofm.report import prediction, write_prediction_page
from endofm.report.charts import COLOURS
from endofm.runfolder import PredictionFolder
from tests.prediction.builder import TWO, prediction_of, telling_frame
from tests.report.test_page import Page

Predicted = Callable[..., PredictionFolder]
SCORES = [[0.9, 0.1], [0.25, 0.75], [0.05, 0.95], [0.6, 0.4]]
"""Windows at 0, 1, 2 and 3 seconds of a video of four."""


@pytest.fixture
def predicted(tmp_path: Path) -> Predicted:
    """``predicted(scores, classes)``: the folder of a prediction without its video."""

    def make(
        scores: Sequence[Sequence[float]] = SCORES, classes: Sequence[str] = TWO, **changes: Any
    ) -> PredictionFolder:
        video = changes.pop("video", Path("film.mp4"))
        overwrite = changes.pop("overwrite", False)
        found = prediction_of(video, scores, classes, **changes)
        found.save(tmp_path / "out", draw_video=False, overwrite=overwrite)
        return PredictionFolder(tmp_path / "out")

    return make


def change(files: PredictionFolder, **values: Any) -> None:
    """Write other values into a prediction."""
    found = json.loads(files.prediction.read_text())
    files.prediction.write_text(json.dumps({**found, **values}))


def moments_of(page: Path) -> dict[str, Any]:
    """The numbers that the page's script works with."""
    match = re.search(r"^const moments = (.*);$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert match
    moments: dict[str, Any] = json.loads(match[1])
    return moments


def test_the_page_says_what_was_found(predicted: Predicted) -> None:
    files = predicted()
    assert write_prediction_page(files.path) == files.page
    page = Page(files.page)
    for words in (
        "film.mp4",
        "4 windows of 1.0 s over 0:04.0",
        "For research; not a diagnosis",
        "95.0 % highest, at 0:02.5 ; mean 55.0 %; answered for 0:02.0",
        "red 0.500: chosen on the videos of val",
        "red 90.0 % at 0:01.5",
        "red 0:01.0 0:03.0 0:02.0 95.0 %",
        "40 of 64 × 48 px, 10 a second",  # noqa: RUF001
        "runs/x",
        "0f" * 32,
        "span_frames 12",
        "packages.torch",
    ):
        assert words in page.text, words


def test_the_page_needs_nothing_but_itself(predicted: Predicted) -> None:
    files = predicted()
    files.video.write_bytes(b"\x00\x01video" * 99)
    page = Page(write_prediction_page(files.path))
    assert len(page.loaded) == 2
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.loaded)
    assert not {"link", "iframe", "object", "form", "embed", "base"} & set(page.tags)
    text = files.page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|fetch\(|XMLHttp|import\(", text)
    stored = re.search(r'<script type="text/plain" id="video">([^<]*)</script>', text)
    assert stored
    assert base64.b64decode(stored[1], validate=True) == files.video.read_bytes()


def test_a_long_video_stays_beside_the_page(
    predicted: Predicted, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = predicted()
    files.video.write_bytes(b"12345")
    for largest, beside in ((4, ["overlay.mp4"]), (5, [])):
        monkeypatch.setattr(prediction, "MAX_EMBEDDED_BYTES", largest)
        page = Page(write_prediction_page(files.path))
        assert [source for source in page.loaded if not source.startswith("data:")] == beside
        assert ('id="video"' in files.page.read_text()) == (not beside)
        assert ("plays overlay.mp4 from beside it" in page.text) == bool(beside)


def test_without_a_video_the_page_says_so(predicted: Predicted) -> None:
    files = predicted()
    page = Page(files.page)
    assert "No video was drawn." in page.text
    assert "video" not in page.tags


def test_text_is_only_text(predicted: Predicted) -> None:
    classes = ("</script><b>", "<script>alert('1')</script>")
    name, source = "a\"b'<img src=x>.mp4", "runs/<i>&"
    files = predicted(
        [[0.1, 0.9]],
        classes,
        video=Path(name),
        source=source,
        telling=(telling_frame(classes[1]),),
        multi_label=True,
    )
    page = Page(files.page)
    assert page.text.count(classes[1]) >= 5  # tile, legend, thresholds, telling frame, span
    assert all(text in page.text for text in (classes[0], name, source))
    text = files.page.read_text(encoding="utf-8")
    assert not any(raw in text for raw in (*classes, "<img src=x>", "<i>&"))
    files.prediction.unlink()
    plain = predicted([[0.1, 0.9]], telling=(telling_frame("red"),), multi_label=True)
    assert page.tags == Page(plain.page).tags


@pytest.mark.parametrize(
    ("classes", "multi_label", "asked"),
    [
        (TWO, False, [1]),
        (TWO, True, [0, 1]),
        (("a", "b", "c"), False, [0, 1, 2]),
        (tuple("abcdefgh"), False, list(range(8))),
    ],
)
def test_curves_and_moments_are_the_scores(
    predicted: Predicted, classes: tuple[str, ...], multi_label: bool, asked: list[int]
) -> None:
    scores = np.random.default_rng(0).dirichlet([1] * len(classes), 4)
    files = predicted(scores.tolist(), classes, multi_label=multi_label)
    moments = moments_of(files.page)
    assert moments["duration_s"] == 4.0
    assert moments["times_s"] == [0.5, 1.5, 2.5, 3.5]
    assert np.array(moments["scores"]) == pytest.approx(scores[:, asked], abs=1e-4)
    text = files.page.read_text()
    lines = re.findall(r'<polyline stroke="(#\w+)" points="([^"]*)"', text)
    assert [colour for colour, _ in lines] == list(COLOURS[: len(asked)])
    for (_, points), k in zip(lines, asked, strict=True):
        x, y = np.array([point.split(",") for point in points.split()], float).T
        assert x.tolist() == [0, 125, 375, 625, 875, 1000]
        level = [*scores[:1, k], *scores[:, k], *scores[-1:, k]]
        assert 1 - y / 200 == pytest.approx(np.array(level), abs=5e-4)


def test_strips_show_when_a_class_is_answered(predicted: Predicted) -> None:
    files = predicted([[0.9, 0.1], [0.1, 0.9], [0.9, 0.9], [0.1, 0.1]], multi_label=True)
    strips = re.findall(
        r'aria-label="when (\w+) is answered">(.*?)</svg>', files.page.read_text(), re.DOTALL
    )
    found = {
        label: [
            (float(x), float(width), colour)
            for x, width, colour in re.findall(
                r'<rect x="([\d.]+)" width="([\d.]+)" height="8" fill="(#\w+)"', rectangles
            )
        ]
        for label, rectangles in strips
    }
    assert found == {
        "other": [(0, 250, COLOURS[0]), (500, 250, COLOURS[0])],
        "red": [(250, 500, COLOURS[1])],
    }


def test_thresholds_are_told_as_they_came_about(predicted: Predicted) -> None:
    files = predicted()
    assert files.page.read_text().count('class="dashed"') == 1
    change(files, thresholds_from="")
    assert "red 0.500: no videos have chosen it" in Page(write_prediction_page(files.path)).text
    change(files, thresholds={"other": 0.25, "red": 0.5}, thresholds_from="val")
    page = Page(write_prediction_page(files.path))
    assert "(other 0.250, red 0.500: chosen on the videos of val)" in page.text
    assert 'class="dashed"' not in files.page.read_text()
    change(files, thresholds={})
    assert "the most probable class is answered" in Page(write_prediction_page(files.path)).text


def test_of_many_classes_the_highest_have_their_numbers_at_the_top(predicted: Predicted) -> None:
    scores = np.full((2, 7), 0.1)
    scores[0, [1, 6, 3, 4]] = 0.5, 0.6, 0.3, 0.4
    text = Page(predicted(scores.tolist(), tuple("abcdefg"), multi_label=True).page).text
    tiles = text[: text.index("Over time")]
    assert re.findall(r"(\w) (\d+\.\d) % highest", tiles) == [
        *(("b", "50.0"), ("d", "30.0"), ("e", "40.0"), ("g", "60.0"))
    ]


def test_spans_beyond_a_number_are_in_the_file_alone(
    predicted: Predicted, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = predicted([[0.1, 0.9], [0.9, 0.1]] * 5, num_frames=100)
    assert "more in" not in Page(files.page).text
    monkeypatch.setattr(prediction, "MAX_SPANS_SHOWN", 2)
    text = Page(write_prediction_page(files.path)).text
    assert "And 3 more in prediction.json" in text
    assert len(re.findall(r"red \d:\d\d\.\d \d:\d\d\.\d", text)) == 2


def test_what_the_classifier_was_trained_on_is_said(predicted: Predicted) -> None:
    assert "trained on" not in Page(predicted().page).text
    files = predicted(data_note="<synthetic>", overwrite=True)
    assert "classifier trained on: <synthetic>" in Page(files.page).text


def test_a_video_of_one_window_without_an_answer(predicted: Predicted) -> None:
    page = Page(predicted([[0.9, 0.1]], telling=()).page)
    assert "1 window of 1.0 s" in page.text
    assert "red: answered nowhere in this video." in page.text
    assert "most telling" not in page.text


KEYS_READ = (
    *(
        "asked",
        "classes",
        "data_note",
        "duration_s",
        "environment",
        "fps",
        "height",
        "highest",
        "mean",
    ),
    *("answered_s", "num_frames", "sampling", "source", "spans", "telling", "thresholds"),
    *("task", "thresholds_from", "video", "weights_sha256", "width", "windows"),
)


@pytest.mark.parametrize("key", KEYS_READ)
def test_what_is_missing_is_told_in_one_line(predicted: Predicted, key: str) -> None:
    files = predicted()
    found = json.loads(files.prediction.read_text())
    before = files.page.read_bytes()
    del found[key]
    files.prediction.write_text(json.dumps(found))
    if key == "thresholds_from":
        change(files, thresholds={"red": 0.5})
    _check_refused(files)
    assert files.page.read_bytes() == before


def _check_refused(files: PredictionFolder) -> None:
    message = r"prediction\.json: missing or damaged \(.*\); run endofm predict again"
    with pytest.raises(RunError, match=message) as error:
        write_prediction_page(files.path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", '"x"', "\x00", "[" * 9, '{"asked": "red"}']
)
def test_another_file_is_told_in_one_line(predicted: Predicted, text: str) -> None:
    files = predicted()
    files.prediction.write_text(text)
    _check_refused(files)


def test_no_prediction_is_told_in_one_line(tmp_path: Path) -> None:
    _check_refused(PredictionFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "values",
    [
        {"windows": []},
        {"windows": [{"start_s": 0, "end_s": 1, "time_s": 0.5, "scores": [0.5, float("nan")]}]},
        {"windows": [{"start_s": 0, "end_s": 1, "time_s": 0.5, "scores": [0.5]}]},
        {"windows": [{"start_s": 0, "end_s": 1, "time_s": float("inf"), "scores": [0.5, 0.5]}]},
        {"duration_s": 0},
        {"duration_s": float("nan")},
        {"duration_s": "4"},
        {"asked": ["blue"]},
        {"spans": [{"label": "red"}]},
        {"spans": [{"label": "blue", "start_s": 0, "end_s": 1, "highest": 1}]},
        {"telling": [{"label": "red", "score": 0.9, "time_s": 0}] * 2},
        {"thresholds": {"red": "high"}},
        {"mean": {"red": None}},
    ],
)
def test_wrong_values_are_told_in_one_line(predicted: Predicted, values: dict[str, Any]) -> None:
    files = predicted()
    change(files, **values)
    _check_refused(files)


@pytest.mark.parametrize(
    "arrays",
    [
        None,
        {"frame0": np.zeros((4, 4, 3), np.uint8)},
        {"frame0": np.zeros((4, 4, 3)), "attention0": np.ones((2, 2))},
        {"frame0": np.zeros((4, 4, 3), np.uint8), "attention0": np.full((2, 2), np.nan)},
        {"frame0": np.zeros((4, 4, 3), np.uint8), "attention0": np.ones(2)},
    ],
)
def test_pictures_that_cannot_be_shown_are_told_in_one_line(
    predicted: Predicted, arrays: dict[str, Any] | None
) -> None:
    files = predicted()
    files.telling.write_bytes(b"no arrays")
    if arrays is not None:
        np.savez(files.telling, **arrays)
    with pytest.raises(RunError) as error:
        write_prediction_page(files.path)
    assert "\n" not in str(error.value)
