"""What the evaluation of a segmenter has written of a split, as the tables of a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from endofm.report.frame_results import FrameResults, Words, frame_results, read_with

METRIC_NAMES = {
    "dice": "Dice",
    "iou": "IoU",
    "sensitivity": "Sensitivity",
    "precision": "Precision",
    "hd95_px": "HD95",
    "surface_distance_px": "Mean surface distance",
    "s_measure": "S-measure",
    "e_measure": "E-measure",
    "missed": "Missed lesions",
    "correct": "Nothing marked, as is right",
    "false_positive_px_share": "Area marked by mistake",
}
WORDS = Words(
    metric=lambda metric: METRIC_NAMES.get(metric, metric),
    units={"hd95_px": "px", "surface_distance_px": "px", "s_measure": "", "e_measure": ""},
    levels={
        "frames": ("Frames with a lesion", "Each frame counts the same; n is frames."),
        "sequences": (
            "Sequences",
            "Means over frames first, then over sequences; n is sequences.",
        ),
        "pooled": (
            "All pixels pooled",
            "The pixels of all lesion frames together, so that large lesions count for more.",
        ),
        "detection": ("Detection", "Frames with a lesion where nothing at all is marked."),
        "lesion_free": (
            "Lesion-free frames",
            "They have no Dice: the less is marked, the better.",
        ),
    },
    tiles={
        ("frames", "dice"): "Dice per frame",
        ("frames", "iou"): "IoU per frame",
        ("frames", "hd95_px"): "HD95 per frame",
        ("detection", "missed"): "Missed lesions",
    },
)
ORIGINAL = (
    "The paper's protocol",
    "A sequence as one volume at the network's size; its rules for empty masks flatter.",
)


def read_segment_results(path: Path) -> FrameResults:
    """Read one ``results-*.json`` of a segmenter.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    return read_with(path, _understood)


def _understood(name: str, found: Mapping[str, Any]) -> FrameResults:
    original = found["original_scores"]
    level = WORDS.level(*ORIGINAL, original) if original else None
    return frame_results(name, found, WORDS, original=level)
