"""The one place that names the files of a run.

A run folder survives a kill at any instant: whole files are replaced in one step, lines are
appended, and a half-written last line is dropped when the run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endofm.errors import RunError
from endofm.files import append_text, write_text


@dataclass(frozen=True)
class RunFolder:
    """Paths and small files of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved settings."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, machine and command."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a logging step."""
        return self.path / "metrics.jsonl"

    @property
    def probes(self) -> Path:
        """One JSON object a probe of the features."""
        return self.path / "probes.jsonl"

    @property
    def videos(self) -> Path:
        """The videos that the run trains on, as found at its start."""
        return self.path / "videos.json"

    @property
    def stores(self) -> Path:
        """The clip stores that the run trains on, and what they held at its start."""
        return self.path / "stores.json"

    @property
    def labelled(self) -> Path:
        """The labelled videos of a fine-tuning and their splits."""
        return self.path / "labelled.json"

    @property
    def sequences(self) -> Path:
        """The segmented sequences of a fine-tuning and their splits."""
        return self.path / "sequences.json"

    @property
    def boxed(self) -> Path:
        """The sequences with boxes of a fine-tuning and their splits."""
        return self.path / "boxed.json"

    def results(self, split: str) -> Path:
        """What was measured on one split."""
        return self.path / f"results-{split}.json"

    def scored_before(self, split: str) -> tuple[str, ...]:
        """A warning if a split that is kept for the report has been scored already."""
        if split in {"train", "val"} or not self.results(split).exists():
            return ()
        return (f"{split} was scored before: to choose between scores of it is to fit it",)

    def all_results(self) -> list[Path]:
        """What was measured on each split: the reported ones first, validation last."""
        found = sorted(self.path.glob("results-*.json"))
        return sorted(found, key=lambda path: path == self.results("val"))

    def predictions(self, split: str) -> Path:
        """What was said of each video, or each frame, of one split."""
        return self.path / f"predictions-{split}.csv"

    def segmented_figure(self, split: str) -> Path:
        """Frames of one split from the best to the worst, with both masks, as arrays."""
        return self.path / "figures" / f"segmented-{split}.npz"

    def boxed_figure(self, split: str) -> Path:
        """Lesions found, missed, and false alarms of one split, with boxes, as arrays."""
        return self.path / "figures" / f"boxed-{split}.npz"

    @property
    def skipped(self) -> Path:
        """The videos that were left out, and why."""
        return self.path / "skipped.csv"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def last_state(self) -> Path:
        """What the newest checkpoint says of itself."""
        return self.checkpoints / "last" / "state.json"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def views_figure(self) -> Path:
        """The views of one clip, as arrays."""
        return self.path / "figures" / "views.npz"

    @property
    def attention_figure(self) -> Path:
        """The attention over one clip's frames, as arrays."""
        return self.path / "figures" / "attention.npz"

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    def failure(self, step: int) -> Path:
        """Folder for what is known about a step that failed."""
        return self.path / "failures" / f"step-{step:06d}"

    @property
    def holds_run(self) -> bool:
        """Has a run been started here?"""
        return self.config.is_file()

    def require_run(self) -> None:
        """Raise ``RunError`` where there is no run to go on with."""
        if not self.holds_run:
            raise RunError(
                f"{self.path} holds no run to go on with", "check --out, or start one with --data"
            )

    def refuse_if_taken(self) -> None:
        """Raise ``RunError`` where a new run would mix with something else."""
        if self.holds_run:
            raise RunError(
                f"{self.path} already holds a run", "add --resume, or name another --out"
            )
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file", "name another --out")
        if self.path.is_dir() and any(not self._is_ours(item) for item in self.path.iterdir()):
            raise RunError(f"{self.path} is not empty and holds no run", "name another --out")

    def _is_ours(self, item: Path) -> bool:
        """Left by a run that did not get as far as its settings."""
        early = (
            *(self.environment, self.videos, self.stores, self.skipped),
            *(self.labelled, self.sequences, self.boxed),
            self.views_figure.parent,
        )
        return item in early or item.name.startswith(".")


@dataclass(frozen=True)
class PredictionFolder:
    """Paths of what is predicted about one video."""

    path: Path

    @property
    def prediction(self) -> Path:
        """Everything as JSON, written last but for the page; its presence means: predicted."""
        return self.path / "prediction.json"

    @property
    def scores(self) -> Path:
        """The scores over time as a table."""
        return self.path / "scores.csv"

    @property
    def areas(self) -> Path:
        """The area of the mask of each frame as a table."""
        return self.path / "areas.csv"

    @property
    def masks(self) -> Path:
        """Folder of the masks, a picture a frame."""
        return self.path / "masks"

    @property
    def boxes(self) -> Path:
        """The boxes of all frames as a table."""
        return self.path / "boxes.csv"

    @property
    def coco(self) -> Path:
        """The boxes of all frames as COCO JSON."""
        return self.path / "boxes.json"

    @property
    def run_lengths(self) -> Path:
        """The masks of all frames as run lengths instead of pictures."""
        return self.path / "masks.json"

    @property
    def telling(self) -> Path:
        """The most telling frames and what is drawn over them, as arrays."""
        return self.path / "telling.npz"

    @property
    def video(self) -> Path:
        """The video with what was predicted drawn."""
        return self.path / "overlay.mp4"

    @property
    def page(self) -> Path:
        """The page to look at."""
        return self.path / "prediction.html"


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON object as a line."""
    append_text(path, json.dumps(record) + "\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file, up to a line that a kill has cut short; none if it is absent."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                return
            if not (isinstance(record, dict) and line.endswith("\n")):
                return
            yield record


def drop_lines_after(path: Path, step: int) -> None:
    """Keep the lines whose ``step`` is at most ``step``: what a resumed run will write again."""
    if path.exists():
        kept = [json.dumps(record) + "\n" for record in read_lines(path) if record["step"] <= step]
        write_text(path, "".join(kept))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file in one step."""
    write_text(path, json.dumps(value, indent=2) + "\n")
