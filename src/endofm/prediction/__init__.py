"""What a trained network says of a video: a typed result, which can write itself to a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from endofm.prediction.asking import DetectionOptions, predictor_of
from endofm.prediction.box_prediction import BoxPrediction
from endofm.prediction.class_prediction import ClassPrediction
from endofm.prediction.mask_prediction import MaskPrediction
from endofm.prediction.saving import Progress
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.segment_config import FrameSettings

__all__ = ["BoxPrediction", "ClassPrediction", "DetectionOptions", "MaskPrediction", "predict"]


def predict(  # noqa: PLR0913 - the options of every task, each by its name
    source: str | Path,
    video: str | Path,
    *,
    stride_s: float | None = None,
    batch_size: int | None = None,
    num_telling: int | None = None,
    classes: Sequence[str] | None = None,
    sampling: SamplingSettings | None = None,
    frames: FrameSettings | None = None,
    detection: DetectionOptions | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> ClassPrediction | MaskPrediction | BoxPrediction:
    """Class scores of a video over time, or masks or boxes of its frames; writes nothing.

    Args:
        source: Folder of a fine-tuning run, or fine-tuned weights.
        video: A video file or a folder of frames, of any length.
        stride_s: Of a classifier: seconds from one window's start to the next; by default a
            quarter of a window.
        batch_size: Of a classifier: windows that go through the network at once; by default 4.
        num_telling: Of a classifier: most telling frames to keep of each class; by default 3.
        classes: What the outputs of a classifier that is no run are called, ``0``, ``1``, ... ; or
            the classes of a detector, ``1``, ``2``, ... .
        sampling: How clips are taken for a classifier that is no run; see ``SamplingSettings``.
        frames: How a segmenter that is no run sees frames; see ``FrameSettings``.
        detection: How a detector is asked; see ``DetectionOptions``.
        device: Where the network runs: a GPU if there is one, unless given.
        progress: Called with the number of finished windows, or frames, and of all.

    Returns:
        Of a classifier scores, answers, spans and telling frames; of a segmenter the mask of every
        frame, areas and spans; of a detector the boxes of every frame, perhaps with tracks;
        ``.save("out/")`` writes them with a page.

    Raises:
        EndofmError: The weights or the video cannot be read, or a setting is out of range or of
            the other task.
    """
    predictor = predictor_of(
        source,
        stride_s=stride_s,
        batch_size=batch_size,
        num_telling=num_telling,
        classes=classes,
        sampling=sampling,
        frames=frames,
        detection=detection,
        device=device,
    )
    return predictor.predict(video, progress=progress)
