"""Scores as Endo-FM's paper has them (Wang et al., MICCAI 2023), to compare with its table.

A sequence is scored as one volume, and its rules for empty masks reward mistakes:
``segmentation`` has the scores to judge a model by.
"""

from __future__ import annotations

import numpy as np

from endofm.metrics.surfaces import surface_distances_px


def original_volume_scores(predicted: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Dice and HD95 of a sequence, in this order; the paper's are means over sequences.

    HD95 is the 95th percentile of the surface distances of both directions together, in pixels,
    frames being one pixel apart. It is 0 where either mask is empty, even for a missed lesion.
    Dice is then 1 for a prediction where there is nothing, and 0 otherwise, even if both are empty.

    Args:
        predicted: (T, H, W) bool.
        truth: (T, H, W) bool.

    Raises:
        ValueError: Not two volumes of one shape.
    """
    if predicted.shape != truth.shape or truth.ndim != 3:
        raise ValueError(f"volumes of shapes {predicted.shape} and {truth.shape}")
    if not truth.any():
        return float(predicted.any()), 0.0
    if not predicted.any():
        return 0.0, 0.0
    dice = 2 * np.sum(predicted & truth) / (predicted.sum() + truth.sum())
    distances = np.concatenate(surface_distances_px(predicted, truth))
    return float(dice), float(np.percentile(distances, 95))
