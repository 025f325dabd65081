"""What an evaluation on frames of videos has written of a split, as the tables of a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from endofm.errors import RunError
from endofm.report.scores import ScoreRow, read_score

Results = TypeVar("Results")


@dataclass(frozen=True)
class Words:
    """How a task speaks of its scores; the keys are those of ``results-*.json``."""

    metric: Callable[[str], str]
    """The name of a metric."""
    units: Mapping[str, str]
    """Of the metrics that are no share of something; empty for a plain number."""
    levels: Mapping[str, tuple[str, str]]
    """Title and explanation of each level, in order."""
    tiles: Mapping[tuple[str, str], str]
    """Level, metric and title of the scores that a reader asks for first."""

    def level(self, title: str, explanation: str, scores: Mapping[str, Any]) -> Level:
        """The scores of a level as rows."""
        rows = (self.row(metric, score, self.metric(metric)) for metric, score in scores.items())
        return Level(title, explanation, tuple(rows))

    def row(self, metric: str, score: Mapping[str, Any], title: str) -> ScoreRow:
        """One score."""
        share = metric not in self.units
        return ScoreRow(title, read_score(score), share=share, unit=self.units.get(metric, ""))


@dataclass(frozen=True)
class Level:
    """The scores that count the same things."""

    title: str
    explanation: str
    rows: tuple[ScoreRow, ...]


@dataclass(frozen=True)
class FrameResults:
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


def read_with(path: Path, understand: Callable[[str, Mapping[str, Any]], Results]) -> Results:
    """Read one ``results-*.json``.

    Args:
        path: The file.
        understand: Makes a record of the split's name and what the file holds.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return understand(path.stem.removeprefix("results-"), found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: damaged ({error})", "run endofm evaluate again") from None


def frame_results(
    name: str, found: Mapping[str, Any], words: Words, *, original: Level | None
) -> FrameResults:
    """The record of what a file holds.

    Args:
        name: Of the split.
        found: What the file holds.
        words: Those of the task.
        original: The paper's scores, where the file has them.
    """
    scores = found["scores"]
    levels = [words.level(*title, scores[level]) for level, title in words.levels.items()]
    return FrameResults(
        name=name,
        num_frames=int(found["num_frames"]),
        num_sequences=int(found["num_sequences"]),
        num_groups=int(found["num_groups"]),
        data_note=str(found["data_note"]),
        source=str(found["source"]),
        selected=_is_selected(name, found),
        notes=tuple(map(str, found["notes"])),
        tiles=tuple(
            words.row(metric, scores[level][metric], title)
            for (level, metric), title in words.tiles.items()
        ),
        levels=(*levels, *([original] if original else [])),
    )


def _is_selected(name: str, found: Mapping[str, Any]) -> bool:
    """Another data set than the run's own, whose name follows the split's, has chosen nothing."""
    return name == found["split"] and (name == "val" or bool(found["selected_on_reported"]))
