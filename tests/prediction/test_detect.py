"""A detector asked about videos: as a run tells, as weights are told, and as a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import endofm
from endofm.data.video import open_video
from endofm.errors import ConfigError, DataError, WeightsError
from endofm.models import TransUNet, timesformer_tiny
from endofm.prediction import BoxPrediction, DetectionOptions
from endofm.prediction.detect import first_sightings
from endofm.tasks import detect_config
from endofm.tasks.detect_stream import DetectionStream, detect_all
from tests.prediction.box_builder import (
    CLASSES,
    FRAMES,
    REFERENCES,
    small_detector,
    write_run,
    write_weights,
)
from tests.prediction.builder import film, noise

DETECTOR = small_detector()
NUM_FRAMES = 9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, its bare weights and a video."""
    folder = tmp_path_factory.mktemp("made")
    write_run(folder / "run", DETECTOR)
    write_run(folder / "unscored", DETECTOR, threshold=None)
    write_weights(folder / "detector.safetensors", DETECTOR)
    film(folder / "film.mp4", NUM_FRAMES)
    return folder


def predict(made: Path, source: str, **options: object) -> BoxPrediction:
    found = endofm.predict(made / source, made / "film.mp4", device="cpu", **options)  # type: ignore[arg-type]  # as given
    assert isinstance(found, BoxPrediction)
    return found


def test_a_run_is_asked_as_it_was_trained(made: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = predict(made, "run", progress=lambda done, total: seen.append((done, total)))
    assert (found.classes, found.threshold, found.data_note) == (CLASSES, 0.3, "noise")
    assert (found.frames, found.references) == (FRAMES, REFERENCES)
    assert seen == [(k + 1, NUM_FRAMES) for k in range(NUM_FRAMES)]
    stream = DetectionStream(DETECTOR, frames=FRAMES, references=REFERENCES)
    with open_video(made / "film.mp4") as reader:
        expected = list(detect_all(stream, reader.stream()))
    for one, other in zip(found.detections, expected, strict=True):
        assert len(one) > 0
        torch.testing.assert_close(one.boxes_xyxy, other.boxes_xyxy, rtol=0, atol=0)
    assert [one.index for one in found.sightings] == first_sightings(found.scores.max(1) >= 0.3)


def test_the_first_frame_of_each_stretch_is_shown() -> None:
    assert first_sightings(np.array([1, 1, 0, 0, 1, 0, 1], bool)) == [0, 4, 6]
    assert first_sightings(np.zeros(3, bool)) == []


def test_online_sees_nothing_of_what_comes(made: Path, tmp_path: Path) -> None:
    scores = {}
    for name, num in (("whole", 8), ("begun", 4)):
        (tmp_path / name).mkdir()
        for number, picture in enumerate(noise(8)[:num]):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), picture)
        for online in (True, False):
            options = DetectionOptions(online=online)
            found = endofm.predict(made / "run", tmp_path / name, device="cpu", detection=options)
            assert isinstance(found, BoxPrediction)
            assert found.references.online == online
            scores[name, online] = [one.scores.tolist() for one in found.detections]
    assert scores["begun", True] == scores["whole", True][:4]
    assert scores["begun", False] != scores["whole", False][:4]


def test_options_change_the_run_s_own(made: Path) -> None:
    options = DetectionOptions(num_references=0, threshold=0.7)
    found = predict(made, "run", detection=options)
    assert (found.references.num, found.threshold) == (0, 0.7)
    assert predict(made, "unscored").threshold == 0.5


def test_weights_are_asked_as_told(made: Path) -> None:
    scoring = detect_config.ScoringSettings(frames=FRAMES, references=REFERENCES)
    options = DetectionOptions(scoring=scoring)
    found = predict(made, "detector.safetensors", detection=options, classes=["a", "b"])
    assert (found.classes, found.threshold) == (("a", "b"), 0.5)
    run = predict(made, "run")
    for one, other in zip(found.detections, run.detections, strict=True):
        torch.testing.assert_close(one.scores, other.scores, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("run", {"stride_s": 1.0}, "is a detector; leave out stride_s"),
        ("run", {"classes": ["a", "b"]}, "a run knows its classes .* leave out --classes"),
        ("detector.safetensors", {"classes": ["a"]}, "tells 2 classes apart, --classes names 1"),
    ],
)
def test_what_cannot_be_asked_is_told(
    made: Path, source: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        predict(made, source, **options)


def test_a_segmenter_has_no_tracks(made: Path) -> None:
    write_weights(made / "segmenter.safetensors", TransUNet(timesformer_tiny(), width=16))  # type: ignore[arg-type]  # another network's weights
    with pytest.raises(ConfigError, match="is no detector; leave out online, tracks"):
        predict(made, "segmenter.safetensors", detection=DetectionOptions(tracks=True))


def test_a_stream_answers_each_frame_as_it_comes(made: Path) -> None:
    stream = endofm.Stream(made / "run", device="cpu")
    assert (stream.classes, stream.threshold) == (CLASSES, 0.3)
    expected = predict(made, "run", detection=DetectionOptions(online=True))
    for _ in range(2):
        with open_video(made / "film.mp4") as reader:
            for index, frame in enumerate(reader.stream()):
                found = stream.push(frame)
                torch.testing.assert_close(found.scores, expected.found(index).scores)
        stream.reset()


def test_a_stream_refuses_what_is_no_frame(made: Path) -> None:
    stream = endofm.Stream(made / "run", device="cpu")
    wrongs: list[Any] = [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))]
    for wrong in (*wrongs, np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(DataError, match="push RGB frames"):
            stream.push(wrong)
    stream.push(np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(DataError, match="frame 1 of the stream: has 50 x 40 px"):
        stream.push(np.zeros((40, 50, 3), np.uint8))
    with pytest.raises(WeightsError):
        endofm.Stream(made / "missing.pth")
