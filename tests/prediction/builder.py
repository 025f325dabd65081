"""Videos to predict, classifiers to ask, and predictions that no network has made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.data.video import VideoInfo, write_video
from endofm.models import Classifier
from endofm.prediction import ClassPrediction
from endofm.prediction.telling import TellingFrame
from endofm.tasks.classify_trained import TrainedClassifier
from tests.classifiers import SAMPLING

TWO = ("other", "red")


def trained_on(
    network: Classifier,
    classes: Sequence[str] = TWO,
    *,
    multi_label: bool = False,
    thresholds: Sequence[float] | None = None,
    **sampling: Any,
) -> TrainedClassifier:
    """A classifier to ask, whose thresholds are 0.5 unless given."""
    return TrainedClassifier(
        source="runs/x",
        network=network,
        classes=tuple(classes),
        multi_label=multi_label,
        sampling=SAMPLING.model_copy(update=sampling),
        thresholds=np.array(thresholds or [0.5] * len(classes)),
        thresholds_from="val" if thresholds else "",
        run=None,
    )


def noise(num_frames: int, *, height: int = 48, width: int = 64) -> list[NDArray[np.uint8]]:
    """Frames of drifting coarse noise that all differ."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 6 + num_frames, 3), dtype=np.uint8)
    size = (width, height)
    return [np.asarray(cv2.resize(coarse[:, t : t + 6], size), np.uint8) for t in range(num_frames)]


def paint(folder: Path, colours: Sequence[tuple[int, int, int]]) -> Path:
    """A folder of frames of one colour each, (red, green, blue)."""
    folder.mkdir(parents=True)
    for number, colour in enumerate(colours):
        picture = np.full((40, 56, 3), colour[::-1], np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


def film(path: Path, num_frames: int = 40, *, fps: float = 30.0, **size_px: int) -> Path:
    """A video of noise."""
    write_video(path, noise(num_frames, **size_px), fps=fps)
    return path


def prediction_of(
    video: Path,
    scores: Sequence[Sequence[float]],
    classes: Sequence[str] = TWO,
    *,
    num_frames: int = 40,
    size_hw: tuple[int, int] = (48, 64),
    **changes: Any,
) -> ClassPrediction:
    """What might be said of a ``film`` of 10 frames a second, in windows of a second."""
    info = VideoInfo(video, num_frames, 10.0, *size_hw)
    starts_s = np.linspace(0, max(info.duration_s - 1, 0), len(scores))
    values: dict[str, Any] = {
        "video": info,
        "classes": tuple(classes),
        "multi_label": False,
        "starts_s": starts_s,
        "ends_s": np.minimum(starts_s + 1, info.duration_s),
        "stride_s": 1.0,
        "scores": np.array(scores, float),
        "thresholds": np.full(len(classes), 0.5),
        "thresholds_from": "val",
        "telling": (telling_frame(classes[-1]),),
        "source": "runs/x",
        "weights_sha256": "0f" * 32,
        "sampling": SAMPLING,
    }
    return ClassPrediction(**{**values, **changes})


def telling_frame(label: str) -> TellingFrame:
    """A frame of noise with attention on one corner of it."""
    attention = np.full((2, 2), 0.1, np.float32)
    attention[1, 1] = 0.6
    (frame,) = noise(1, height=32, width=32)
    return TellingFrame(label=label, score=0.9, time_s=1.5, frame=frame, attention=attention)
