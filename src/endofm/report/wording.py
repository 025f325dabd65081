"""Numbers and settings in words: what the templates print."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from endofm.report.reading import ProbeResult, RunRecord, Task

DASH = "\N{EN DASH}"
TASKS: Mapping[Task, tuple[str, str]] = {
    "pretrain": ("pre-training", "Self-supervised pre-training on endoscopy video."),
    "classify": ("classification", "Classification of endoscopy video."),
    "segment": ("segmentation", "Segmentation of lesions in endoscopy video."),
    "detect": ("detection", "Detection of lesions in endoscopy video."),
}
"""What a page's title calls it, and a sentence about it."""
SUMMARY = {
    "model": "Model",
    "start": "Starts from",
    "weights": "Starts from",
    "data": "Videos",
    "epochs": "Epochs",
    "steps": "Steps",
    "batch_size": "Clips a step",
    "precision": "Precision",
    "seed": "Seed",
}
"""The settings that a reader asks for first."""
SUMMARY_OF: Mapping[Task, Mapping[str, str]] = {
    "segment": {"data": "Frames and masks", "batch_size": "Sequences a step"},
    "detect": {"data": "Frames and boxes", "batch_size": "Frames a step"},
}
"""What a task calls some of them."""


def number(value: float | None) -> str:
    """Four significant digits; a dash for what is undefined."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def count(value: int) -> str:
    """A whole number with separators."""
    return f"{value:,}"


def measured(value: float, *, share: bool, unit: str = "") -> str:
    """A measured value, shares as percentages, others with their unit."""
    if not math.isfinite(value):
        return DASH
    return f"{100 * value:.1f} %" if share else f"{number(value)} {unit}".rstrip()


def interval(result: ProbeResult, *, share: bool, unit: str = "") -> str:
    """The interval in brackets, or why there is none."""
    if math.isfinite(result.low) and math.isfinite(result.high):
        low = measured(result.low, share=share).removesuffix(" %")
        return f"[{low}{DASH}{measured(result.high, share=share, unit=unit)}]"
    return "no interval"


def area(share: float) -> str:
    """The share of a frame as a percentage; two digits of a small one."""
    return f"{100 * share:.1f} %" if share >= 0.01 else f"{100 * share:.2g} %"


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
    labels = {**SUMMARY, **SUMMARY_OF.get(run.task, {})}
    rows = [
        (label, text(run.config[key]))
        for key, label in labels.items()
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


def task_of(runs: Sequence[RunRecord]) -> Task:
    """What a page is about: a pre-training, if there is one among several."""
    tasks = {run.task for run in runs}
    return runs[0].task if len(tasks) == 1 or "pretrain" not in tasks else "pretrain"


def next_step(run: RunRecord, splits: Collection[str]) -> tuple[str, str]:
    """What a fine-tuning is waiting for, and the command; of ``splits`` there are results."""
    folder = shlex.quote(str(run.files.path))
    if not splits:
        return (
            "Nothing has been scored yet: the training has not come to its end. Go on with",
            f"endofm finetune {run.task} --out {folder} --resume",
        )
    if set(splits) <= {"val"}:
        return (
            "Only the validation has been scored, which chose the weights. For the score on what "
            "was held back",
            f"endofm evaluate {folder}",
        )
    return "To use it on a video", f"endofm predict {folder} video.mp4 --out predicted/"


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


def duration(time_s: float) -> str:
    """How long something is, in the unit that suits: 12.3 s, 4.1 min, 2.5 h."""
    if time_s < 100:
        return f"{time_s:.1f} s"
    return f"{time_s / 60:.1f} min" if time_s < 6000 else f"{time_s / 3600:,.1f} h"


def clock(time_s: float) -> str:
    """A time in a video: 0:07.5, 12:03.0, 1:02:03.0."""
    tenths = round(time_s * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{tenths // 10:02}.{tenths % 10}"
