"""Learning to detect: from the network's levels to the losses.

Axes: B frames, L cells of all levels together, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from endofm.models.fcos import cell_centres
from endofm.models.stft import LevelOutput
from endofm.objectives.detection import CellPredictions, Cells


def predictions_of(outputs: Sequence[LevelOutput]) -> tuple[Cells, CellPredictions]:
    """All levels' cells one after another, and what is said of each."""

    def joined(name: str) -> Tensor:
        levels = [getattr(level, name).flatten(2).mT for level in outputs]
        return torch.cat(levels, 1).float()  # (B, L, ...)

    predicted = CellPredictions(
        class_logits=joined("class_logits"),
        centreness_logits=joined("centreness_logits")[..., 0],
        distances_px=joined("distances_px"),
        boxes_xyxy=joined("boxes_xyxy"),
        stft_class_logits=joined("stft_class_logits"),
        corrections=joined("corrections"),
    )
    return _cells(outputs, like=predicted.boxes_xyxy), predicted


def _cells(outputs: Sequence[LevelOutput], *, like: Tensor) -> Cells:
    centres, strides, levels = [], [], []
    for index, level in enumerate(outputs):
        height, width = level.class_logits.shape[-2:]
        centres.append(cell_centres((height, width), stride=level.stride, like=like).flatten(1).T)
        strides.append(like.new_full((height * width,), level.stride))
        levels.append(torch.full((height * width,), index, device=like.device))
    return Cells(torch.cat(centres), torch.cat(strides), torch.cat(levels))
