"""What the evaluation of a detector has written of a split, as the tables of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from endofm.report.charts import COLOURS
from endofm.report.frame_results import FrameResults, Level, Words, frame_results, read_with
from endofm.report.plots import SquareCurve, draw_square

METRIC_NAMES = {
    "ap": "AP, mean of IoU 0.5 to 0.95",
    "ap50": "AP at IoU 0.5",
    "ap75": "AP at IoU 0.75",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "f2": "F2",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "false_boxes_per_frame": "Boxes a frame that touch no lesion",
    "mean_sensitivity": "Mean of these",
    "found_share_of_frames": "Share of its frames in which a lesion is found",
    "delay_frames": "Delay of the first hit",
    "delay_s": "Delay of the first hit, in time",
    "false_alerts_per_minute": "False alerts a minute",
    "original_frame_precision": "Precision",
    "original_frame_recall": "Recall",
    "original_frame_accuracy": "Accuracy",
    "original_frame_specificity": "Specificity",
    "original_frame_f1": "F1",
    "original_frame_f2": "F2",
}
CLASS_AP = "ap50_"
AT_RATE = "sensitivity_at_"
MOST_FALSE_PER_FRAME = 4.0


def metric_name(metric: str) -> str:
    """A metric in words; an unknown one keeps its name."""
    if metric.startswith(CLASS_AP):
        return f"AP at IoU 0.5: {metric.removeprefix(CLASS_AP)}"
    if metric.startswith(AT_RATE):
        return f"Sensitivity at {metric.removeprefix(AT_RATE)} false boxes a frame"
    return METRIC_NAMES.get(metric, metric)


WORDS = Words(
    metric=metric_name,
    units={
        "false_boxes_per_frame": "",
        "false_alerts_per_minute": "",
        "delay_frames": "frames",
        "delay_s": "s",
    },
    levels={
        "ranking": ("Ranking", "Average precision as COCO counts it, over all thresholds."),
        "boxes": (
            "Boxes",
            "A box finds a lesion of its class that it overlaps by an IoU of 0.5; others are "
            "false, a second one on a lesion too.",
        ),
        "centres": (
            "Centres",
            "A box finds a lesion of its class in which its centre lies; a second one on it does "
            "not count.",
        ),
        "frames": ("Frames", "A frame with a lesion is found if any box touches any lesion."),
        "froc": ("Free response", "Lesions found, at an IoU of 0.5, for a rate of false boxes."),
        "lesions": (
            "Lesions over time",
            "A lesion is found if a box touches it in any frame; neighbouring frames with a "
            "false box are one alert. n is lesions, or videos.",
        ),
    },
    tiles={
        ("ranking", "ap50"): "AP at IoU 0.5",
        ("boxes", "f1"): "F1 of boxes",
        ("lesions", "sensitivity"): "Lesions found",
        ("frames", "false_boxes_per_frame"): "Boxes a frame on no lesion",
    },
)
ORIGINAL = (
    "The paper's frame-level score",
    "Any box with a score of 0.5 makes a frame positive, wherever it lies: to compare with "
    "published numbers, and with nothing else.",
)


@dataclass(frozen=True)
class DetectResults(FrameResults):
    """The numbers of one evaluation of a detector."""

    num_boxes: int
    """Of the truth."""
    threshold: float
    """The score from which a box counts."""
    threshold_chosen: bool
    """Did a validation choose it?"""
    froc: str
    """Sensitivity over false boxes a frame, a data URI."""


def read_detect_results(path: Path) -> DetectResults:
    """Read one ``results-*.json`` of a detector.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    return read_with(path, _understood)


def _understood(name: str, found: Mapping[str, Any]) -> DetectResults:
    common = frame_results(name, found, WORDS, original=_original(found))
    return DetectResults(
        **vars(common),
        num_boxes=int(found["num_boxes"]),
        threshold=float(found["threshold"]),
        threshold_chosen=bool(found["threshold_from"]),
        froc=_froc(found["froc"]),
    )


def _original(found: Mapping[str, Any]) -> Level:
    """The original writes percentages, without intervals."""
    n = {"n": found["num_frames"], "num_groups": found["num_groups"]}
    scores = {
        metric: {"value": float(value) / 100, "low": None, "high": None, **n}
        for metric, value in found["original_scores"].items()
    }
    return WORDS.level(*ORIGINAL, scores)


def _froc(points: Mapping[str, Any]) -> str:
    """Up to ``MOST_FALSE_PER_FRAME``; the curve goes on level where there are no more boxes."""
    false, found = (np.array(points[key], float) for key in ("false_per_frame", "sensitivity"))
    if false.ndim != 1 or false.shape != found.shape or not len(false):
        raise ValueError(f"{false.shape} and {found.shape} points of a curve")
    shown = false <= MOST_FALSE_PER_FRAME
    curve = SquareCurve(COLOURS[0], false[shown], found[shown])
    return draw_square(
        [curve],
        x_label="False boxes a frame",
        y_label="Lesions found",
        x_to=max(float(false[shown].max()), 1.0),
    )
