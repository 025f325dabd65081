"""``endofm evaluate``: the score of a fine-tuned network, with n and intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import NonNegativeInt
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from endofm.by_task import evaluate
from endofm.cli.arguments import parse
from endofm.cli.training import detecting_of, sampling_of, scoring_of, speaks
from endofm.config import Settings
from endofm.engine.loading import task_of
from endofm.metrics.intervals import Estimate
from endofm.report import write_report

SCORING = {"segment": scoring_of, "detect": detecting_of}


class Arguments(Settings):
    """Score a fine-tuned network on data that it has not seen."""

    source: Positional[str]
    """Folder of a fine-tuning run; or fine-tuned weights, to be scored on --data."""
    split: str = "test"
    """Which of its splits."""
    data: Path | None = None
    """Other labelled videos of the same classes, or other frames with masks or boxes."""
    out: Path | None = None
    """Where to write instead of the run's folder; weights without a run need it."""
    classes: tuple[str, ...] | None = None
    """What the outputs of a classifier or detector without a run stand for; else numbers."""
    preset: str | None = None
    """For weights without a run: score as this preset does; 'paper' for the original's way."""
    num_workers: NonNegativeInt = 2
    """Loader processes; they change no number."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm evaluate")
    task = task_of(arguments.source)
    done = evaluate(
        arguments.source,
        split=arguments.split,
        data=arguments.data,
        out=arguments.out,
        classes=arguments.classes,
        sampling=sampling_of(arguments.preset) if task in ("classify", None) else None,
        scoring=SCORING[task](arguments.preset) if task in SCORING else None,
        num_workers=arguments.num_workers,
    )
    if not speaks():
        return
    table = Table("metric", "value", "95 % interval", "n", "groups", title=f"{arguments.split}")
    for name, estimate in _rows(done.scores):
        table.add_row(name, *_cells(estimate))
    console = Console()
    console.print(table)
    for note in done.notes:
        console.print(f"note: {note}", markup=False)
    page = write_report([done.results.parent])
    print(f"{done.results} (one by one: {done.predictions}, page: {page})")


def _rows(
    scores: Mapping[str, Estimate] | Mapping[str, dict[str, Estimate]], *, level: str = ""
) -> Iterator[tuple[str, Estimate]]:
    for name, found in scores.items():
        if isinstance(found, dict):
            yield from _rows(found, level=name.replace("_", "-"))
        else:
            yield f"{name} ({level})" if level else name, found


def _cells(estimate: Estimate) -> tuple[str, str, str, str]:
    value = "undefined" if math.isnan(estimate.value) else f"{estimate.value:.3f}"
    if estimate.num_groups < 2:
        interval = "none: needs 2 groups"
    elif math.isnan(estimate.low):
        interval = "none"
    else:
        interval = f"[{estimate.low:.3f}, {estimate.high:.3f}]"
    return value, interval, str(estimate.n), str(estimate.num_groups)
