"""How well are lesions outlined?

A *lesion frame* is one with a lesion in the truth. What is undefined is ``nan``, and no mean counts
it:

* Overlap (Dice, IoU, sensitivity, precision) belongs to lesion frames. A missed lesion, that is an
  empty prediction, has Dice, IoU and sensitivity 0, but no precision: nothing was claimed.
* Distances need a lesion and a prediction. They say nothing of missed lesions, whose share is
  therefore to be read beside them.
* Lesion-free frames have scores of their own: an empty prediction is correct there, but never a
  Dice of 1.

S-measure (Fan et al., ICCV 2017, alpha 0.5) and E-measure (Fan et al., IJCAI 2018, mean over 256
thresholds) belong to lesion frames, and see the probabilities as the benchmark SUN-SEG does: as 8
bits, rounded down, then stretched to 0..1 by the frame's own minimum and maximum unless these are
equal. The stretching makes much of a faint trace: both can be high where the lesion was missed.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from endofm.metrics.curves import ratio
from endofm.metrics.intervals import Estimate, cluster_bootstrap
from endofm.metrics.structure import e_measure, s_measure, stretch
from endofm.metrics.surfaces import surface_distances_px

COUNTS = ("true_positive_px", "false_positive_px", "false_negative_px", "num_px")
"""Pixels of a frame."""
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
"""Scores of a frame."""
PROBABILITY_TOLERANCE = 1e-4
"""How far interpolated probabilities may lie outside 0..1."""


@dataclass(frozen=True)
class FrameScores:
    """Scores of a frame, and the counts behind its overlap; see the module for what is ``nan``."""

    true_positive_px: int
    false_positive_px: int
    false_negative_px: int
    num_px: int
    dice: float
    iou: float
    sensitivity: float
    precision: float
    hd95_px: float
    surface_distance_px: float
    s_measure: float
    e_measure: float

    @property
    def has_lesion(self) -> bool:
        """Whether the truth is not empty."""
        return self.true_positive_px + self.false_negative_px > 0

    @property
    def has_prediction(self) -> bool:
        """Whether the prediction is not empty."""
        return self.true_positive_px + self.false_positive_px > 0


def frame_scores(probs: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> FrameScores:
    """Score a frame at its own resolution.

    HD95 is the 95th percentile of the surface distances of each direction, the larger of the two;
    the surface distance is the mean of both directions' together (average symmetric surface
    distance).

    Args:
        probs: Probability of a lesion, (H, W) float.
        predicted: What is marked as lesion, (H, W) bool.
        truth: (H, W) bool.

    Raises:
        ValueError: Not three images of one shape, a mask is not of bool, or a probability is not.
    """
    _check_images(probs, predicted, truth)
    tp = int(np.count_nonzero(predicted & truth))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    overlap = dict.fromkeys(_RATIOS, math.nan)
    hd95 = mean_distance = structure = alignment = math.nan
    if tp + fn:
        overlap = {name: float(ratio(*of(tp, fp, fn))) for name, of in _RATIOS.items()}
        stretched = stretch(probs)
        structure, alignment = s_measure(stretched, truth), e_measure(stretched, truth)
    if tp + fn and tp + fp:
        distances = surface_distances_px(predicted, truth)
        hd95 = float(max(np.percentile(each, 95) for each in distances))
        mean_distance = float(np.concatenate(distances).mean())
    return FrameScores(
        true_positive_px=tp,
        false_positive_px=fp,
        false_negative_px=fn,
        num_px=truth.size,
        **overlap,
        hd95_px=hd95,
        surface_distance_px=mean_distance,
        s_measure=structure,
        e_measure=alignment,
    )


def segmentation_scores(
    frames: Sequence[FrameScores],
    *,
    sequences: Sequence[str],
    groups: Sequence[str],
    num_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Estimate]]:
    """Summarise the scores of frames, with intervals clustered by the groups.

    Args:
        frames: Scores of N frames.
        sequences: The sequence of each frame.
        groups: The patient or video of each frame, one for all frames of a sequence.
        num_resamples: Draws for the intervals; 0 for the values alone.
        seed: Of these draws.

    Returns:
        By level and name; ``nan`` and n = 0 where there is nothing to count.

        * ``frames``: means of ``METRICS`` over the frames that have them, which are lesion frames.
        * ``sequences``: means over sequences of the means over their frames; n counts sequences.
        * ``pooled``: ``dice``, ``iou``, ``sensitivity`` and ``precision`` of the pixels of all
          lesion frames together, so that large lesions count for more.
        * ``detection``: ``missed``, the share of lesion frames with an empty prediction.
        * ``lesion_free``: ``correct``, the share of lesion-free frames with an empty prediction,
          and ``false_positive_px_share``, the mean over these frames of the share of pixels marked.

    Raises:
        ValueError: Lengths differ, or a sequence is of two groups.
    """
    _check_names(frames, sequences, groups)
    names = np.array(groups, dtype=str)
    estimate = functools.partial(_estimate, num_resamples=num_resamples, seed=seed)
    columns = {
        field.name: np.array([getattr(frame, field.name) for frame in frames], dtype=np.float64)
        for field in dataclasses.fields(FrameScores)
    }
    tp, fp, fn, num_px = (columns[field] for field in COUNTS)
    lesion, claimed = tp + fn > 0, tp + fp > 0
    _, first, sequence_of_frame = np.unique(
        np.array(sequences, dtype=str), return_index=True, return_inverse=True
    )
    by_frame, by_sequence, pooled = {}, {}, {}
    for name in METRICS:
        by_frame[name] = estimate(columns[name], groups=names)
        by_sequence[name] = estimate(_means(columns[name], sequence_of_frame), groups=names[first])
    for name, parts in _RATIOS.items():
        part, whole = parts(tp, fp, fn)
        pooled[name] = estimate(part, np.where(lesion, whole, 0), groups=names)
    return {
        "frames": by_frame,
        "sequences": by_sequence,
        "pooled": pooled,
        "detection": {"missed": estimate(~claimed, lesion, groups=names)},
        "lesion_free": {
            "correct": estimate(~claimed, ~lesion, groups=names),
            "false_positive_px_share": estimate(ratio(fp, num_px), ~lesion, groups=names),
        },
    }


_Counts = Callable[..., tuple[np.ndarray, np.ndarray]]
_RATIOS: dict[str, _Counts] = {  # from true and false positives and false negatives
    "dice": lambda tp, fp, fn: (2 * tp, 2 * tp + fp + fn),
    "iou": lambda tp, fp, fn: (tp, tp + fp + fn),
    "sensitivity": lambda tp, fp, fn: (tp, tp + fn),
    "precision": lambda tp, fp, fn: (tp, tp + fp),
}


def _estimate(
    parts: np.ndarray,
    wholes: np.ndarray | None = None,
    *,
    groups: np.ndarray,
    num_resamples: int,
    seed: int,
) -> Estimate:
    """Sum of the parts by that of the wholes, of the items whose whole is not 0.

    Without wholes, the mean of the items that are not ``nan``.
    """
    wholes = ~np.isnan(parts) if wholes is None else wholes
    counts = wholes > 0
    top, bottom = parts[counts], wholes[counts]
    return cluster_bootstrap(
        lambda items: float(top[items].sum() / bottom[items].sum()),
        groups[counts].tolist(),
        num_resamples=num_resamples,
        seed=seed,
    )


def _means(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Mean of the values that are not ``nan`` at each index from 0."""
    defined = ~np.isnan(values)
    sums = np.bincount(index, weights=np.where(defined, values, 0))
    return ratio(sums, np.bincount(index, weights=defined))


def _check_images(probs: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> None:
    if not probs.shape == predicted.shape == truth.shape or truth.ndim != 2 or not truth.size:
        raise ValueError(f"images of shapes {probs.shape}, {predicted.shape} and {truth.shape}")
    if not predicted.dtype == truth.dtype == bool:
        raise ValueError(f"masks of types {predicted.dtype} and {truth.dtype} instead of bool")
    low, high = probs.min(), probs.max()
    if not (low >= -PROBABILITY_TOLERANCE and high <= 1 + PROBABILITY_TOLERANCE):  # nan is neither
        raise ValueError(f"probabilities from {low:g} to {high:g}")


def _check_names(
    frames: Sequence[FrameScores], sequences: Sequence[str], groups: Sequence[str]
) -> None:
    if not len(frames) == len(sequences) == len(groups):
        raise ValueError(
            f"{len(frames)} frames with {len(sequences)} sequences and {len(groups)} groups"
        )
    group_of: dict[str, str] = {}
    for sequence, group in zip(sequences, groups, strict=True):
        if group_of.setdefault(sequence, group) != group:
            raise ValueError(
                f"sequence '{sequence}' is of two groups: '{group_of[sequence]}', '{group}'"
            )
