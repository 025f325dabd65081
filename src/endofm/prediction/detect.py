"""A detector passes over a video of any length: every frame gets its boxes.

Axes: N frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from endofm.boxes import Detections
from endofm.data.transforms import resize_short_side
from endofm.data.video import open_video
from endofm.engine.weights import weights_sha256
from endofm.prediction.box_prediction import BoxPrediction, Sighting, places_of_tracks, surest
from endofm.prediction.drawing import drawn_size_hw
from endofm.prediction.frames import all_frames
from endofm.prediction.saving import Progress
from endofm.prediction.tracks import track
from endofm.tasks.detect_config import ReferenceSettings
from endofm.tasks.detect_stream import DetectionStream, detect_all
from endofm.tasks.detect_trained import TrainedDetector

MAX_SIGHTINGS = 12
"""Of more tracks or stretches, the first are shown."""


def predict_boxes(
    trained: TrainedDetector,
    video: Path | str,
    *,
    references: ReferenceSettings,
    threshold: float,
    with_tracks: bool = False,
    progress: Progress | None = None,
) -> BoxPrediction:
    """What a detector finds in each frame of a video.

    The video is read once, in order, but for the few frames to be shown; features of a bounded
    window of frames are held.

    Args:
        trained: What to ask, and how.
        video: A video file or a folder of frames.
        references: Which frames help with one.
        threshold: Score from which a box counts as found.
        with_tracks: Tell which boxes are of one lesion.
        progress: Called with the number of finished frames and of all.

    Raises:
        VideoError: The video cannot be read.
        DataError: Its frames differ in size.
        ConfigError: Tracks need a package that is missing.
    """
    stream = DetectionStream(trained.network, frames=trained.frames, references=references)
    with open_video(video) as reader:
        info = reader.info
        found: list[Detections] = []
        if with_tracks:  # what is missing shows before the work
            track([], fps=info.fps, threshold=threshold)
        for one in detect_all(stream, all_frames(reader)):
            found.append(one)
            if progress is not None:
                progress(len(found), info.num_frames)
        frames = tuple(found)
        tracks = track(frames, fps=info.fps, threshold=threshold) if with_tracks else None
        scores = surest(frames, num_classes=len(trained.classes))
        if tracks is None:
            first = first_sightings(scores.max(1) >= threshold)
        else:
            first = sorted({at[0][0] for at in places_of_tracks(frames, tracks).values()})
        sightings = tuple(
            Sighting(
                index,
                trained.classes[int(scores[index].argmax())],
                resize_short_side(frame[None], min(drawn_size_hw(info)))[0],
            )
            for index in first[:MAX_SIGHTINGS]
            for frame in reader.frames([index])
        )
    return BoxPrediction(
        video=info,
        times_s=reader.times_s,
        detections=frames,
        tracks=tracks,
        sightings=sightings,
        classes=trained.classes,
        threshold=threshold,
        source=trained.source,
        weights_sha256=weights_sha256(trained.network.state_dict()),
        frames=trained.frames,
        references=references,
        data_note=trained.run.config.data_note if trained.run else "",
    )


def first_sightings(found: np.ndarray) -> list[int]:
    """Where stretches with a box begin, from (N,) bool."""
    return np.flatnonzero(np.diff(np.concatenate([[0], found.astype(int)])) > 0).tolist()


@dataclass(frozen=True)
class BoxPredictor:
    """A detector that is asked about videos in one way."""

    trained: TrainedDetector
    references: ReferenceSettings
    threshold: float
    with_tracks: bool = False
    unit: str = "frames"
    """What progress counts."""

    def made_by(self) -> dict[str, Any]:
        """What must be the same in all predictions of a table, as in their files."""
        return {
            "task": "detect",
            "weights_sha256": weights_sha256(self.trained.network.state_dict()),
            "frames": self.trained.frames.model_dump(mode="json"),
            "references": self.references.model_dump(mode="json"),
            "threshold": self.threshold,
            "tracked": self.with_tracks,
        }

    def predict(self, video: Path | str, *, progress: Progress | None = None) -> BoxPrediction:
        """See ``predict_boxes``."""
        return predict_boxes(
            self.trained,
            video,
            references=self.references,
            threshold=self.threshold,
            with_tracks=self.with_tracks,
            progress=progress,
        )

    def save(
        self,
        found: BoxPrediction,
        out: Path,
        *,
        draw_video: bool,
        progress: Progress | None = None,
    ) -> None:
        """Write what was predicted over what is there."""
        found.save(out, overwrite=True, draw_video=draw_video, progress=progress)

    def row(self, found: Mapping[str, Any]) -> dict[str, str]:
        """What a table says of one video, from its ``prediction.json``."""
        spans: Sequence[Any] = found["spans"]
        return {
            "num_frames": str(found["num_frames"]),
            "num_boxes": str(found["num_boxes"]),
            "found_share": f"{found['found_share']:.6f}",
            "num_tracks" if found["tracked"] else "num_stretches": str(len(spans)),
        }
