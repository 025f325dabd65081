"""What a classifier says of one video over time, and how it is written down.

Axes: N windows, K classes.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from endofm.data.video import VideoInfo
from endofm.engine.environment import describe_environment
from endofm.files import replacing
from endofm.metrics.predictions import decide, questions
from endofm.prediction.overlay import Scores, write_overlay
from endofm.prediction.saving import Progress, prepare, video_facts
from endofm.prediction.telling import TellingFrame
from endofm.prediction.timeline import Span, borders_between, spans_of
from endofm.report import write_prediction_page
from endofm.runfolder import write_json
from endofm.tasks.classify_config import SamplingSettings


@dataclass(frozen=True)
class ClassPrediction:
    """What a classifier says of one video; nothing is written until ``save``."""

    video: VideoInfo
    classes: tuple[str, ...]
    multi_label: bool
    starts_s: np.ndarray  # (N,) float64: the first frame of each window
    ends_s: np.ndarray  # (N,) float64: the end of its last frame
    stride_s: float
    """From one window's start to the next; only the last may follow sooner."""
    scores: np.ndarray  # (N, K) float64 probabilities
    thresholds: np.ndarray  # (K,)
    thresholds_from: str
    """The split that they were chosen on; empty if nothing chose them."""
    telling: tuple[TellingFrame, ...]
    source: str
    """The run folder or weights that were asked."""
    weights_sha256: str
    sampling: SamplingSettings
    """How the windows' frames were taken."""
    data_note: str = ""
    """What is said beside every number of the classifier's run, such as 'synthetic'."""

    @property
    def times_s(self) -> np.ndarray:
        """The middle of each window, (N,)."""
        return (self.starts_s + self.ends_s) / 2

    @property
    def answers(self) -> np.ndarray:
        """The classes that are answered in each window, (N, K) bool."""
        return decide(self.scores, thresholds=self.thresholds, multi_label=self.multi_label)

    @property
    def asked(self) -> tuple[str, ...]:
        """The classes that are asked for: all, or of two alternatives the second."""
        return self.classes[questions(len(self.classes), multi_label=self.multi_label)]

    @property
    def mean_scores(self) -> dict[str, float]:
        """Each class's mean over the windows."""
        return dict(zip(self.classes, self.scores.mean(0).tolist(), strict=True))

    @property
    def highest_scores(self) -> dict[str, float]:
        """Each class's highest score in any window."""
        return dict(zip(self.classes, self.scores.max(0).tolist(), strict=True))

    @property
    def answered_s(self) -> dict[str, float]:
        """For how long each class that is asked for is answered."""
        seconds = dict.fromkeys(self.asked, 0.0)
        for span in self.spans:
            seconds[span.label] += span.end_s - span.start_s
        return seconds

    @property
    def spans(self) -> tuple[Span, ...]:
        """When each class that is asked for is answered, by the window nearest to each moment."""
        borders_s = borders_between(self.times_s, self.video.duration_s)
        return tuple(
            span
            for k, label in enumerate(self.classes)
            if label in self.asked
            for span in spans_of(label, self.answers[:, k], self.scores[:, k], borders_s)
        )

    @property
    def deciding_thresholds(self) -> dict[str, float]:
        """Of the classes whose answers depend on one."""
        return deciding_thresholds(self.classes, self.thresholds, multi_label=self.multi_label)

    def _drawable(self) -> Scores:
        return Scores(
            classes=self.classes,
            asked=self.asked,
            times_s=self.times_s,
            values=self.scores,
            answers=self.answers,
            thresholds=self.deciding_thresholds,
            duration_s=self.video.duration_s,
        )

    def save(
        self,
        out: Path | str,
        *,
        overwrite: bool = False,
        draw_video: bool = True,
        progress: Progress | None = None,
    ) -> Path:
        """Write a table, JSON, the video with the scores drawn, and a page to look at.

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
        _write_table(folder.scores, self)
        arrays: dict[str, Any] = {}
        for number, item in enumerate(self.telling):
            arrays |= {f"frame{number}": item.frame, f"attention{number}": item.attention}
        with replacing(folder.telling) as draft:
            np.savez_compressed(draft, **arrays)
        if draw_video:
            write_overlay(folder.video, self.video, self._drawable(), progress=progress)
        else:
            folder.video.unlink(missing_ok=True)
        write_json(folder.prediction, _plain(self))
        return write_prediction_page(folder.path)


def deciding_thresholds(
    classes: Sequence[str], thresholds: np.ndarray, *, multi_label: bool
) -> dict[str, float]:
    """Of the classes that are asked for; none where the most probable class is answered."""
    if len(classes) > 2 and not multi_label:
        return {}
    asked = questions(len(classes), multi_label=multi_label)
    return dict(zip(classes[asked], thresholds[asked].tolist(), strict=True))


def _write_table(path: Path, found: ClassPrediction) -> None:
    answered = [
        ";".join(label for label, yes in zip(found.classes, row, strict=True) if yes)
        for row in found.answers
    ]
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["start_s", "end_s", "time_s", *found.classes, "answer"])
        for start, end, time, scores, answer in zip(
            found.starts_s, found.ends_s, found.times_s, found.scores, answered, strict=True
        ):
            shown = [f"{score:.6f}" for score in scores]
            rows.writerow([*(f"{at:.3f}" for at in (start, end, time)), *shown, answer])


def _plain(found: ClassPrediction) -> dict[str, object]:
    """The prediction as JSON."""
    return {
        "task": "classify",
        **video_facts(found.video),
        "classes": list(found.classes),
        "asked": list(found.asked),
        "multi_label": found.multi_label,
        "thresholds": found.deciding_thresholds,
        "thresholds_from": found.thresholds_from,
        "mean": found.mean_scores,
        "highest": found.highest_scores,
        "answered_s": found.answered_s,
        "stride_s": found.stride_s,
        "windows": [
            {"start_s": start, "end_s": end, "time_s": time, "scores": scores}
            for start, end, time, scores in zip(
                found.starts_s.tolist(),
                found.ends_s.tolist(),
                found.times_s.tolist(),
                found.scores.tolist(),
                strict=True,
            )
        ],
        "spans": [asdict(span) for span in found.spans],
        "telling": [
            {"label": item.label, "score": item.score, "time_s": item.time_s}
            for item in found.telling
        ],
        "source": found.source,
        "weights_sha256": found.weights_sha256,
        "data_note": found.data_note,
        "sampling": found.sampling.model_dump(mode="json"),
        "environment": describe_environment(),
    }
