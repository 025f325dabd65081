"""Self-distillation over the views of a clip.

DINO (Caron et al., ICCV 2021), equations 1-4; the two parts of the loss are those of Endo-FM
(Wang et al., MICCAI 2023). Logarithms and sums are float32 under any autocast.
Axes: G global views (the teacher's), V views (the student's, the G global ones first), B clips,
K prototypes; rows are view-major.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class DINOLoss(NamedTuple):
    """Means over pairs of a teacher's and a student's view, each a scalar."""

    total: Tensor  # over all pairs of different views: what is trained
    cross_view: Tensor  # L_cv: global against local views; 0 where there is no local view
    dynamic: Tensor  # L_dm: global against other global views; 0 where there is only one


def teacher_probabilities(logits: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """Centred and sharpened softmax: logits ``(G*B, K)``, centre ``(1, K) -> (G*B, K)`` float32."""
    return (logits.float() - centre).div_(temperature).softmax(-1)


def pair_losses(
    student_logits: Tensor, teacher_probs: Tensor, *, num_clips: int, temperature: float
) -> Tensor:
    """Cross-entropy of every teacher's view with every student's view, the mean over clips.

    Args:
        student_logits: ``(V*B, K)``.
        teacher_probs: ``(G*B, K)``, each row summing to 1.
        num_clips: B.
        temperature: The student's.

    Returns:
        ``(G, V)`` float32.
    """
    with torch.autocast(student_logits.device.type, enabled=False):
        scaled = student_logits.float() / temperature  # (V*B, K)
        # -sum q log softmax(s) = logsumexp(s) - <q, s>, and one product gives it for all pairs.
        log_normaliser = scaled.logsumexp(-1).view(-1, num_clips).mean(1)  # (V,)
        flat_shape = (-1, num_clips * scaled.shape[1])
        overlap = teacher_probs.float().view(flat_shape) @ scaled.view(flat_shape).T  # (G, V)
        return log_normaliser - overlap / num_clips


def dino_loss(pairs: Tensor) -> DINOLoss:
    """The mean over pairs of different views, and its two parts.

    Args:
        pairs: ``(G, V)`` as from ``pair_losses``, the student's first G views the teacher's.
    """
    num_global, num_views = pairs.shape
    num_dynamic, num_cross = num_global * (num_global - 1), num_global * (num_views - num_global)
    assert num_dynamic + num_cross > 0, "a loss needs two different views"
    same_view = torch.eye(num_global, dtype=torch.bool, device=pairs.device)
    dynamic = pairs[:, :num_global].masked_fill(same_view, 0).sum()
    cross_view = pairs[:, num_global:].sum()
    return DINOLoss(
        total=(dynamic + cross_view) / (num_dynamic + num_cross),
        cross_view=cross_view / max(num_cross, 1),
        dynamic=dynamic / max(num_dynamic, 1),
    )


def next_centre(centre: Tensor, batch_mean: Tensor, momentum: float) -> Tensor:
    """Moving average of the raw teacher logits: ``(1, K), (1, K) -> (1, K)``.

    Args:
        centre: The centre that the loss of this step used.
        batch_mean: Mean of this step's teacher logits over global views, clips and ranks.
        momentum: Share of the old centre.
    """
    return centre * momentum + batch_mean * (1 - momentum)


def teacher_entropy(probs: Tensor) -> Tensor:
    """Mean entropy of the rows in nats: ``(N, K) -> ()``; 0 or log K are signs of collapse."""
    return torch.special.entr(probs).sum(-1).mean()
