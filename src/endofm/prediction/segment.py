"""A segmenter passes over a video of any length: every frame gets a mask.

Axes: N frames, H and W pixels of the video, h and w those of the network's frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endofm.data import rle
from endofm.data.transforms import resize_short_side
from endofm.data.video import open_video
from endofm.engine.weights import weights_sha256
from endofm.prediction.drawing import drawn_size_hw
from endofm.prediction.frames import all_frames
from endofm.prediction.mask_files import mask_names
from endofm.prediction.mask_prediction import (
    LESION,
    LargestFrame,
    MaskFormat,
    MaskPrediction,
)
from endofm.prediction.saving import Progress
from endofm.prediction.timeline import spans_of
from endofm.tasks.segment_data import seen_pixels
from endofm.tasks.segment_scores import LESION_FROM, resize_probs
from endofm.tasks.segment_trained import TrainedSegmenter
from endofm.tasks.segment_windows import lesion_probs

NUM_LARGEST = 6
"""Of more stretches with a lesion, the longest are shown."""


def predict_masks(
    trained: TrainedSegmenter, video: Path | str, *, progress: Progress | None = None
) -> MaskPrediction:
    """Where a segmenter sees lesions in each frame of a video.

    Windows are as long as those that the segmenter is evaluated with, and overlap as they do. The
    video is read once, in order, but for the few frames to be shown. Of each frame only the run
    lengths of its mask stay, so that memory hardly grows with the video.

    Args:
        trained: What to ask, and how.
        video: A video file or a folder of frames.
        progress: Called with the number of finished frames and of all.

    Raises:
        VideoError: The video cannot be read.
        ConfigError: The frames' size does not suit the network.
    """
    with open_video(video) as reader:
        info, size_hw = reader.info, (reader.info.height, reader.info.width)
        masks: list[NDArray[np.int32]] = []
        confidence: list[float] = []
        pictures = (seen_pixels(frame, trained.frames) for frame in all_frames(reader))
        for coarse in lesion_probs(
            trained.network, pictures, num_frames=info.num_frames, settings=trained.frames
        ):
            probs = resize_probs(coarse, size_hw)  # (H, W)
            masks.append(rle.encode(probs > LESION_FROM))
            confidence.append(float(probs.max()))
            if progress is not None:
                progress(len(masks), info.num_frames)
        largest = tuple(
            LargestFrame(index, resize_short_side(frame[None], min(drawn_size_hw(info)))[0])
            for index in largest_frames(np.array([counts[1::2].sum() for counts in masks]))
            for frame in reader.frames([index])
        )
    return MaskPrediction(
        video=info,
        times_s=reader.times_s,
        masks=tuple(masks),
        names=mask_names(info.path, info.num_frames),
        confidence=np.array(confidence),
        largest=largest,
        source=trained.source,
        weights_sha256=weights_sha256(trained.network.state_dict()),
        frames=trained.frames,
        data_note=trained.run.config.data_note if trained.run else "",
    )


def largest_frames(areas_px: NDArray[np.int64]) -> list[int]:
    """Where the lesion is largest in each of the longest stretches, from areas (N,), rising."""
    places = np.arange(len(areas_px) + 1, dtype=np.float64)
    spans = sorted(
        spans_of(LESION, areas_px > 0, areas_px, places),
        key=lambda span: (span.start_s - span.end_s, span.start_s),
    )
    stretches = sorted((int(span.start_s), int(span.end_s)) for span in spans[:NUM_LARGEST])
    return [start + int(areas_px[start:stop].argmax()) for start, stop in stretches]


@dataclass(frozen=True)
class MaskPredictor:
    """A segmenter that is asked about videos in one way."""

    trained: TrainedSegmenter
    masks: MaskFormat = "png"
    """How masks are written."""
    unit: str = "frames"
    """What progress counts."""

    def made_by(self) -> dict[str, Any]:
        """What must be the same in all predictions of a table, as in their files."""
        return {
            "task": "segment",
            "weights_sha256": weights_sha256(self.trained.network.state_dict()),
            "frames": self.trained.frames.model_dump(mode="json"),
            "masks": self.masks,
        }

    def predict(self, video: Path | str, *, progress: Progress | None = None) -> MaskPrediction:
        """See ``predict_masks``."""
        return predict_masks(self.trained, video, progress=progress)

    def save(
        self,
        found: MaskPrediction,
        out: Path,
        *,
        draw_video: bool,
        progress: Progress | None = None,
    ) -> None:
        """Write what was predicted over what is there."""
        found.save(out, overwrite=True, draw_video=draw_video, masks=self.masks, progress=progress)

    def row(self, found: Mapping[str, Any]) -> dict[str, str]:
        """What a table says of one video, from its ``prediction.json``."""
        measured = ("mean_area", "largest_area", "lesion_share", "longest_s")
        return {
            "num_frames": str(found["num_frames"]),
            **{name: f"{found[name]:.6f}" for name in measured},
        }
