"""What a trained network says of a video: a typed result, which can write itself to a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from endofm.prediction.class_prediction import ClassPrediction, Progress
from endofm.prediction.classify import PredictSettings, predict_classes
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.classify_trained import read_trained

__all__ = ["ClassPrediction", "predict"]


def predict(
    source: str | Path,
    video: str | Path,
    *,
    stride_s: float | None = None,
    batch_size: int = 4,
    num_telling: int = 3,
    classes: Sequence[str] | None = None,
    sampling: SamplingSettings | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> ClassPrediction:
    """Class scores of a video over time; writes nothing.

    Args:
        source: Folder of a fine-tuning run, or a classifier's weights.
        video: A video file or a folder of frames, of any length.
        stride_s: Seconds from one window's start to the next; by default a quarter of a window.
        batch_size: Windows that go through the network at once.
        num_telling: Most telling frames to keep of each class.
        classes: What the outputs of weights that are no run are called; ``0``, ``1``, ... .
        sampling: How clips are taken, for weights that are no run; see ``SamplingSettings``.
        device: Where the network runs: a GPU if there is one, unless given.
        progress: Called with the number of finished windows and of all.

    Returns:
        Scores, answers, spans and telling frames; ``.save("out/")`` writes them with a page.

    Raises:
        EndofmError: The weights or the video cannot be read, or a setting is out of range.
    """
    settings = PredictSettings.parse(
        {"stride_s": stride_s, "batch_size": batch_size, "num_telling": num_telling}
    )
    trained = read_trained(source, classes=classes, sampling=sampling, device=device)
    return predict_classes(trained, video, settings, progress=progress)
