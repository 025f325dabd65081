"""What the evaluation of a segmenter has written of a split, as the tables of a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endofm.errors import RunError
from endofm.report.scores import ScoreRow, read_score

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
NO_SHARES = ("hd95_px", "surface_distance_px", "s_measure", "e_measure")
LEVELS = {
    "frames": ("Frames with a lesion", "Each frame counts the same; n is frames."),
    "sequences": ("Sequences", "Means over frames first, then over sequences; n is sequences."),
    "pooled": (
        "All pixels pooled",
        "The pixels of all lesion frames together, so that large lesions count for more.",
    ),
    "detection": ("Detection", "Frames with a lesion where nothing at all is marked."),
    "lesion_free": ("Lesion-free frames", "They have no Dice: the less is marked, the better."),
}
ORIGINAL = (
    "The paper's protocol",
    "A sequence as one volume at the network's size; its rules for empty masks flatter.",
)
TILES = {
    ("frames", "dice"): "Dice per frame",
    ("frames", "iou"): "IoU per frame",
    ("frames", "hd95_px"): "HD95 per frame",
    ("detection", "missed"): "Missed lesions",
}


@dataclass(frozen=True)
class Level:
    """The scores that count the same things."""

    title: str
    explanation: str
    rows: tuple[ScoreRow, ...]


@dataclass(frozen=True)
class SegmentResults:
    """The numbers of one evaluation."""

    name: str
    num_frames: int
    num_sequences: int
    num_groups: int
    data_note: str
    source: str
    """The weights that were scored."""
    selected: bool
    """Were the best weights chosen on these very sequences?"""
    notes: tuple[str, ...]
    tiles: tuple[ScoreRow, ...]
    """The scores that a reader asks for first."""
    levels: tuple[Level, ...]


def read_segment_results(path: Path) -> SegmentResults:
    """Read one ``results-*.json`` of a segmenter.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        name = path.stem.removeprefix("results-")
        scores, original = found["scores"], found["original_scores"]
        levels = [_level(*LEVELS[level], scores[level]) for level in LEVELS]
        return SegmentResults(
            name=name,
            num_frames=int(found["num_frames"]),
            num_sequences=int(found["num_sequences"]),
            num_groups=int(found["num_groups"]),
            data_note=str(found["data_note"]),
            source=str(found["source"]),
            selected=_is_selected(name, found),
            notes=tuple(map(str, found["notes"])),
            tiles=tuple(
                _row(metric, scores[level][metric], title)
                for (level, metric), title in TILES.items()
            ),
            levels=(*levels, *([_level(*ORIGINAL, original)] if original else [])),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: damaged ({error})", "run endofm evaluate again") from None


def _is_selected(name: str, found: Mapping[str, Any]) -> bool:
    """Another data set than the run's own, whose name follows the split's, has chosen nothing."""
    return name == found["split"] and (name == "val" or bool(found["selected_on_reported"]))


def _level(title: str, explanation: str, scores: Mapping[str, Any]) -> Level:
    rows = (_row(metric, score, METRIC_NAMES.get(metric)) for metric, score in scores.items())
    return Level(title, explanation, tuple(rows))


def _row(metric: str, score: Mapping[str, Any], title: str | None) -> ScoreRow:
    return ScoreRow(
        name=title or metric,
        result=read_score(score),
        share=metric not in NO_SHARES,
        unit="px" if metric.endswith("_px") else "",
    )
