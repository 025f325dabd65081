"""Numbers and settings in words: what the templates print."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from endofm.report.reading import ProbeResult, RunRecord

DASH = "\N{EN DASH}"
SUMMARY = {
    "model": "Model",
    "start": "Starts from",
    "data": "Videos",
    "epochs": "Epochs",
    "steps": "Steps",
    "batch_size": "Clips a step",
    "precision": "Precision",
    "seed": "Seed",
}
"""The settings that a reader asks for first."""


def number(value: float | None) -> str:
    """Four significant digits; a dash for what is undefined."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def count(value: int) -> str:
    """A whole number with separators."""
    return f"{value:,}"


def measured(value: float, *, share: bool) -> str:
    """A measured value, shares as percentages."""
    if not math.isfinite(value):
        return DASH
    return f"{100 * value:.1f} %" if share else number(value)


def interval(result: ProbeResult, *, share: bool) -> str:
    """The interval in brackets, or why there is none."""
    if math.isfinite(result.low) and math.isfinite(result.high):
        low, high = (measured(value, share=share) for value in (result.low, result.high))
        return f"[{low.removesuffix(' %')}{DASH}{high}]"
    return "no interval"


def change(before: float, after: float, *, share: bool) -> str:
    """A difference with its sign, shares in percentage points."""
    difference = after - before
    if not math.isfinite(difference):
        return DASH
    return f"{100 * difference:+.1f} points" if share else f"{difference:+.4g}"


def state(run: RunRecord) -> str:
    """How far a run has come; where its length is not known, no more than that."""
    if run.num_steps is None:
        return f"step {count(run.step)}"
    done = "finished" if run.finished else "not finished"
    return f"{done}: step {count(run.step)} of {count(run.num_steps)}"


def summary(run: RunRecord) -> list[tuple[str, str]]:
    """What was run, in a few rows."""
    left_out = "epochs" if run.config.get("steps") else ""  # steps take its place
    rows = [
        (label, text(run.config[key]))
        for key, label in SUMMARY.items()
        if run.config.get(key) is not None and key != left_out
    ]
    environment = run.environment
    if machine := environment.get("gpus"):
        rows.append(("Machine", text(machine)))
    elif environment.get("num_cpus"):
        rows.append(("Machine", f"{environment['num_cpus']} CPU cores"))
    packages = environment.get("packages")
    versions = dict(packages) if isinstance(packages, dict) else {}
    if environment.get("python"):
        versions["python"] = environment["python"]
    shown = [
        f"{name} {versions[name]}" for name in ("endofm", "torch", "python") if name in versions
    ]
    if shown:
        rows.append(("Versions", ", ".join(shown)))
    return rows


def command(run: RunRecord) -> str:
    """The command line that started the run; empty if it is not known."""
    words = run.environment.get("command")
    return shlex.join(map(str, words)) if isinstance(words, list) else str(words or "")


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names with their text."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", text(value)


def text(value: Any) -> str:
    """A setting's value as a person would write it."""
    if value is None or value in ("", [], {}):
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(text(item) for item in value)
    return str(value)


def distinct_names(runs: list[RunRecord]) -> list[str]:
    """Names to tell runs apart by: the folder's own, or its path where two are called the same."""
    names = [run.name for run in runs]
    return [
        name if names.count(name) == 1 else str(run.files.path)
        for run, name in zip(runs, names, strict=True)
    ]


def clock(time_s: float) -> str:
    """A time in a video: 0:07.5, 12:03.0, 1:02:03.0."""
    tenths = round(time_s * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{tenths // 10:02}.{tenths % 10}"
