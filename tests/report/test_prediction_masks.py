import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endofm.errors import RunError
from endofm.report import write_prediction_page
from endofm.report.prediction_masks import COLOUR
from endofm.runfolder import PredictionFolder
from tests.prediction.mask_builder import masks_of
from tests.report.test_page import Page
from tests.report.test_prediction import change, moments_of

Predicted = Callable[..., PredictionFolder]
SIDES = [0, 4, 9, 3, 0, 0, 12, 0]
"""Of squares in 48 x 64 pixels, at 10 frames a second."""


@pytest.fixture
def predicted(tmp_path: Path) -> Predicted:
    """``predicted(sides)``: the folder of a prediction without its video."""

    def make(sides: Sequence[int] = SIDES, **changes: Any) -> PredictionFolder:
        found = masks_of(changes.pop("video", Path("film.mp4")), sides, **changes)
        found.save(tmp_path / "out", draw_video=False, overwrite=True, masks="rle")
        return PredictionFolder(tmp_path / "out")

    return make


def test_the_page_says_where_a_lesion_is_seen(predicted: Predicted) -> None:
    page = Page(predicted(data_note="<synthetic>").page)
    for words in (
        "film.mp4",
        "a mask for each of 8 frames, 0:00.8 in all",
        "For research; not a diagnosis",
        "segmenter trained on: <synthetic>",
        "Frames with a lesion 50.0 % 0:00.4 in 2 stretches",
        "Largest area 4.7 % of the picture, at 0:00.6",
        "Mean area 1.0 % of the picture, over all frames",
        "Longest stretch 0:00.3 from 0:00.1",
        "each of the 1 longest stretches",
        "lesion 4.7 % at 0:00.6",
        "Seen From To Length Largest area",
        "lesion 0:00.1 0:00.4 0:00.3 2.6 %",
        "lesion 0:00.6 0:00.7 0:00.1 4.7 %",
        "8 of 64 × 48 px, 10 a second",  # noqa: RUF001
        "Segmenter runs/s",
        "0e" * 32,
        "clip_frames 4",
        "packages.torch",
        "areas.csv",
    ):
        assert words in page.text, words
    assert len(page.loaded) == 2
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.loaded)


def test_a_video_without_a_lesion_says_so(predicted: Predicted) -> None:
    files = predicted([0] * 8)
    page = Page(files.page)
    assert "No lesion is seen in any frame of this video." in page.text
    assert "Frames with a lesion 0.0 % 0:00.0 in 0 stretches" in page.text
    assert "Where the lesion is largest" not in page.text
    assert "1 % 0.5 % 0 %" in page.text
    assert {value for (value,) in moments_of(files.page)["scores"]} == {0}


def test_a_lesion_in_every_frame_is_one_stretch(predicted: Predicted) -> None:
    page = Page(predicted([4] * 8).page)
    assert "Frames with a lesion 100.0 % 0:00.8 in 1 stretch " in page.text
    assert "the largest area in each stretch" in page.text


def test_a_video_of_one_frame_has_a_page(predicted: Predicted) -> None:
    page = Page(predicted([4]).page)
    assert "a mask for its only frame, 0:00.1 in all" in page.text


def test_the_curve_and_the_moments_are_the_areas(predicted: Predicted) -> None:
    files = predicted()
    areas = np.square(SIDES) / (48 * 64)
    moments = moments_of(files.page)
    assert moments["duration_s"] == 0.8
    assert moments["times_s"] == pytest.approx(np.arange(8) / 10 + 0.05)
    assert np.array(moments["scores"])[:, 0] == pytest.approx(areas, abs=1e-5)
    text = files.page.read_text()
    ((colour, points),) = re.findall(r'<polyline stroke="(#\w+)" points="([^"]*)"', text)
    assert colour == COLOUR
    x, y = np.array([point.split(",") for point in points.split()], float).T
    assert x == pytest.approx([0, *(1000 * (np.arange(8) + 0.5) / 8), 1000], abs=0.06)
    assert 0.05 * (1 - y / 200) == pytest.approx([areas[0], *areas, areas[-1]], abs=2e-5)
    assert "5 % 2.5 % 0 %" in Page(files.page).text
    found = re.search(r'aria-label="when lesion is seen">(.*?)</svg>', text, re.DOTALL)
    assert found
    assert re.findall(r'x="([\d.]+)" width="([\d.]+)"', found[1]) == [
        *(("125.00", "375.00"), ("750.00", "125.00"))
    ]


def test_a_long_video_has_a_curve_of_few_points(predicted: Predicted) -> None:
    sides = [0] * 1200
    sides[600] = 20
    files = predicted(sides)
    (points,) = re.findall(r'<polyline stroke="#\w+" points="([^"]*)"', files.page.read_text())
    assert len(points.split()) <= 1002
    assert "500.4,69.8" in points.split()  # 400 of 3072 pixels, below 20 %
    assert len(moments_of(files.page)["times_s"]) == 1200


def test_small_areas_are_not_rounded_to_none(predicted: Predicted) -> None:
    text = Page(predicted([0, 1, 0]).page).text
    assert "Largest area 0.033 %" in text
    assert "0:00.1 0:00.2 0:00.1 0.033 %" in text


def test_text_is_only_text(predicted: Predicted) -> None:
    name, source = "a\"b'<img src=x>.mp4", "runs/<i>&"
    files = predicted(video=Path(name), source=source)
    page = Page(files.page)
    assert name in page.text
    assert source in page.text
    assert not any(raw in files.page.read_text() for raw in ("<img src=x>", "<i>&"))


@pytest.mark.parametrize(
    "key",
    [
        *("data_note", "duration_s", "environment", "fps", "frames", "height", "largest"),
        *("largest_area", "largest_s", "lesion_share", "longest_s", "mean_area", "num_frames"),
        *("source", "spans", "task", "video", "weights_sha256", "width"),
    ],
)
def test_what_is_missing_is_told_in_one_line(predicted: Predicted, key: str) -> None:
    files = predicted()
    found = json.loads(files.prediction.read_text())
    del found[key]
    files.prediction.write_text(json.dumps(found))
    _check_refused(files)


@pytest.mark.parametrize(
    "values",
    [
        {"task": "detect"},
        {"task": ["segment"]},
        {"task": "classify"},
        {"num_frames": 9},
        {"duration_s": 0},
        {"largest_area": 1.5},
        {"largest_area": "large"},
        {"mean_area": None},
        {"spans": [{"label": "lesion"}]},
        {"largest": [{"time_s": 0, "area": 0.1}] * 2},
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
        {},
        {"times_s": np.arange(8.0), "areas": np.full(8, np.nan)},
        {"times_s": np.arange(8.0), "areas": np.zeros((8, 1))},
        {"times_s": np.arange(8.0), "areas": np.zeros(8)},
        {"times_s": np.arange(8.0), "areas": np.zeros(8), "frame0": np.zeros(3)},
    ],
)
def test_arrays_that_cannot_be_shown_are_told_in_one_line(
    predicted: Predicted, arrays: dict[str, Any] | None
) -> None:
    files = predicted()
    files.telling.write_bytes(b"no arrays")
    if arrays is not None:
        np.savez(files.telling, **arrays)
    _check_refused(files)


def _check_refused(files: PredictionFolder) -> None:
    with pytest.raises(RunError, match=r"missing or damaged|cannot be shown") as error:
        write_prediction_page(files.path)
    assert "\n" not in str(error.value)
