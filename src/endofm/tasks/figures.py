"""What a run keeps to be looked at: the views of one clip, and where the teacher looks.

Arrays, not pictures: the report draws them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from endofm.data.colour import IMAGENET_MEAN, IMAGENET_STD, normalise
from endofm.files import replacing
from endofm.models import TimeSformer
from endofm.models.timesformer import PATCH_PX


def write_views(path: Path, views: Sequence[Tensor], *, num_global: int) -> None:
    """Write the first clip of a batch of views as the student sees it.

    Args:
        path: An ``.npz`` file: ``view0``, ``view1``, ... (T, H, W, 3) uint8, and ``num_global``.
        views: (B, 3, T, H, W) normalised, the global ones first.
        num_global: Their number.
    """
    mean, std = (
        torch.tensor(values)[:, None, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    arrays: dict[str, Any] = {}
    for number, view in enumerate(views):
        picture = (view[0].float().cpu() * std + mean).clamp(0, 1).mul(255).round()
        arrays[f"view{number}"] = picture.permute(1, 2, 3, 0).to(torch.uint8).numpy()
    with replacing(path) as draft:
        np.savez_compressed(draft, num_global=np.int64(num_global), **arrays)


def write_attention(path: Path, backbone: TimeSformer, frames: np.ndarray) -> None:
    """Write what the class token attends to in the last block, frame by frame.

    Args:
        path: An ``.npz`` file: ``frames`` as given, ``attention`` (heads, T, h, w) float32.
        backbone: In eval mode.
        frames: (T, H, W, 3) uint8, H and W multiples of 16.
    """
    attention = attention_maps(backbone, frames)
    with replacing(path) as draft:
        np.savez_compressed(draft, frames=frames, attention=attention)


@torch.no_grad()
def attention_maps(
    backbone: TimeSformer,
    frames: np.ndarray,
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> np.ndarray:
    """What the class token attends to in the last block, frame by frame.

    Args:
        backbone: In eval mode.
        frames: (T, H, W, 3) in 0..255, H and W multiples of 16.
        mean: Of the normalisation.
        std: Of the normalisation.

    Returns:
        (heads, T, h, w) float32.
    """
    clips = normalise(
        torch.from_numpy(frames)[None].to(backbone.cls_token.device), mean=mean, std=std
    )
    height, width = frames.shape[1:3]
    weights = backbone.last_attention(clips)[:, :, 0, 1:]  # (T, heads, P)
    maps = weights.unflatten(-1, (height // PATCH_PX, width // PATCH_PX))
    return maps.transpose(0, 1).float().cpu().numpy()
