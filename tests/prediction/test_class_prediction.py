import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from endofm.data.video import VideoInfo, check_video
from endofm.errors import DataError, VideoError
from endofm.prediction import ClassPrediction, class_prediction
from endofm.runfolder import PredictionFolder
from tests.prediction.builder import film, paint, prediction_of, telling_frame

WHOLE = {"overlay.mp4", "prediction.html", "prediction.json", "scores.csv", "telling.npz"}
NOWHERE = Path("nowhere.mp4")
SEVERAL = ("healthy", "polyp", "ulcer")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Four seconds of noise, outside of where results go."""
    return film(tmp_path / "film.mp4", 40, fps=10)


@pytest.fixture
def out(tmp_path: Path) -> PredictionFolder:
    return PredictionFolder(tmp_path / "new" / "out")


def second_of(p: Sequence[float]) -> list[list[float]]:
    """Scores of two alternatives."""
    return [[1 - value, value] for value in p]


def test_of_two_classes_the_second_is_asked_for_and_a_tie_is_an_answer() -> None:
    found = prediction_of(
        NOWHERE, second_of([0.2, 0.7, 0.7001, 0.69]), thresholds=np.array([0.1, 0.7])
    )
    assert found.asked == ("red",)
    assert found.answers.tolist() == [[True, False], [False, True], [False, True], [True, False]]
    assert found.deciding_thresholds == {"red": 0.7}
    (span,) = found.spans
    assert (span.label, span.start_s, span.end_s, span.highest) == ("red", 1.0, 3.0, 0.7001)
    assert found.answered_s == {"red": 2.0}


def test_of_several_classes_the_most_probable_is_answered() -> None:
    scores = [[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.1, 0.3, 0.6], [0.3, 0.5, 0.2]]
    found = prediction_of(NOWHERE, scores, SEVERAL)
    assert found.asked == SEVERAL
    assert found.answers.argmax(1).tolist() == [0, 0, 2, 1]
    assert (found.answers.sum(1) == 1).all()
    assert found.deciding_thresholds == {}
    assert [(span.label, span.start_s, span.end_s) for span in found.spans] == [
        ("healthy", 0.0, 2.0),
        ("polyp", 3.0, 4.0),
        ("ulcer", 2.0, 3.0),
    ]
    assert found.answered_s == {"healthy": 2.0, "polyp": 1.0, "ulcer": 1.0}


def test_of_labels_each_is_answered_by_its_threshold_and_a_tie_is_an_answer() -> None:
    scores = [[0.3, 0.9, 0.0], [0.29, 0.9, 0.0], [0.3, 0.1, 0.0], [0.8, 0.9, 0.0]]
    found = prediction_of(
        NOWHERE, scores, SEVERAL, multi_label=True, thresholds=np.array([0.3, 0.9, 0.01])
    )
    assert found.asked == SEVERAL
    assert found.answers.T.astype(int).tolist() == [[1, 0, 1, 1], [1, 1, 0, 1], [0, 0, 0, 0]]
    assert found.deciding_thresholds == {"healthy": 0.3, "polyp": 0.9, "ulcer": 0.01}
    assert [(span.label, span.start_s, span.end_s) for span in found.spans] == [
        ("healthy", 0.0, 1.0),
        ("healthy", 2.0, 4.0),
        ("polyp", 0.0, 2.0),
        ("polyp", 3.0, 4.0),
    ]
    assert found.answered_s == {"healthy": 3.0, "polyp": 3.0, "ulcer": 0.0}


def test_two_labels_are_both_asked_for() -> None:
    found = prediction_of(NOWHERE, [[0.9, 0.8]], multi_label=True)
    assert found.asked == ("other", "red")
    assert found.answered_s == {"other": 4.0, "red": 4.0}


def test_means_and_highest_scores_are_over_windows() -> None:
    found = prediction_of(NOWHERE, [[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]], SEVERAL)
    assert found.mean_scores == pytest.approx({"healthy": 0.3, "polyp": 0.3, "ulcer": 0.4})
    assert found.highest_scores == {"healthy": 0.5, "polyp": 0.3, "ulcer": 0.6}


def read_json(out: PredictionFolder) -> dict[str, Any]:
    def refused(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    found: dict[str, Any] = json.loads(out.prediction.read_text(), parse_constant=refused)
    return found


def check_files(found: ClassPrediction, out: PredictionFolder) -> None:
    """Table, JSON and arrays say the same."""
    stored = read_json(out)
    with out.scores.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["start_s", "end_s", "time_s", *found.classes, "answer"]
    numbers = np.array([row[:-1] for row in rows], float)
    np.testing.assert_allclose(numbers[:, 0], found.starts_s, atol=5.1e-4)
    np.testing.assert_allclose(numbers[:, 1], found.ends_s, atol=5.1e-4)
    np.testing.assert_allclose(numbers[:, 2], found.times_s, atol=5.1e-4)
    np.testing.assert_allclose(numbers[:, 3:], found.scores, atol=5.1e-7)
    answered = [row[-1].split(";") if row[-1] else [] for row in rows]
    for labels, answers in zip(answered, found.answers, strict=True):
        assert labels == [found.classes[k] for k in np.flatnonzero(answers)]
    for name in ("starts_s", "ends_s", "times_s", "scores"):
        key = name if name == "scores" else name.replace("s_s", "_s")
        values = [window[key] for window in stored["windows"]]
        np.testing.assert_array_equal(values, getattr(found, name))
    assert stored["answered_s"] == found.answered_s
    assert stored["mean"] == found.mean_scores
    assert stored["highest"] == found.highest_scores
    assert stored["thresholds"] == found.deciding_thresholds
    spans = [(s["label"], s["start_s"], s["end_s"], s["highest"]) for s in stored["spans"]]
    assert spans == [(s.label, s.start_s, s.end_s, s.highest) for s in found.spans]


@pytest.mark.parametrize("multi_label", [False, True])
def test_table_and_json_agree_with_the_arrays(
    out: PredictionFolder, video: Path, multi_label: bool
) -> None:
    scores = np.random.default_rng(0).dirichlet([1, 1, 1], 13).tolist()
    found = prediction_of(
        video, scores, SEVERAL, multi_label=multi_label, thresholds=np.array([0.3, 0.5, 0.2])
    )
    found.save(out.path, draw_video=False)
    check_files(found, out)


def test_everything_is_written_and_the_page_returned(out: PredictionFolder, video: Path) -> None:
    found = prediction_of(video, second_of([0.2, 0.7, 0.9]), telling=(telling_frame("red"),) * 2)
    seen: list[tuple[int, int]] = []
    page = found.save(out.path, progress=lambda done, total: seen.append((done, total)))
    assert page == out.page
    assert {item.name for item in out.path.iterdir()} == WHOLE
    assert seen == [(done, 40) for done in range(1, 41)]
    check_files(found, out)
    drawn = check_video(out.video)
    assert drawn.num_frames == 40
    assert drawn.duration_s == pytest.approx(4)
    stored = read_json(out)
    assert stored["video"] == str(video.absolute())
    assert (stored["duration_s"], stored["num_frames"], stored["fps"]) == (4.0, 40, 10.0)
    assert (stored["height"], stored["width"], stored["stride_s"]) == (48, 64, 1.0)
    assert (stored["source"], stored["weights_sha256"]) == ("runs/x", "0f" * 32)
    assert stored["sampling"] == found.sampling.model_dump(mode="json")
    assert stored["environment"]["packages"]["endofm"]
    assert stored["telling"] == [{"label": "red", "score": 0.9, "time_s": 1.5}] * 2
    with np.load(out.telling, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["attention0", "attention1", "frame0", "frame1"]
        np.testing.assert_array_equal(arrays["frame1"], found.telling[1].frame)
        np.testing.assert_array_equal(arrays["attention1"], found.telling[1].attention)


def test_an_earlier_prediction_stays_unless_told(out: PredictionFolder, video: Path) -> None:
    prediction_of(video, second_of([0.2, 0.7])).save(out.path, draw_video=False)
    out.video.write_bytes(b"drawn")
    (out.path / "notes.txt").write_text("mine")
    before = {item.name: item.read_bytes() for item in out.path.iterdir()}
    other = prediction_of(video, second_of([0.9, 0.9, 0.9]), source="runs/y")
    with pytest.raises(DataError, match=r"already holds a prediction; add --overwrite, or name"):
        other.save(out.path)
    assert {item.name: item.read_bytes() for item in out.path.iterdir()} == before
    other.save(out.path, overwrite=True, draw_video=False)
    assert {item.name for item in out.path.iterdir()} == (WHOLE | {"notes.txt"}) - {"overlay.mp4"}
    assert (out.path / "notes.txt").read_text() == "mine"
    assert read_json(out)["source"] == "runs/y"
    check_files(other, out)


def test_a_kill_midway_leaves_no_prediction(
    out: PredictionFolder, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prediction_of(video, second_of([0.2, 0.7])).save(out.path, draw_video=False)

    def killed(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(class_prediction, "write_overlay", killed)
        with pytest.raises(KeyboardInterrupt):
            prediction_of(video, second_of([0.9])).save(out.path, overwrite=True)
    assert not out.prediction.exists()
    assert not out.page.exists()
    prediction_of(video, second_of([0.9])).save(out.path, draw_video=False)  # nothing is in the way
    assert read_json(out)["highest"]["red"] == 0.9


def test_a_video_that_is_gone_is_told(out: PredictionFolder, video: Path) -> None:
    found = prediction_of(video, second_of([0.9]))
    video.unlink()
    with pytest.raises(VideoError, match=r"film\.mp4"):
        found.save(out.path)
    assert not out.prediction.exists()
    found.save(out.path, draw_video=False)
    assert out.prediction.exists()


@pytest.mark.parametrize("draw_video", [False, True])
def test_the_video_itself_is_never_written_over(tmp_path: Path, draw_video: bool) -> None:
    mine = film(tmp_path / "overlay.mp4", 10, fps=10)
    before = mine.read_bytes()
    found = prediction_of(mine, second_of([0.9]), num_frames=10)
    with pytest.raises(DataError, match=r"overlay\.mp4 would be written over .*name another"):
        found.save(tmp_path, overwrite=True, draw_video=draw_video)
    assert mine.read_bytes() == before
    frames = paint(tmp_path / "frames", [(0, 0, 0)] * 3)
    found = prediction_of(frames, second_of([0.9]), num_frames=3)
    with pytest.raises(DataError, match=r"frames would be written over or into"):
        found.save(frames, draw_video=draw_video)
    assert len(list(frames.iterdir())) == 3


def test_a_place_that_is_a_file_is_told(tmp_path: Path, video: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        prediction_of(video, second_of([0.9])).save(tmp_path / "file")


def test_commas_and_quotes_in_names_are_kept_in_the_table(
    out: PredictionFolder, video: Path
) -> None:
    found = prediction_of(video, [[0.1, 0.9]], ('a, "b"', "Größe\u2009息肉"))
    found.save(out.path, draw_video=False)
    check_files(found, out)


def test_videos_are_named_by_their_whole_path(
    out: PredictionFolder, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(video.parent)
    found = prediction_of(Path("film.mp4"), second_of([0.9]))
    found.save(out.path, draw_video=False)
    assert read_json(out)["video"] == str(video)
    assert found.video == VideoInfo(Path("film.mp4"), 40, 10.0, 48, 64)
