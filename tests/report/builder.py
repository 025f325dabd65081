"""Small run folders as a training would leave them, with every part optional."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

METRICS = ("knn_accuracy", "linear_probe_accuracy")


def metric_line(step: int, num_steps: int) -> dict[str, float | str]:
    share = step / num_steps
    noise = math.sin(12.9898 * step) * 0.15
    loss = 11.0 - 6 * (1 - math.exp(-4 * share)) + noise
    return {
        "step": step,
        "epoch": int(10 * share),
        "loss": loss,
        "loss_cross_view": loss + 0.1,
        "loss_dynamic": loss - 0.8,
        "teacher_entropy": 11.0 - 5 * share + noise,
        "feature_spread": 0.35 + 0.5 * share + 0.2 * noise,
        "effective_rank": 4 + 60 * share + 10 * noise,
        "learning_rate": 5e-4 * (1 + math.cos(math.pi * share)) / 2,
        "weight_decay": 0.4 - 0.36 * (1 + math.cos(math.pi * share)) / 2,
        "teacher_momentum": 1 - 0.004 * (1 + math.cos(math.pi * share)) / 2,
        "teacher_temperature": 0.04,
        "grad_norm": 1.5 + noise,
        "clips_per_s": 14 + noise,
    }


def probe_line(metric: str, step: int, value: float) -> dict[str, Any]:
    return {
        "step": step,
        "metric": metric,
        "value": value,
        "low": value - 0.08,
        "high": value + 0.07,
        "n": 240,
        "num_groups": 31,
        "chance": 0.333,
        "list": "polyps.csv",
        "split": "test",
        "data_note": "synthetic",
    }


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def build_run(
    folder: Path,
    *,
    num_steps: int = 100,
    log_every: int = 10,
    keys: Sequence[str] | None = None,
    **config: Any,
) -> Path:
    """A finished run on synthetic clips, with metrics (all, or some keys) and nothing else."""
    folder.mkdir(parents=True)
    settings = {
        "data": ["clips"],
        "model": "tiny",
        "start": None,
        "epochs": 30,
        "steps": num_steps,
        "batch_size": 12,
        "precision": "auto",
        "seed": 0,
        "data_note": "synthetic",
        "head": {"num_prototypes": 65536, "hidden_dim": 2048},
        "optimiser": {"learning_rate": 0.0005},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({**settings, **config}, sort_keys=False))
    environment = {
        "command": ["endofm", "pretrain", "--data", "my clips", "--out", str(folder)],
        "python": "3.11.9",
        "packages": {"endofm": "0.1.0", "torch": "2.13.0"},
        "platform": "Linux",
        "num_cpus": 16,
        "gpus": ["NVIDIA H200"],
    }
    (folder / "environment.json").write_text(json.dumps(environment))
    steps = range(log_every, num_steps + 1, log_every)
    lines = [metric_line(step, num_steps) for step in steps]
    wanted = {"step", *(keys if keys is not None else lines[0])}
    kept = [{key: value for key, value in line.items() if key in wanted} for line in lines]
    write_lines(folder / "metrics.jsonl", kept)
    return folder


def add_probes(folder: Path, *, num_steps: int = 100, num_probes: int = 5) -> None:
    write_lines(
        folder / "probes.jsonl",
        [
            probe_line(metric, round(step), 0.38 + (0.3 + 0.1 * i) * step / num_steps)
            for step in np.linspace(0, num_steps, num_probes)
            for i, metric in enumerate(METRICS)
        ],
    )


def add_skipped(folder: Path, rows: list[tuple[str, str]]) -> None:
    lines = [f'"{path}","{reason}"\n' for path, reason in rows]
    (folder / "skipped.csv").write_text("path,reason\n" + "".join(lines))


def soft_frames(num_frames: int, size_px: int, *, seed: int = 0) -> np.ndarray:
    """Smooth reddish pictures that move, (T, size_px, size_px, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size_px, 0:size_px] / size_px
    phase = rng.uniform(0, 6, 3)
    frames = []
    for t in np.linspace(0, 1, num_frames):
        fold = np.sin(9 * np.hypot(x - 0.5 + 0.2 * t, y - 0.5) + phase[0] + 2 * t)
        texture = np.sin(23 * x + phase[1]) * np.cos(19 * y + phase[2])
        base = 0.55 + 0.2 * fold + 0.08 * texture
        frames.append(np.stack([base + 0.25, base * 0.55, base * 0.45], axis=-1))
    return (255 * np.clip(frames, 0, 1)).astype(np.uint8)


def add_figures(folder: Path, *, size_px: int = 32, num_heads: int = 4) -> None:
    (folder / "figures").mkdir()
    lengths = (8, 16, 2, 2, 4, 4, 8, 8, 16, 16)
    sizes = [size_px] * 2 + [size_px // 2] * 8
    views = {
        f"view{i}": soft_frames(t, s, seed=i)
        for i, (t, s) in enumerate(zip(lengths, sizes, strict=True))
    }
    np.savez(folder / "figures" / "views.npz", allow_pickle=False, num_global=2, **views)
    head, t, y, x = np.ogrid[0:num_heads, 0:8, 0:14, 0:14]
    distance = np.hypot(x - 3 - 0.8 * t - head, y - 9 + 0.5 * t)
    attention = np.exp(-distance / (1 + head)) + 0.02
    np.savez(
        folder / "figures" / "attention.npz",
        frames=soft_frames(8, size_px),
        attention=(attention / attention.sum(axis=(2, 3), keepdims=True)).astype(np.float32),
    )
