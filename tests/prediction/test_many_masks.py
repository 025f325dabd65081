import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endofm.data.manifests import video_paths
from endofm.errors import DataError
from endofm.prediction.classify import ClassPredictor
from endofm.prediction.many import PredictedVideos, predict_videos
from endofm.prediction.segment import MaskPredictor
from endofm.runfolder import PredictionFolder
from tests.classifiers import Colours
from tests.prediction import builder
from tests.prediction.builder import film, paint
from tests.prediction.mask_builder import FRAMES, Bright, small_segmenter, trained_on

GREY, WHITE = (40, 40, 40), (220, 220, 220)
COLOURS = [GREY] * 2 + [WHITE] * 6 + [GREY, WHITE]
SETTINGS = FRAMES.model_copy(update={"clip_frames": 1, "overlap_frames": 0})
PREDICTOR = MaskPredictor(trained_on(Bright(), SETTINGS))
CLASSES = ClassPredictor(builder.trained_on(Colours(2), ("red", "green")))

Predict = Callable[..., PredictedVideos]


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    return paint(tmp_path / "data" / "painted", COLOURS)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def predict(out: Path) -> Predict:
    """``predict(video, ..., resume=True)``, without drawing."""

    def call(*videos: Path, predictor: Any = PREDICTOR, **options: Any) -> PredictedVideos:
        options = {"draw_video": False, "show_progress": False, **options}
        return predict_videos(predictor, videos, out, **options)

    return call


def test_each_video_has_a_folder_and_a_row(predict: Predict, painted: Path, out: Path) -> None:
    other = film(painted.parent / "film.mp4", 5)
    done = predict(painted, other, draw_video=True)
    assert done.pages == (out / "painted" / "prediction.html", out / "film" / "prediction.html")
    assert {path.name for path in (out / "painted" / "masks").iterdir()} == {
        f"{number}.png" for number in range(10)
    }
    assert (out / "film" / "overlay.mp4").is_file()
    with done.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("video", "folder", "duration_s", "num_frames", "mean_area", "largest_area"),
        *("lesion_share", "longest_s"),
    ]
    row = rows[0]
    assert (row["folder"], row["num_frames"]) == ("painted", "10")
    assert (row["mean_area"], row["lesion_share"]) == ("0.700000", "0.700000")
    assert (row["largest_area"], row["longest_s"]) == ("1.000000", "0.200000")


def test_run_lengths_if_wanted(predict: Predict, painted: Path, out: Path) -> None:
    predict(painted, predictor=MaskPredictor(PREDICTOR.trained, "rle"))
    assert (out / "painted" / "masks.json").is_file()
    assert not (out / "painted" / "masks").exists()


def test_what_was_made_before_is_no_video_to_predict(
    predict: Predict, painted: Path, out: Path
) -> None:
    predict(painted, draw_video=True)
    found = [*video_paths(painted), *video_paths(out)]
    assert {path.name for path in found} == {"painted", "masks", "overlay.mp4"}
    assert len(predict(*found, overwrite=True).pages) == 1
    with pytest.raises(DataError, match="no video to predict"):
        predict(out / "painted" / "masks", overwrite=True)


@pytest.mark.parametrize(
    ("predictor", "name"),
    [
        (MaskPredictor(trained_on(small_segmenter(), SETTINGS)), "weights_sha256"),
        (MaskPredictor(trained_on(Bright())), "weights_sha256"),
        (MaskPredictor(trained_on(PREDICTOR.trained.network, FRAMES)), "frames"),
        (MaskPredictor(PREDICTOR.trained, "rle"), "masks"),
        (CLASSES, "task"),
    ],
)
def test_resume_keeps_what_was_made_alike_and_mixes_nothing(
    predict: Predict, painted: Path, predictor: Any, name: str
) -> None:
    predict(painted)
    assert predict(painted, resume=True).num_kept == 1
    message = rf"painted: its {name} is not what is asked for now; add --overwrite, or name"
    with pytest.raises(DataError, match=message):
        predict(painted, predictor=predictor, resume=True)
    assert predict(painted, predictor=predictor, overwrite=True).num_kept == 0
    assert predict(painted, predictor=predictor, resume=True).num_kept == 1


def test_what_is_damaged_midway_is_left_out_and_nothing_is_written(
    predict: Predict, painted: Path, out: Path
) -> None:
    broken = paint(painted.parent / "broken", [GREY] * 9)
    (broken / "5.png").write_bytes(b"no picture")
    done = predict(broken, painted, draw_video=True)
    (skipped,) = done.skipped
    assert skipped.path == broken
    assert "5.png" in skipped.reason
    assert sorted(item.name for item in out.iterdir()) == ["painted", "videos.csv"]


def test_progress_counts_frames(
    predict: Predict, painted: Path, capsys: pytest.CaptureFixture[str], out: Path
) -> None:
    predict(painted, show_progress=True, draw_video=True)
    told = capsys.readouterr().err
    assert "1/1 painted: 10/10" in told
    assert "frames/s" in told
    assert "1/1 painted: drawing: 10/10" in told
    found = json.loads(PredictionFolder(out / "painted").prediction.read_text())
    assert found["task"] == "segment"
