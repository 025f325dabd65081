"""What the evaluation of a classifier has written of a split, as rows and pictures of a page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from endofm.errors import RunError
from endofm.report.charts import COLOURS
from endofm.report.plots import SquareCurve, draw_square
from endofm.report.scores import ScoreRow, read_score

METRIC_NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ece": "Calibration error (ECE)",
    "brier": "Brier score",
}
TILES = ("auroc", "f1", "accuracy")


@dataclass(frozen=True)
class Picture:
    """A drawing, its title, and what the colours stand for."""

    title: str
    caption: str
    picture: str  # data URI
    legend: tuple[tuple[str, str], ...]  # colour, label


@dataclass(frozen=True)
class Cell:
    """A number of a confusion matrix and its share of the row."""

    num: int
    share: float


@dataclass(frozen=True)
class Confusion:
    """How often which answer was given to which truth."""

    title: str
    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class SplitResults:
    """All that the page says of one evaluation."""

    task: ClassVar[str] = "classify"
    name: str
    num_videos: int
    num_groups: int
    data_note: str
    source: str
    """The weights that were scored."""
    thresholds_chosen: bool
    """Did a validation choose the thresholds?"""
    selected: bool
    """Were the best weights and the thresholds chosen on these very videos?"""
    notes: tuple[str, ...]
    scores: tuple[ScoreRow, ...]
    pictures: tuple[Picture, ...]
    confusions: tuple[Confusion, ...]

    def tiles(self) -> list[ScoreRow]:
        """The scores that a reader asks for first."""
        wanted = [METRIC_NAMES[metric] for metric in TILES]
        return [row for name in wanted for row in self.scores if row.name == name]


def read_results(path: Path) -> SplitResults:
    """Read one ``results-*.json``.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        name = path.stem.removeprefix("results-")
        classes = [str(label) for label in found["classes"]]
        return SplitResults(
            name=name,
            num_videos=int(found["num_videos"]),
            num_groups=int(found["num_groups"]),
            data_note=str(found["data_note"]),
            source=str(found["source"]),
            thresholds_chosen=bool(found["thresholds_from"]),
            selected=name == found["thresholds_from"] or bool(found["selected_on_reported"]),
            notes=tuple(map(str, found["notes"])),
            scores=tuple(_row(name, score) for name, score in found["scores"].items()),
            pictures=tuple(_pictures(found["curves"])),
            confusions=_confusions(found["confusion"], classes, several=found["multi_label"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: damaged ({error})", "run endofm evaluate again") from None


def _row(name: str, score: Mapping[str, Any]) -> ScoreRow:
    metric, _, label = name.partition("/")
    known = METRIC_NAMES.get(metric, metric)
    return ScoreRow(
        f"{known}: {label}" if label else known, read_score(score), share=metric != "brier"
    )


def _pictures(curves: Mapping[str, Any]) -> list[Picture]:
    legend = tuple(
        (COLOURS[place % len(COLOURS)], str(label)) for place, label in enumerate(curves["classes"])
    )
    colours = [colour for colour, _ in legend]

    def drawn(kind: str, x: str, y: str) -> list[SquareCurve]:
        pairs = zip(colours, curves["classes"].values(), strict=True)
        return [SquareCurve(c, _array(of[kind][x]), _array(of[kind][y])) for c, of in pairs]

    reliability = curves["reliability"]
    steady = SquareCurve(
        COLOURS[0], _array(reliability["confidence"]), _array(reliability["accuracy"]), marked=True
    )
    return [
        Picture(
            "ROC",
            "Dashed: guessing.",
            draw_square(
                drawn("roc", "false_positive_rate", "sensitivity"),
                x_label="1 - specificity",
                y_label="sensitivity",
                diagonal=True,
            ),
            legend,
        ),
        Picture(
            "Precision and recall",
            "",
            draw_square(
                drawn("precision_recall", "recall", "precision"),
                x_label="recall",
                y_label="precision",
            ),
            legend,
        ),
        Picture(
            "Reliability",
            "Dashed: as often right as sure. Fifteen bins of equal width.",
            draw_square(
                [steady], x_label="probability given", y_label="share right", diagonal=True
            ),
            (),
        ),
    ]


def _array(values: Sequence[float | None]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def _confusions(matrix: Any, classes: Sequence[str], *, several: bool) -> tuple[Confusion, ...]:
    if not several:
        return (_confusion("Confusion matrix", classes, matrix),)
    return tuple(
        _confusion(f"Confusion: {label}", ("no", "yes"), each)
        for label, each in zip(classes, matrix, strict=True)
    )


def _confusion(title: str, names: Sequence[str], matrix: Sequence[Sequence[int]]) -> Confusion:
    rows = tuple(
        tuple(Cell(int(num), num / max(sum(row), 1)) for num in row)
        for _, row in zip(names, matrix, strict=True)
    )
    return Confusion(title, tuple(names), rows)
