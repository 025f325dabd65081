"""The segmenter's stem from ImageNet: the ``.npz`` files of R50+ViT, as TransUNet starts.

Their arrays are named and laid out as in the JAX code of ViT (Dosovitskiy et al., ICLR 2021):
kernels (H, W, C_in, C_out), norms (1, 1, 1, C). Only the stem, the map from it to tokens and the
tokens' positions are taken; the blocks are those of a video backbone.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from endofm.errors import WeightsError
from endofm.models import TransUNet

_POSITIONS = "Transformer/posembed_input/pos_embedding"
_PARTS = {  # ours and theirs
    "stem.root.conv": "conv_root",
    "stem.root.gn": "gn_root",
    "proj": "embedding",
}


def load_stem(segmenter: TransUNet, path: str | Path) -> None:
    """Copy stem, ``proj`` and ``pos_embed`` of a file such as ``R50+ViT-B_16.npz``, in place.

    Raises:
        WeightsError: The file is missing, damaged, no R50+ViT, or of another size.
    """
    arrays = _read(Path(path))
    own = {
        key: value
        for key, value in segmenter.state_dict().items()
        if key.startswith(("stem.", "proj.")) or key == "pos_embed"
    }
    taken = {}
    for key, value in own.items():
        name = _name(key, value)
        if name not in arrays:
            raise WeightsError(f"{path} has no {name}", "give the file of an R50+ViT for ImageNet")
        tensor = _tensor(key, arrays[name], num_axes=value.ndim)
        if tensor.shape != value.shape:
            raise WeightsError(
                f"{path}: {name} gives {tuple(tensor.shape)}, the segmenter has "
                f"{tuple(value.shape)}",
                "R50+ViT-B_16 fits the base model; smaller ones start without it",
            )
        taken[key] = tensor
    segmenter.load_state_dict(taken, strict=False)


def _read(path: Path) -> Mapping[str, NDArray[np.float32]]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if not name.startswith("Transformer/e")}
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file", "check the path") from None
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path} is no .npz file, or is damaged", "download or copy it again"
        ) from error


def _name(key: str, value: Tensor) -> str:
    """Where one of our tensors is in the file."""
    if key == "pos_embed":
        return _POSITIONS
    part, kind = key.rsplit(".", 1)
    unit = part.removeprefix("stem.body.").replace(".", "/").replace("downsample", "conv_proj")
    gain = "kernel" if value.ndim == 4 else "scale"
    return f"{_PARTS.get(part, unit)}/{gain if kind == 'weight' else kind}"


def _tensor(key: str, array: NDArray[np.float32], *, num_axes: int) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if key == "pos_embed":
        return tensor[:, 1:]  # the first is the class token's, which the backbone has
    if num_axes == 1:
        return tensor.flatten()
    return tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor
