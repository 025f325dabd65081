"""From the files of a run folder to plain records; bears whatever a killed run leaves behind."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

import numpy as np

from endofm.config import read_yaml
from endofm.errors import RunError
from endofm.runfolder import RunFolder, read_lines

CURVES = (
    "loss",
    "loss_cross_view",
    "loss_dynamic",
    "teacher_entropy",
    "feature_spread",
    "effective_rank",
    "learning_rate",
    "weight_decay",
    "teacher_momentum",
    "teacher_temperature",
    "grad_norm",
    "clips_per_s",
    "val_loss",
    "val_f1",
    "videos_per_s",
    "cross_entropy",
    "dice_loss",
    "val_dice",
    "sequences_per_s",
    "classes_loss",
    "boxes_loss",
    "centreness_loss",
    "stft_classes_loss",
    "stft_boxes_loss",
    "val_ap50",
    "frames_per_s",
)
"""The keys of ``metrics.jsonl`` that are drawn."""
Task = Literal["pretrain", "classify", "segment", "detect"]


@dataclass(frozen=True)
class Curve:
    """A number over steps; steps rise, values are finite."""

    steps: np.ndarray  # (N,) int
    values: np.ndarray  # (N,) float


@dataclass(frozen=True)
class ProbeKey:
    """What was measured, on which list and which part of it."""

    metric: str
    list_name: str
    split: str


@dataclass(frozen=True)
class ProbeResult:
    """One line of ``probes.jsonl``; ``nan`` for what is undefined."""

    step: int
    value: float
    low: float
    high: float
    n: int
    num_groups: int
    chance: float
    data_note: str


@dataclass(frozen=True)
class RunRecord:
    """All that a page says about a run, except its pictures."""

    name: str
    files: RunFolder
    task: Task
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    curves: Mapping[str, Curve]
    warnings: tuple[tuple[int, str], ...]  # step, text
    probes: Mapping[ProbeKey, tuple[ProbeResult, ...]]
    num_videos: int | None  # that it trains on
    skipped: tuple[tuple[str, str], ...]  # what, reason
    step: int
    num_steps: int | None

    @property
    def trained(self) -> bool:
        """Was anything trained here, or only evaluated?"""
        return self.files.holds_run

    @property
    def finished(self) -> bool:
        """Are all steps done?"""
        return self.num_steps is not None and self.step >= self.num_steps

    @property
    def data_note(self) -> str:
        """What must be said beside every number, such as 'synthetic'; may be empty."""
        return str(self.config.get("data_note") or "")


def read_run(folder: Path) -> RunRecord:
    """Read the folder of a run, or of an evaluation alone.

    Raises:
        RunError: There is neither in it.
        ConfigError: Its settings cannot be read.
    """
    files = RunFolder(folder)
    if not (files.holds_run or files.all_results()):
        raise RunError(
            f"{folder} holds no run", "name a folder that a training or an evaluation has written"
        )
    config = read_yaml(files.config) if files.holds_run else {}
    lines = [line for line in read_lines(files.metrics) if _is_number(line.get("step"))]
    state = _read_facts(files.last_state)
    reached = [line["step"] for line in lines] + [state.get("step")]
    return RunRecord(
        name=folder.resolve().name,
        files=files,
        task=_task_of(files),
        config=config,
        environment=_read_facts(files.environment),
        curves={key: curve for key in CURVES if (curve := _curve(lines, key))},
        warnings=tuple(_warnings(lines, files)),
        probes=_probes(read_lines(files.probes)),
        num_videos=_num_videos(files),
        skipped=tuple(_skipped(files.skipped)),
        step=max((int(step) for step in reached if _is_number(step)), default=0),
        num_steps=_num_steps(config, state),
    )


def _num_videos(files: RunFolder) -> int | None:
    """Videos that a pre-training sees, as files and in stores."""
    videos, stores = _read_json(files.videos), _read_json(files.stores)
    if not isinstance(videos, list):
        return None
    in_stores = [
        store["num_videos"]
        for store in (stores if isinstance(stores, list) else [])
        if isinstance(store, dict) and _is_number(store.get("num_videos"))
    ]
    return len(videos) + sum(map(int, in_stores))


def evaluated_task(results: Path) -> Task:
    """Whose scores an evaluation has written; a classifier's where it does not say."""
    task = _read_facts(results).get("task")
    return task if task in ("segment", "detect") else "classify"


def _task_of(files: RunFolder) -> Task:
    """By what the run learns from, or by the first results of an evaluation alone."""
    if files.sequences.is_file():
        return "segment"
    if files.labelled.is_file():
        return "classify"
    if files.boxed.is_file():
        return "detect"
    return "pretrain" if files.holds_run else evaluated_task(files.all_results()[0])


def _curve(lines: Iterable[Mapping[str, Any]], key: str) -> Curve | None:
    values = {int(line["step"]): float(line[key]) for line in lines if _is_number(line.get(key))}
    steps = sorted(values)  # of a step logged twice the later line holds
    return Curve(np.array(steps), np.array([values[step] for step in steps])) if steps else None


def _warnings(lines: Iterable[Mapping[str, Any]], files: RunFolder) -> Iterable[tuple[int, str]]:
    """Each warning at the first step it was given, then the steps that failed."""
    seen: set[str] = set()
    for line in lines:
        text = str(line.get("warning") or "")
        kind = text.split(":", maxsplit=1)[0]  # what follows may hold changing numbers
        if text and kind not in seen:
            seen.add(kind)
            yield int(line["step"]), text
    for path in sorted(files.failure(0).parent.glob("*/*.json")):
        facts = _read_facts(path)
        if _is_number(facts.get("step")):
            yield int(facts["step"]), f"{facts.get('term', 'a term')} was not finite; see {path}"


def _probes(
    lines: Iterable[Mapping[str, Any]],
) -> dict[ProbeKey, tuple[ProbeResult, ...]]:
    found: dict[ProbeKey, dict[int, ProbeResult]] = {}
    for line in lines:
        if not (_is_number(line.get("step")) and line.get("metric")):
            continue
        key = ProbeKey(
            metric=str(line["metric"]),
            list_name=str(line.get("list") or ""),
            split=str(line.get("split") or ""),
        )
        result = ProbeResult(
            step=int(line["step"]),
            value=_float(line.get("value")),
            low=_float(line.get("low")),
            high=_float(line.get("high")),
            n=int(line["n"]) if _is_number(line.get("n")) else 0,
            num_groups=int(line["num_groups"]) if _is_number(line.get("num_groups")) else 0,
            chance=_float(line.get("chance")),
            data_note=str(line.get("data_note") or ""),
        )
        found.setdefault(key, {})[result.step] = result
    return {key: tuple(by_step[step] for step in sorted(by_step)) for key, by_step in found.items()}


def _skipped(path: Path) -> Iterable[tuple[str, str]]:
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace", newline="") as rows:
            for row in csv.DictReader(rows):
                yield row.get("path") or row.get("what") or "", row.get("reason") or ""


def _num_steps(config: Mapping[str, Any], state: Mapping[str, Any]) -> int | None:
    numbers = (int(n) for n in (config.get("steps"), state.get("num_steps")) if _is_number(n))
    return next(numbers, None)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _read_facts(path: Path) -> dict[str, Any]:
    facts = _read_json(path)
    return facts if isinstance(facts, dict) else {}


def _is_number(value: Any) -> TypeGuard[int | float]:
    finite = isinstance(value, int | float) and abs(value) <= sys.float_info.max
    return finite and not isinstance(value, bool)


def _float(value: Any) -> float:
    return float(value) if _is_number(value) else math.nan
