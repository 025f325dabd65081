import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from endofm.errors import ConfigError, DataError, RunError, VideoError
from endofm.prediction import class_prediction, classify
from endofm.prediction.classify import ClassPredictor, PredictSettings
from endofm.prediction.many import PredictedVideos, folders_of, predict_videos
from endofm.runfolder import PredictionFolder
from endofm.tasks.classify_trained import TrainedClassifier
from tests.classifiers import Colours, small_classifier
from tests.prediction.builder import film, paint, trained_on

NETWORK = Colours(2)
RED_THEN_GREEN = [(180, 60, 60)] * 18 + [(60, 180, 60)] * 18

Predict = Callable[..., PredictedVideos]


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    return paint(tmp_path / "data" / "painted", RED_THEN_GREEN)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def predict(out: Path) -> Predict:
    """``predict(video, ..., resume=True)``, without drawing."""

    def call(
        *videos: Path,
        trained: TrainedClassifier | None = None,
        settings: PredictSettings | None = None,
        **options: Any,
    ) -> PredictedVideos:
        trained = trained or trained_on(NETWORK, ("red", "green"))
        predictor = ClassPredictor(trained, settings or PredictSettings())
        options = {"draw_video": False, "show_progress": False, **options}
        return predict_videos(predictor, videos, out, **options)

    return call


def test_each_video_has_a_folder_and_a_row(predict: Predict, painted: Path, out: Path) -> None:
    other = film(painted.parent / "film.mp4", 20)
    done = predict(painted, other, painted)
    assert done.pages == (out / "painted" / "prediction.html", out / "film" / "prediction.html")
    assert all(page.is_file() for page in done.pages)
    assert (done.table, done.skipped, done.num_kept) == (out / "videos.csv", (), 0)
    with done.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("video", "folder", "duration_s", "num_windows", "mean:red", "mean:green"),
        *("highest:red", "highest:green", "answered_s:green"),
    ]
    assert [row["folder"] for row in rows] == ["painted", "film"]
    assert [row["video"] for row in rows] == [str(painted), str(other)]
    for row in rows:
        found = json.loads(PredictionFolder(out / row["folder"]).prediction.read_text())
        assert float(row["duration_s"]) == pytest.approx(found["duration_s"], abs=1e-3)
        assert int(row["num_windows"]) == len(found["windows"])
        for key in ("mean", "highest", "answered_s"):
            for label, value in found[key].items():
                assert float(row[f"{key}:{label}"]) == pytest.approx(value, abs=1e-6)
    assert rows[0]["num_windows"] == "9"
    assert float(rows[0]["highest:green"]) == pytest.approx(1, abs=0.01)
    assert float(rows[0]["answered_s:green"]) == pytest.approx(0.6, abs=0.11)


def test_videos_are_drawn_if_wanted(predict: Predict, painted: Path, out: Path) -> None:
    predict(painted, draw_video=True)
    assert (out / "painted" / "overlay.mp4").is_file()


def test_names_that_collide_get_numbers(tmp_path: Path) -> None:
    (tmp_path / "b" / "clip").mkdir(parents=True)
    (tmp_path / "scan.2024").mkdir()
    names = ("a/clip.mp4", "b/clip", "c/CLIP.avi", "clip-2.mp4", "scan.2024", "x.y.mp4")
    folders = folders_of([tmp_path / name for name in names], Path("out"))
    assert [folder.path.name for folder in folders.values()] == [
        *("clip", "clip-2", "CLIP-3", "clip-2-2", "scan.2024", "x.y")
    ]
    assert {folder.path.parent for folder in folders.values()} == {Path("out")}
    assert list(folders) == [tmp_path / name for name in names]


def test_a_folder_without_a_name_of_its_own_gets_one(
    painted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(painted)
    for video in (Path(), Path("../painted/."), Path("x/..")):
        (folder,) = folders_of([video], Path("out")).values()
        assert folder.path == Path("out/painted")
    monkeypatch.chdir(painted.parent)
    (folder,) = folders_of([Path("painted/..")], Path("out")).values()
    assert folder.path == Path("out/data")


def test_an_earlier_prediction_is_refused_before_any_work(
    predict: Predict, painted: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(painted)
    monkeypatch.setattr(classify, "predict_classes", _never)
    for videos in ([painted], [film(painted.parent / "film.mp4"), painted]):
        with pytest.raises(DataError, match=r"painted already holds a prediction; add --resume"):
            predict(*videos)
    assert not (out / "film").exists()


def _never(*_: object, **__: object) -> NoReturn:
    raise AssertionError("predicted")


def test_resume_keeps_what_is_there_and_makes_the_rest(
    predict: Predict, painted: Path, out: Path
) -> None:
    predict(painted)
    kept = PredictionFolder(out / "painted")
    before = kept.prediction.read_bytes(), kept.prediction.stat().st_mtime_ns
    kept.page.unlink()  # as a kill may have left it
    done = predict(film(painted.parent / "film.mp4"), painted, resume=True)
    assert done.num_kept == 1
    assert [page.parent.name for page in done.pages] == ["film", "painted"]
    assert (kept.prediction.read_bytes(), kept.prediction.stat().st_mtime_ns) == before
    assert kept.page.is_file()
    with done.table.open(newline="") as file:
        assert [row["folder"] for row in csv.DictReader(file)] == ["film", "painted"]


def test_what_a_kill_has_left_is_made_again(
    predict: Predict, painted: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(class_prediction, "write_overlay", killed)
        with pytest.raises(KeyboardInterrupt):
            predict(painted, draw_video=True)
    assert not PredictionFolder(out / "painted").prediction.exists()
    assert predict(painted, resume=True).num_kept == 0
    assert PredictionFolder(out / "painted").prediction.exists()


@pytest.mark.parametrize(
    ("trained", "settings", "name"),
    [
        (trained_on(small_classifier(2), ("red", "green")), {}, "weights_sha256"),
        (trained_on(NETWORK, ("reds", "greens")), {}, "classes"),
        (trained_on(NETWORK, ("red", "green"), multi_label=True), {}, "multi_label"),
        (trained_on(NETWORK, ("red", "green"), thresholds=(0.5, 0.6)), {}, "thresholds"),
        (trained_on(NETWORK, ("red", "green"), size_px=48), {}, "sampling"),
        (None, {"stride_s": 0.2}, "stride_s"),
    ],
)
def test_resume_mixes_nothing_that_was_made_in_another_way(
    predict: Predict,
    painted: Path,
    *,
    trained: TrainedClassifier | None,
    settings: dict[str, float],
    name: str,
) -> None:
    predict(painted)
    message = rf"painted: its {name} is not what is asked for now; add --overwrite, or name"
    asked = PredictSettings.parse(settings)
    with pytest.raises(DataError, match=message):
        predict(painted, trained=trained, settings=asked, resume=True)
    done = predict(painted, trained=trained, settings=asked, overwrite=True)
    assert done.num_kept == 0
    assert predict(painted, trained=trained, settings=asked, resume=True).num_kept == 1


def test_resume_refuses_another_video_of_the_same_name(predict: Predict, painted: Path) -> None:
    predict(painted)
    other = paint(painted.parent / "b" / "painted", RED_THEN_GREEN)
    with pytest.raises(DataError, match="painted: its video is not what is asked for now"):
        predict(other, resume=True)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"video": 3}'])
def test_a_damaged_prediction_is_told(
    predict: Predict, painted: Path, out: Path, text: str
) -> None:
    predict(painted)
    PredictionFolder(out / "painted").prediction.write_text(text)
    with pytest.raises(RunError, match=r"prediction\.json: damaged .*; add --overwrite") as error:
        predict(painted, resume=True)
    assert "\n" not in str(error.value)
    predict(painted, overwrite=True)


def test_what_cannot_be_read_is_left_out_and_told(
    predict: Predict, painted: Path, out: Path
) -> None:
    broken = painted.parent / "broken.mp4"
    broken.write_bytes(b"no video")
    gone = painted.parent / "gone.mp4"
    done = predict(broken, painted, gone)
    assert [page.parent.name for page in done.pages] == ["painted"]
    assert [item.path for item in done.skipped] == [broken, gone]
    assert all(str(item.path) in item.reason for item in done.skipped)
    assert sorted(item.name for item in out.iterdir()) == ["painted", "videos.csv"]
    with pytest.raises(DataError, match=r"none of 2 videos can be read; .*broken\.mp4"):
        predict(broken, gone)


def test_a_video_that_cannot_be_drawn_keeps_its_scores(
    predict: Predict, painted: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise VideoError("frame 7 cannot be decoded")

    monkeypatch.setattr(class_prediction, "write_overlay", fail)
    done = predict(painted, draw_video=True)
    assert [item.reason for item in done.skipped] == [
        "frame 7 cannot be decoded (not drawn; the rest is there)"
    ]
    folder = PredictionFolder(out / "painted")
    assert done.pages == (folder.page,)
    assert folder.prediction.is_file()
    assert not folder.video.exists()


def test_what_was_drawn_before_is_no_video_to_predict(
    predict: Predict, painted: Path, out: Path
) -> None:
    predict(painted, draw_video=True)
    drawn = out / "painted" / "overlay.mp4"
    assert len(predict(painted, drawn, overwrite=True).pages) == 1
    with pytest.raises(DataError, match="no video to predict"):
        predict(drawn, overwrite=True)


def test_keeping_and_replacing_exclude_each_other(predict: Predict, painted: Path) -> None:
    with pytest.raises(ConfigError, match="--overwrite and --resume exclude each other"):
        predict(painted, overwrite=True, resume=True)


def test_nothing_to_predict_is_an_error(predict: Predict, out: Path) -> None:
    with pytest.raises(DataError, match="no video to predict; name video files or folders"):
        predict()
    assert not out.exists()


def test_results_never_go_into_the_video(painted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classify, "predict_classes", _never)
    trained = trained_on(NETWORK, ("red", "green"))
    with pytest.raises(DataError, match=r"painted would be written over or into; name another"):
        predict_videos(ClassPredictor(trained), [painted], painted.parent, show_progress=False)
    assert len(list(painted.iterdir())) == len(RED_THEN_GREEN)


def test_progress_shows_each_video(
    predict: Predict, painted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(painted, show_progress=True)
    assert "1/1 painted: 9/9" in capsys.readouterr().err
    predict(painted, show_progress=True, draw_video=True, overwrite=True)
    assert "1/1 painted: drawing: 36/36" in capsys.readouterr().err
    predict(painted, overwrite=True)
    assert capsys.readouterr().err == ""
