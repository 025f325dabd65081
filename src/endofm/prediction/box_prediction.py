"""What a detector finds in one video, and how it is written down.

Axes: N frames, K classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endofm.boxes import Detections
from endofm.data.video import VideoInfo
from endofm.engine.environment import describe_environment
from endofm.files import replacing
from endofm.prediction.box_files import write_boxes, write_coco
from endofm.prediction.box_overlay import Found, draw_boxes, write_box_overlay
from endofm.prediction.saving import Progress, prepare, video_facts
from endofm.prediction.timeline import Span, spans_of
from endofm.prediction.tracks import NO_TRACK
from endofm.report import write_prediction_page
from endofm.runfolder import write_json
from endofm.tasks.detect_config import FrameSettings, ReferenceSettings


@dataclass(frozen=True)
class Sighting:
    """The first frame of a stretch or of a track."""

    index: int
    label: str
    frame: NDArray[np.uint8]  # (h, w, 3), at the size it is drawn at


@dataclass(frozen=True)
class BoxPrediction:
    """What a detector finds in one video; nothing is written until ``save``."""

    video: VideoInfo
    times_s: NDArray[np.float64]  # (N,): the start of each frame
    detections: tuple[Detections, ...]
    """Of each frame all boxes, also those below the threshold; px of the video."""
    tracks: tuple[NDArray[np.int64], ...] | None
    """Of each frame's boxes, if they were asked for; ``NO_TRACK`` where a box has none."""
    sightings: tuple[Sighting, ...]
    """Of the first stretches, or tracks, in order of time."""
    classes: tuple[str, ...]
    """Names of the labels 1, 2, ... ."""
    threshold: float
    """Score from which a box counts as found."""
    source: str
    """The run folder or weights that were asked."""
    weights_sha256: str
    frames: FrameSettings
    """How the frames were seen."""
    references: ReferenceSettings
    """Which frames helped with one."""
    data_note: str = ""
    """What is said beside every number of the detector's run, such as 'synthetic'."""

    def found(self, index: int) -> Detections:
        """The boxes of a frame that count."""
        return self._shown(index)[0]

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The surest box of each class in each frame, (N, K); 0 without one."""
        return surest(self.detections, num_classes=len(self.classes))

    @property
    def found_share(self) -> float:
        """The share of the frames in which a lesion is found."""
        return float((self.scores.max(1) >= self.threshold).mean())

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """When a lesion is found without a break, by class; or of each track from first to last."""
        return tuple(span for span, _ in self.numbered_spans)

    @cached_property
    def numbered_spans(self) -> list[tuple[Span, int]]:
        """The spans with their track, or ``NO_TRACK``, in order of time."""
        borders_s = np.append(self.times_s, self.video.duration_s)
        if self.tracks is not None:
            return [
                (self._span_of(places, number, borders_s), number)
                for number, places in places_of_tracks(self.detections, self.tracks).items()
            ]
        spans = [
            (span, NO_TRACK)
            for k, label in enumerate(self.classes)
            for span in spans_of(
                label, self.scores[:, k] >= self.threshold, self.scores[:, k], borders_s
            )
        ]
        return sorted(spans, key=lambda item: (item[0].start_s, item[0].label))

    def save(
        self,
        out: Path | str,
        *,
        overwrite: bool = False,
        draw_video: bool = True,
        progress: Progress | None = None,
    ) -> Path:
        """Write the boxes as a table and as COCO JSON, the video with boxes, and a page.

        Args:
            out: A folder; other files in it stay.
            overwrite: Take the place of an earlier prediction there.
            draw_video: Write the video, for which all of it is decoded once more.
            progress: Called with the number of drawn frames and of all.

        Returns:
            The page.

        Raises:
            DataError: A prediction is there already, or what would be written over is the video.
            VideoError: The video cannot be read any more, or the new one not be written.
            OSError: The folder cannot be written.
        """
        folder = prepare(out, self.video.path, overwrite=overwrite)
        write_boxes(
            folder.boxes,
            self.detections,
            times_s=self.times_s,
            classes=self.classes,
            tracks=self.tracks,
        )
        write_coco(
            folder.coco, self.detections, self.video, classes=self.classes, tracks=self.tracks
        )
        with replacing(folder.telling) as draft:
            np.savez_compressed(draft, **self._arrays())
        if draw_video:
            found = Found(
                boxes=self._shown,
                classes=self.classes,
                times_s=self._middles_s,
                scores=self.scores,
                duration_s=self.video.duration_s,
                frame_hw=self._frame_hw,
            )
            write_box_overlay(folder.video, self.video, found, progress=progress)
        else:
            folder.video.unlink(missing_ok=True)
        write_json(folder.prediction, self._plain())
        return write_prediction_page(folder.path)

    @property
    def _frame_hw(self) -> tuple[int, int]:
        return self.video.height, self.video.width

    @property
    def _middles_s(self) -> NDArray[np.float64]:
        """The middle of each frame, (N,)."""
        borders_s = np.append(self.times_s, self.video.duration_s)
        return (borders_s[:-1] + borders_s[1:]) / 2

    def _shown(self, index: int) -> tuple[Detections, NDArray[np.int64]]:
        """The boxes of a frame that count, and their tracks."""
        everything = self.detections[index]
        counts = everything.scores >= self.threshold
        tracks = self.tracks[index] if self.tracks else np.full(len(everything), NO_TRACK)
        return everything.chosen(counts), tracks[counts.numpy()]

    def _span_of(
        self, places: list[tuple[int, int]], number: int, borders_s: NDArray[np.float64]
    ) -> Span:
        """A track from its first frame to its last one, by its surest box."""
        best = max(places, key=lambda at: float(self.detections[at[0]].scores[at[1]]))
        found = self.detections[best[0]]
        return Span(
            label=f"#{number} {self.classes[int(found.labels[best[1]]) - 1]}",
            start_s=float(borders_s[places[0][0]]),
            end_s=float(borders_s[places[-1][0] + 1]),
            highest=float(found.scores[best[1]]),
        )

    def _arrays(self) -> dict[str, Any]:
        """What the page draws."""
        arrays: dict[str, Any] = {"times_s": self._middles_s, "scores": self.scores}
        for number, item in enumerate(self.sightings):
            boxes, tracks = self._shown(item.index)
            arrays[f"frame{number}"] = item.frame
            arrays[f"boxed{number}"] = draw_boxes(
                item.frame, boxes, tracks, classes=self.classes, frame_hw=self._frame_hw
            )
        return arrays

    def _plain(self) -> dict[str, object]:
        """The prediction as JSON, but for what each frame shows."""
        middles_s = self._middles_s
        return {
            "task": "detect",
            **video_facts(self.video),
            "classes": list(self.classes),
            "threshold": self.threshold,
            "tracked": self.tracks is not None,
            "num_boxes": sum(len(self.found(index)) for index in range(len(self.detections))),
            "found_share": self.found_share,
            "spans": [asdict(span) for span in self.spans],
            "sightings": [
                {
                    "label": item.label,
                    "time_s": float(middles_s[item.index]),
                    "score": float(self.scores[item.index].max()),
                }
                for item in self.sightings
            ],
            "source": self.source,
            "weights_sha256": self.weights_sha256,
            "data_note": self.data_note,
            "frames": self.frames.model_dump(mode="json"),
            "references": self.references.model_dump(mode="json"),
            "environment": describe_environment(),
        }


def surest(frames: tuple[Detections, ...], *, num_classes: int) -> NDArray[np.float64]:
    """The highest score of each class in each of N frames, (N, K); 0 without a box."""
    scores = np.zeros((len(frames), num_classes))
    for row, found in zip(scores, frames, strict=True):
        np.maximum.at(row, found.labels.numpy() - 1, found.scores.numpy())
    return scores


def places_of_tracks(
    frames: tuple[Detections, ...], tracks: tuple[NDArray[np.int64], ...]
) -> dict[int, list[tuple[int, int]]]:
    """Of each track, in the order of their start, its frames and its box in each of them."""
    places: dict[int, list[tuple[int, int]]] = {}
    for index, (found, numbers) in enumerate(zip(frames, tracks, strict=True)):
        assert len(found) == len(numbers), "a track or none for each box"
        for box, number in enumerate(numbers.tolist()):
            if number != NO_TRACK:
                places.setdefault(number, []).append((index, box))
    return places
