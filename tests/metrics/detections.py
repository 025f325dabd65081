"""Frames with boxes, drawn or drawn up."""

import math
from collections.abc import Sequence

import numpy as np

from endofm.metrics.detection_matching import ScoredFrame

Box = tuple[float, float, float, float]


def frame_of(
    truth: Sequence[tuple[int, Box]] = (),
    found: Sequence[tuple[float, int, Box]] = (),
    *,
    lesions: Sequence[str] | None = None,
    sequence: str = "film",
    group: str = "",
    time_s: float = math.nan,
) -> ScoredFrame:
    """Truth as (label, box), what is found as (score, label, box)."""
    return ScoredFrame(
        truth_xyxy=np.array([box for _, box in truth], float).reshape(-1, 4),
        truth_labels=np.array([label for label, _ in truth], np.int64),
        lesions=tuple(lesions or [""] * len(truth)),
        boxes_xyxy=np.array([box for _, _, box in found], float).reshape(-1, 4),
        scores=np.array([score for score, _, _ in found], float),
        labels=np.array([label for _, label, _ in found], np.int64),
        size_hw=(100, 100),
        sequence=sequence,
        group=group or sequence,
        time_s=time_s,
    )


def drawn_frames(num: int, *, seed: int, num_classes: int = 2) -> list[ScoredFrame]:
    """True boxes, found ones near some of them, and others anywhere."""
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(num):
        truth, found = [], []
        for _ in range(rng.integers(0, 4)):
            left, top = rng.uniform(0, 60, 2)
            box = (left, top, left + rng.uniform(10, 40), top + rng.uniform(10, 40))
            label = int(rng.integers(1, num_classes + 1))
            truth.append((label, box))
            for _ in range(rng.integers(0, 3)):
                x1, y1, x2, y2 = (edge + rng.normal(0, 4) for edge in box)
                moved = (x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))
                kind = label if rng.uniform() < 0.8 else int(rng.integers(1, num_classes + 1))
                found.append((float(rng.uniform()), kind, moved))
        for _ in range(rng.integers(0, 3)):
            left, top = rng.uniform(0, 60, 2)
            kind = int(rng.integers(1, num_classes + 1))
            found.append((float(rng.uniform()), kind, (left, top, left + 20, top + 20)))
        frames.append(
            frame_of(truth, found, sequence=f"film-{number // 5}", time_s=number % 5 / 10)
        )
    return frames
