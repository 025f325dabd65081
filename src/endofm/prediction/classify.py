"""A classifier's window slides over a video of any length.

Axes: N windows, K classes, T frames of a window, S pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from endofm.config import Settings
from endofm.data.datasets import reading
from endofm.data.manifests import Clip, Video, whole_clip
from endofm.data.video import open_video
from endofm.data.windows import batches, sliding_clips, window_starts
from endofm.engine.weights import weights_sha256
from endofm.prediction.class_prediction import ClassPrediction, deciding_thresholds
from endofm.prediction.saving import Progress
from endofm.prediction.telling import telling_frames
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.classify_data import clip_indices, evaluation_squares
from endofm.tasks.classify_scores import probabilities
from endofm.tasks.classify_trained import TrainedClassifier

STRIDES_A_WINDOW = 4
"""Windows that a moment of the video lies in, unless a stride is given."""


class PredictSettings(Settings):
    """How a video is looked at; the windows themselves are those the classifier was trained on."""

    stride_s: PositiveFloat | None = None
    """Seconds from one window's start to the next; by default a quarter of a window."""
    batch_size: PositiveInt = 4
    """Windows that go through the network at once."""
    num_telling: NonNegativeInt = 3
    """Most telling frames to show of each class."""


def predict_classes(
    trained: TrainedClassifier,
    video: Path | str,
    settings: PredictSettings | None = None,
    *,
    progress: Progress | None = None,
) -> ClassPrediction:
    """Slide a classifier's window over a video.

    Windows are as long as the clips that the classifier is trained on, begin every stride, and
    the last ends with the video; a shorter video is one window. Each frame is decoded at most
    once, but for those of the few most telling windows, and memory does not grow with the video.

    Args:
        trained: What to ask, and how.
        video: A video file or a folder of frames.
        settings: Stride and the like.
        progress: Called with the number of finished windows and of all.

    Raises:
        VideoError: The video cannot be read.
    """
    settings, sampling = settings or PredictSettings(), trained.sampling
    with open_video(video, folder_fps=sampling.folder_fps) as reader:
        info = reader.info
    listed = Video(info.path, info.num_frames, info.fps, info.height, info.width)
    clip = whole_clip(listed, target_fps=sampling.target_fps)
    stride_frames = stride_of(settings, sampling)
    starts = window_starts(
        clip.num_frames, span_frames=sampling.span_frames, stride_frames=stride_frames
    )
    scores = _scores(trained, clip, starts, batch_size=settings.batch_size, progress=progress)
    starts_s = np.array(starts) / clip.fps
    window_s = min(sampling.span_frames, clip.num_frames) / clip.fps
    return ClassPrediction(
        video=info,
        classes=trained.classes,
        multi_label=trained.multi_label,
        starts_s=starts_s,
        ends_s=np.minimum(starts_s + window_s, info.duration_s),
        stride_s=stride_frames / clip.fps,
        scores=scores,
        thresholds=trained.thresholds,
        thresholds_from=trained.thresholds_from,
        telling=telling_frames(trained, clip, starts, scores, num_a_class=settings.num_telling),
        source=trained.source,
        weights_sha256=weights_sha256(trained.network.state_dict()),
        data_note=trained.run.config.data_note if trained.run else "",
        sampling=sampling,
    )


def stride_of(settings: PredictSettings, sampling: SamplingSettings) -> int:
    """Frames at the sampling's rate from one window's start to the next, at least 1."""
    if settings.stride_s is None:
        return max(sampling.span_frames // STRIDES_A_WINDOW, 1)
    return max(round(settings.stride_s * sampling.target_fps), 1)


def _scores(
    trained: TrainedClassifier,
    clip: Clip,
    starts: list[int],
    *,
    batch_size: int,
    progress: Progress | None,
) -> np.ndarray:
    windows = [clip_indices(clip.num_frames, start, trained.sampling) for start in starts]
    scores: list[np.ndarray] = []
    with reading(clip) as read_frames:
        clips = sliding_clips(
            lambda index: evaluation_squares(read_frames([index])[0][None], trained.sampling)[0],
            windows,
        )
        for batch in batches(clips, batch_size):
            scores.extend(
                probabilities(
                    trained.network, batch, trained.sampling, multi_label=trained.multi_label
                )
            )
            if progress is not None:
                progress(len(scores), len(starts))
    return np.stack(scores)  # (N, K)


@dataclass(frozen=True)
class ClassPredictor:
    """A classifier that is asked about videos in one way."""

    trained: TrainedClassifier
    settings: PredictSettings = field(default_factory=PredictSettings)
    unit: str = "windows"
    """What progress counts."""

    def made_by(self) -> dict[str, Any]:
        """What must be the same in all predictions of a table, as in their files."""
        trained = self.trained
        sampling, multi_label = trained.sampling, trained.multi_label
        return {
            "task": "classify",
            "weights_sha256": weights_sha256(trained.network.state_dict()),
            "classes": list(trained.classes),
            "multi_label": multi_label,
            "thresholds": deciding_thresholds(
                trained.classes, trained.thresholds, multi_label=multi_label
            ),
            "sampling": sampling.model_dump(mode="json"),
            "stride_s": stride_of(self.settings, sampling) / sampling.target_fps,
        }

    def predict(self, video: Path | str, *, progress: Progress | None = None) -> ClassPrediction:
        """See ``predict_classes``."""
        return predict_classes(self.trained, video, self.settings, progress=progress)

    def save(
        self,
        found: ClassPrediction,
        out: Path,
        *,
        draw_video: bool,
        progress: Progress | None = None,
    ) -> None:
        """Write what was predicted over what is there."""
        found.save(out, overwrite=True, draw_video=draw_video, progress=progress)

    def row(self, found: Mapping[str, Any]) -> dict[str, str]:
        """What a table says of one video, from its ``prediction.json``."""
        return {
            "num_windows": str(len(found["windows"])),
            **{
                f"{name}:{label}": f"{value:.6f}"
                for name in ("mean", "highest", "answered_s")
                for label, value in found[name].items()
            },
        }
