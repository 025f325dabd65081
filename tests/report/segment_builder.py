"""Small evaluations of a segmenter as files: results, a row a frame, pictures with both masks."""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.report.builder import build_run, soft_frames, write_lines

METRICS = (
    "dice",
    "iou",
    "sensitivity",
    "precision",
    "hd95_px",
    "surface_distance_px",
    "s_measure",
    "e_measure",
)
NUM_PX = 100_000


@dataclass(frozen=True)
class Row:
    """A frame of ``predictions-*.csv``; without a lesion there is no Dice."""

    sequence: str
    frame: int
    group: str
    lesion_px: int
    dice: float | None


def rows_of(sequence: str, dice: Sequence[float | None], *, lesion_px: int = 2000) -> list[Row]:
    """The frames of one sequence, ``None`` for one without a lesion."""
    return [
        Row(sequence, frame, f"patient {sequence}", 0 if value is None else lesion_px, value)
        for frame, value in enumerate(dice)
    ]


def usual_rows(num_sequences: int = 4, *, num_frames: int = 25) -> list[Row]:
    """Lesions that grow, stay away for a while, and are found the better the larger they are."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(num_sequences):
        free = range(6 + number, 9 + number) if number % 2 else range(0)
        for frame in range(num_frames):
            lesion_px = round(400 * 1.6**number * (1 + 0.1 * frame))
            dice = 1 - 12 / math.sqrt(lesion_px) * (1 + 0.3 * rng.standard_normal())
            row = Row(f"seq{number}", frame, f"p{number}", lesion_px, float(np.clip(dice, 0, 1)))
            rows.append(replace(row, lesion_px=0, dice=None) if frame in free else row)
    return rows


def score(value: float | None, n: int = 90, *, reach: float = 0.1) -> dict[str, Any]:
    known = value is not None and n
    low, high = (value - reach, value + reach) if known and value is not None else (None, None)
    return {"value": value, "low": low, "high": high, "n": n, "num_groups": 4, "level": 0.95}


def segment_results(**changes: Any) -> dict[str, Any]:
    """What ``results-test.json`` holds."""
    overlap = {name: score(0.71 + 0.01 * i) for i, name in enumerate(METRICS[:4])}
    distances = {name: score(14.25, reach=3.5) for name in METRICS[4:6]}
    structure = {name: score(0.812) for name in METRICS[6:]}
    every = {**overlap, **distances, **structure}
    return {
        "task": "segment",
        "split": "test",
        "data": "frames and masks",
        "source": "runs/seg",
        "data_note": "synthetic",
        "selected_on_reported": False,
        "notes": [],
        "frames": {"size_hw": [224, 224]},
        "weights_sha256": "0" * 64,
        "environment": {},
        "num_frames": 100,
        "num_sequences": 4,
        "num_groups": 3,
        "scores": {
            "frames": every,
            "sequences": {name: {**of, "n": 4} for name, of in every.items()},
            "pooled": overlap,
            "detection": {"missed": score(0.125)},
            "lesion_free": {"correct": score(0.5, 6), "false_positive_px_share": score(0.02, 6)},
        },
        "original_scores": {},
        **changes,
    }


def write_results(folder: Path, split: str = "test", **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"results-{split}.json"
    path.write_text(json.dumps(segment_results(split=split, **changes)))
    return path


def write_table(folder: Path, rows: Sequence[Row], split: str = "test") -> Path:
    path = folder / f"predictions-{split}.csv"
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        counts = ("lesion_px", "predicted_px", "num_px")
        lines.writerow(["sequence", "frame", "path", "group", *counts, *METRICS])
        for row in rows:
            found = ["" if row.dice is None else f"{row.dice:.6f}"] * len(METRICS)
            frame = [row.sequence, row.frame, f"frames/{row.frame}.png", row.group]
            lines.writerow([*frame, row.lesion_px, 1000, NUM_PX, *found])
    return path


def disc(centre_yx: tuple[float, float], radius_px: float, size_hw: Sequence[int]) -> np.ndarray:
    """Where a disc is, (H, W) bool."""
    y, x = np.ogrid[: size_hw[0], : size_hw[1]]
    return (y - centre_yx[0]) ** 2 + (x - centre_yx[1]) ** 2 <= radius_px**2


def write_shown(
    folder: Path, *, num: int = 9, size_px: int = 96, split: str = "test", **changes: Any
) -> Path:
    """Three frames a kind, whose prediction is ever further from the truth."""
    arrays: dict[str, Any] = {
        "kinds": np.array([("best", "median", "worst")[i // 3 % 3] for i in range(num)], dtype=str),
        "sequences": np.array([f"seq{i}" for i in range(num)], dtype=str),
        "places": np.arange(num),
        "dice": np.linspace(0.95, 0.1, num),
    }
    for i in range(num):
        size_hw, middle = (size_px, size_px), size_px / 2
        arrays[f"picture{i}"] = soft_frames(1, size_px, seed=i)[0]
        arrays[f"truth{i}"] = disc((middle, middle), size_px / 5, size_hw)
        arrays[f"predicted{i}"] = disc((middle, middle + 0.04 * size_px * i), size_px / 5, size_hw)
    path = folder / "figures" / f"segmented-{split}.npz"
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **{**arrays, **changes})
    return path


def write_evaluation(folder: Path, split: str = "test", **changes: Any) -> Path:
    """All that an evaluation writes; the folder is created."""
    write_results(folder, split, **changes)
    write_table(folder, usual_rows(), split)
    write_shown(folder, split=split)
    return folder


def build_segmentation(folder: Path, *, num_steps: int = 120, **config: Any) -> Path:
    """A run that learns to segment, not yet evaluated."""
    build_run(folder, num_steps=num_steps, data=["cvc"], weights="ssl", **config)
    (folder / "sequences.json").write_text("{}")
    steps = range(10, num_steps + 1, 10)
    lines: list[dict[str, Any]] = []
    for step in steps:
        loss = 0.1 + 0.6 * math.exp(-3 * step / num_steps)
        lines.append(
            {
                "step": step,
                "loss": loss,
                "cross_entropy": 0.8 * loss,
                "dice_loss": 1.2 * loss,
                "learning_rate": 1e-4 * (1 - step / num_steps) ** 0.9,
                "weight_decay": 0.05,
                "grad_norm": 2.0,
                "sequences_per_s": 1.5,
            }
        )
        if step % 30 == 0:
            lines.append({"step": step, "val_loss": 1.3 * loss, "val_dice": 0.9 - loss})
    write_lines(folder / "metrics.jsonl", lines)
    return folder
