"""The loss of a segmented sequence: cross-entropy and soft Dice, half each.

TransUNet (Chen et al., 2021) as Endo-FM trains it (Wang et al., MICCAI 2023); the Dice loss has
squared denominators (V-Net, Milletari et al., 3DV 2016). Sums are float32 under any autocast.
Axes: B sequences, T frames, K classes, H and W pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

DICE_SMOOTH = 1e-5


class SegmentationLoss(NamedTuple):
    """Means over sequences, each a scalar."""

    total: Tensor  # half the sum of both: what is trained
    cross_entropy: Tensor
    dice: Tensor


def segmentation_loss(logits: Tensor, labels: Tensor) -> SegmentationLoss:
    """Cross-entropy over all pixels, and soft Dice of each sequence.

    Args:
        logits: ``(B, T, K, H, W)``.
        labels: Class of each pixel, ``(B, T, H, W)`` int64 in 0 to K - 1.
    """
    cross_entropy = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(0, 1))
    dice = dice_loss(logits, labels).mean()
    return SegmentationLoss((cross_entropy + dice) / 2, cross_entropy, dice)


def dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """1 minus the soft Dice of each class over a whole sequence, the mean over classes.

    Dice is ``2 sum(p g) / (sum(p^2) + sum(g^2))``, each sum plus 1e-5, with p the softmax of the
    logits and g the labels, so that a class that is nowhere and predicted nowhere costs nothing.

    Args:
        logits: ``(B, T, K, H, W)``.
        labels: ``(B, T, H, W)`` int64 in 0 to K - 1.

    Returns:
        ``(B,)`` float32 in [0, 1].
    """
    probs = logits.float().softmax(2)  # (B, T, K, H, W)
    truth = F.one_hot(labels, logits.shape[2]).movedim(-1, 2).float()  # (B, T, K, H, W)
    overlap = (probs * truth).sum((1, 3, 4))  # (B, K)
    areas = (probs.square() + truth).sum((1, 3, 4))  # (B, K); a 0 or 1 is its own square
    return 1 - ((2 * overlap + DICE_SMOOTH) / (areas + DICE_SMOOTH)).mean(1)
