"""Small evaluations of a detector as files: results, and pictures with boxes."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from tests.report.builder import build_run, soft_frames, write_lines
from tests.report.segment_builder import score

RATES = (0.125, 0.25, 0.5, 1, 2, 4)


def detect_results(**changes: Any) -> dict[str, Any]:
    """What ``results-test.json`` holds."""
    of_boxes = {name: score(0.61 + 0.01 * i) for i, name in enumerate(("precision", "recall"))}
    of_boxes |= {"f1": score(0.63), "f2": score(0.64)}
    frames = {"sensitivity": score(0.9), "specificity": score(None, 0)}
    return {
        "task": "detect",
        "split": "test",
        "data": "frames and boxes",
        "source": "runs/det",
        "data_note": "synthetic",
        "classes": ["adenoma", "polyp"],
        "threshold_from": "val",
        "selected_on_reported": False,
        "notes": [],
        "num_frames": 100,
        "num_boxes": 120,
        "num_sequences": 4,
        "num_groups": 3,
        "threshold": 0.3125,
        "scores": {
            "ranking": {
                name: score(0.4) for name in ("ap", "ap50", "ap75", "ap50_adenoma", "ap50_polyp")
            },
            "boxes": of_boxes,
            "centres": of_boxes,
            "frames": {**frames, "false_boxes_per_frame": score(0.25)},
            "froc": {
                **{f"sensitivity_at_{rate:g}": score(0.5) for rate in RATES},
                "mean_sensitivity": score(0.5),
            },
            "lesions": {
                "sensitivity": score(0.75, 8),
                "found_share_of_frames": score(0.5, 8),
                "delay_frames": score(3.5, 6, reach=1),
                "delay_s": score(0.25, 6),
                "false_alerts_per_minute": score(2.5, 4, reach=1),
            },
        },
        "original_scores": {"original_frame_f1": 87.5, "original_frame_recall": 90.0},
        "froc": {"false_per_frame": [0, 0.1, 1.5, 6], "sensitivity": [0, 0.4, 0.7, 0.9]},
        "environment": {},
        **changes,
    }


def write_results(folder: Path, split: str = "test", **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"results-{split}.json"
    path.write_text(json.dumps(detect_results(split=split, **changes)))
    return path


def write_shown(folder: Path, *, split: str = "test", size_px: int = 96, **changes: Any) -> Path:
    """A frame found, one missed, and two with a false alarm."""
    box = np.array([[0.2, 0.3, 0.6, 0.7]]) * size_px
    none = np.zeros((0, 4))
    arrays: dict[str, Any] = {
        "kinds": np.array(["found", "missed", "false alarms", "false alarms"]),
        "sequences": np.array(["seq0", "seq1", "seq2", "seq3"]),
        "places": np.array([3, 1, 4, 1]),
        "classes": np.array(["adenoma", "polyp"]),
    }
    given = [(box, box + 3), (box, none), (none, box), (box, np.concatenate([box / 2, box]))]
    for i, (truth, found) in enumerate(given):
        arrays[f"picture{i}"] = soft_frames(1, size_px, seed=i)[0]
        arrays[f"truth{i}"] = truth
        arrays[f"found{i}"] = found
        arrays[f"scores{i}"] = np.array([0.5, 0.75][: len(found)])
        arrays[f"labels{i}"] = np.array([1, 2][: len(found)], np.int64)
    path = folder / "figures" / f"boxed-{split}.npz"
    path.parent.mkdir(exist_ok=True, parents=True)
    np.savez_compressed(path, allow_pickle=False, **{**arrays, **changes})
    return path


def write_evaluation(folder: Path, split: str = "test", **changes: Any) -> Path:
    """All that a page reads of an evaluation; the folder is created."""
    write_results(folder, split, **changes)
    write_shown(folder, split=split)
    return folder


def build_detection(folder: Path, *, num_steps: int = 120, **config: Any) -> Path:
    """A run that learns to detect, not yet evaluated."""
    build_run(folder, num_steps=num_steps, data=["kumc"], weights="ssl", **config)
    (folder / "boxed.json").write_text("{}")
    terms = ("classes", "boxes", "centreness", "stft_classes", "stft_boxes")
    lines: list[dict[str, Any]] = []
    for step in range(10, num_steps + 1, 10):
        loss = 0.5 + 3 * math.exp(-3 * step / num_steps)
        lines.append({"step": step, "loss": loss, "learning_rate": 1e-4, "frames_per_s": 4.5})
        lines[-1] |= {f"{name}_loss": (0.1 + 0.05 * i) * loss for i, name in enumerate(terms)}
        if step % 30 == 0:
            lines.append({"step": step, "val_ap50": 0.9 - 0.2 * loss})
    write_lines(folder / "metrics.jsonl", lines)
    return folder
