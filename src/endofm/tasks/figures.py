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


@torch.no_grad()
def write_attention(path: Path, backbone: TimeSformer, frames: np.ndarray) -> None:
    """Write what the class token attends to in the last block, frame by frame.

    Args:
        path: An ``.npz`` file: ``frames`` as given, ``attention`` (heads, T, h, w) float32.
        backbone: In eval mode.
        frames: (T, H, W, 3) uint8, H and W multiples of 16.
    """
    device = backbone.cls_token.device
    weights = backbone.last_attention(normalise(torch.from_numpy(frames)[None].to(device)))
    height, width = frames.shape[1:3]
    maps = weights[:, :, 0, 1:].unflatten(-1, (height // 16, width // 16))  # (T, heads, h, w)
    with replacing(path) as draft:
        np.savez_compressed(
            draft, frames=frames, attention=maps.transpose(0, 1).float().cpu().numpy()
        )
