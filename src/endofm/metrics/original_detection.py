"""The frame-level score that the original reports for detection, under its own name.

It never looks where a box lies: a frame with a lesion is right if any box, wherever it is, has a
score of 0.5. It is here to compare with published numbers, and with nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from endofm.metrics.detection_matching import ScoredFrame

ORIGINAL_SCORE_FROM = 0.5
_EPSILON = 1e-7


def original_frame_counts(frames: Sequence[ScoredFrame]) -> tuple[int, int, int, int]:
    """True positives, false positives, true negatives and false negatives among the frames."""
    tp = fp = tn = fn = 0
    for frame in frames:
        found = bool((frame.scores >= ORIGINAL_SCORE_FROM).any())
        if len(frame.truth_labels):
            tp, fn = tp + found, fn + (not found)
        else:
            fp, tn = fp + found, tn + (not found)
    return tp, fp, tn, fn


def original_frame_scores(frames: Sequence[ScoredFrame]) -> dict[str, float]:
    """Percentages, with 1e-7 added to each denominator as in the original."""
    tp, fp, tn, fn = original_frame_counts(frames)
    precision = 100 * tp / (tp + fp + _EPSILON)
    recall = 100 * tp / (tp + fn + _EPSILON)
    return {
        "original_frame_precision": precision,
        "original_frame_recall": recall,
        "original_frame_accuracy": 100 * (tp + tn) / (tp + fp + tn + fn + _EPSILON),
        "original_frame_specificity": 100 * tn / (tn + fp + _EPSILON),
        "original_frame_f1": 2 * precision * recall / (precision + recall + _EPSILON),
        "original_frame_f2": 5 * precision * recall / (4 * precision + recall + _EPSILON),
    }
