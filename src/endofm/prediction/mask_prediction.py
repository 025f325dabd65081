"""Where a segmenter sees lesions in one video, and how it is written down.

Axes: N frames, H and W pixels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from endofm.data import rle
from endofm.data.video import VideoInfo
from endofm.engine.environment import describe_environment
from endofm.errors import DataError
from endofm.files import replacing
from endofm.prediction.mask_files import write_areas, write_pictures, write_run_lengths
from endofm.prediction.mask_overlay import Lesion, outline, write_mask_overlay
from endofm.prediction.saving import Progress, prepare, video_facts
from endofm.prediction.timeline import Span, spans_of
from endofm.report import write_prediction_page
from endofm.runfolder import write_json
from endofm.tasks.segment_config import FrameSettings

LESION = "lesion"
"""What the stretches are called in which one is seen."""

MaskFormat = Literal["png", "rle"]


@dataclass(frozen=True)
class LargestFrame:
    """The frame of a stretch in which the lesion is largest."""

    index: int
    frame: NDArray[np.uint8]  # (h, w, 3), at the size it is drawn at


@dataclass(frozen=True)
class MaskPrediction:
    """Where a segmenter sees lesions in one video; nothing is written until ``save``."""

    video: VideoInfo
    times_s: NDArray[np.float64]  # (N,): the start of each frame
    masks: tuple[NDArray[np.int32], ...]  # N, run lengths as from ``data.rle.encode``
    names: tuple[str, ...]  # N, of the frames' files, or their numbers
    confidence: NDArray[np.float64]  # (N,): highest probability of a lesion in the frame
    largest: tuple[LargestFrame, ...]
    """Of the longest stretches with a lesion, in order of time."""
    source: str
    """The run folder or weights that were asked."""
    weights_sha256: str
    frames: FrameSettings
    """How the frames were seen."""
    data_note: str = ""
    """What is said beside every number of the segmenter's run, such as 'synthetic'."""

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Where a frame shows a lesion, (H, W).

        Raises:
            DataError: There is no such frame.
        """
        if not 0 <= index < len(self.masks):
            raise DataError(f"no frame {index}", f"choose 0 to {len(self.masks) - 1}")
        return rle.decode(self.masks[index], (self.video.height, self.video.width))

    @cached_property
    def areas_px(self) -> NDArray[np.int64]:
        """Pixels of the lesion in each frame, (N,)."""
        return np.array([counts[1::2].sum() for counts in self.masks], np.int64)

    @property
    def areas(self) -> NDArray[np.float64]:
        """The lesion's share of each frame, (N,)."""
        return self.areas_px / (self.video.height * self.video.width)

    @property
    def mean_area(self) -> float:
        """Mean share over all frames, also those without a lesion."""
        return float(self.areas.mean())

    @property
    def lesion_share(self) -> float:
        """The share of the frames in which a lesion is seen."""
        return float((self.areas_px > 0).mean())

    @property
    def spans(self) -> tuple[Span, ...]:
        """When a lesion is seen without a break; ``highest`` is its largest share of a frame."""
        return tuple(spans_of(LESION, self.areas_px > 0, self.areas, self._borders_s))

    @property
    def longest_s(self) -> float:
        """The longest of these stretches; 0 if there is none."""
        return max((span.end_s - span.start_s for span in self.spans), default=0.0)

    @property
    def _borders_s(self) -> NDArray[np.float64]:
        """Where frames begin, and the last one ends: (N + 1,)."""
        return np.append(self.times_s, self.video.duration_s)

    def save(
        self,
        out: Path | str,
        *,
        overwrite: bool = False,
        draw_video: bool = True,
        masks: MaskFormat = "png",
        progress: Progress | None = None,
    ) -> Path:
        """Write the masks, their areas, JSON, the video with outlines, and a page to look at.

        Args:
            out: A folder; other files in it stay.
            overwrite: Take the place of an earlier prediction there.
            draw_video: Write the video, for which all of it is decoded once more.
            masks: ``png`` for a grey picture a frame of 0 and 255 in the folder ``masks``; ``rle``
                for one file of run lengths as COCO has them, ``masks.json``.
            progress: Called with the number of drawn frames and of all.

        Returns:
            The page.

        Raises:
            DataError: A prediction is there already, the folder ``masks`` is of something else,
                or what would be written over is the video.
            VideoError: The video cannot be read any more, or the new one not be written.
            OSError: The folder cannot be written.
        """
        folder = prepare(out, self.video.path, overwrite=overwrite, masks=masks == "png")
        write_areas(
            folder.areas,
            self.names,
            self.times_s,
            self.areas_px,
            num_px=self.video.height * self.video.width,
            confidence=self.confidence,
        )
        if masks == "png":
            write_pictures(folder.masks, self.names, map(self.mask, range(len(self.masks))))
        else:
            write_run_lengths(folder.run_lengths, self.masks, (self.video.height, self.video.width))
        with replacing(folder.telling) as draft:
            np.savez_compressed(draft, **self._arrays())
        if draw_video:
            lesion = Lesion(self.mask, self._middles_s, self.areas, self.video.duration_s)
            write_mask_overlay(folder.video, self.video, lesion, progress=progress)
        else:
            folder.video.unlink(missing_ok=True)
        write_json(folder.prediction, self._plain(masks))
        return write_prediction_page(folder.path)

    @property
    def _middles_s(self) -> NDArray[np.float64]:
        """The middle of each frame, (N,)."""
        return (self._borders_s[:-1] + self._borders_s[1:]) / 2

    def _arrays(self) -> dict[str, Any]:
        """What the page draws."""
        arrays: dict[str, Any] = {"times_s": self._middles_s, "areas": self.areas}
        for number, item in enumerate(self.largest):
            arrays[f"frame{number}"] = item.frame
            arrays[f"outlined{number}"] = outline(item.frame, self.mask(item.index))
        return arrays

    def _plain(self, masks: MaskFormat) -> dict[str, object]:
        """The prediction as JSON, but for what each frame shows."""
        areas, middles_s = self.areas, self._middles_s
        return {
            "task": "segment",
            **video_facts(self.video),
            "masks": masks,
            "mean_area": self.mean_area,
            "largest_area": float(areas.max()),
            "largest_s": float(middles_s[areas.argmax()]),
            "lesion_share": self.lesion_share,
            "longest_s": self.longest_s,
            "spans": [asdict(span) for span in self.spans],
            "largest": [
                {"time_s": float(middles_s[item.index]), "area": float(areas[item.index])}
                for item in self.largest
            ],
            "source": self.source,
            "weights_sha256": self.weights_sha256,
            "data_note": self.data_note,
            "frames": self.frames.model_dump(mode="json"),
            "environment": describe_environment(),
        }
