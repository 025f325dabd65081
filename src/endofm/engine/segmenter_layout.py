"""The tensors of a segmenter: the original's names and ours, and the shapes that tell its sizes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from endofm.engine.key_names import State, renamed
from endofm.errors import WeightsError

HEAD_CHANNELS = 64
"""Of every attention head of the backbones."""

_PARTS = {  # the original's beginning of a key, and ours
    "transformer.embeddings.hybrid_model.": "stem.",
    "transformer.embeddings.patch_embeddings.": "proj.",
    "transformer.embeddings.position_embeddings": "pos_embed",
    "transformer.encoder.cls_token": "backbone.cls_token",
    "transformer.encoder.layer.": "backbone.blocks.",
    "transformer.encoder.encoder_norm.": "backbone.norm.",
    "segmentation_head.0.": "head.",
}
_SIGN = "stem.root.conv.weight"
_SHAPE_GIVERS = {  # what tells the architecture, and how many axes it has
    _SIGN: 4,
    "pos_embed": 3,
    "head.weight": 4,
    "backbone.blocks.0.mlp.fc1.weight": 2,
}


def by_our_names(state: State) -> State:
    """A segmenter's tensors under our names; whatever is none of the original's keeps its own."""
    return renamed(state, _PARTS)


def is_segmenter(state: State) -> bool:
    """Are these the tensors of a segmenter, by our names?"""
    return _SIGN in state


def segmenter_state(state: State, *, source: str | Path) -> State:
    """A segmenter's tensors by our names, from the original's or from ours.

    Raises:
        WeightsError: They are no segmenter's.
    """
    state = by_our_names(state)
    if not is_segmenter(state):
        raise WeightsError(
            f"{source} holds no segmenter",
            "give the checkpoint of a fine-tuned TransUNet",
        )
    return state


def original_segmenter(state: State) -> State:
    """A segmenter of ours by the original's names."""
    return renamed(state, {ours: original for original, ours in _PARTS.items()})


def segmenter_architecture(state: State, *, source: str | Path) -> tuple[dict[str, Any], ...]:
    """The arguments of the TransUNet that a segmenter's tensors fit, and of its TimeSformer.

    Args:
        state: As from ``segmenter_state``.
        source: Where the tensors are from, for messages.

    Raises:
        WeightsError: The tensors do not tell the architecture, or it is another one.
    """
    shapes = {}
    for key, num_axes in _SHAPE_GIVERS.items():
        if key not in state or state[key].ndim != num_axes:
            raise WeightsError(
                f"{source}: the segmenter has no {key} of {num_axes} axes",
                "the file is incomplete or of another model",
            )
        shapes[key] = state[key].shape
    _, num_positions, dim = shapes["pos_embed"]
    grid = math.isqrt(num_positions)
    if grid**2 != num_positions or not dim or dim % HEAD_CHANNELS:
        raise WeightsError(
            f"{source}: no TransUNet here has {dim} channels and {num_positions} positions",
            f"it takes a square grid and a multiple of {HEAD_CHANNELS} channels",
        )
    segmenter = {
        "num_classes": shapes["head.weight"][0],
        "width": shapes[_SIGN][0],
        "grid": grid,
    }
    backbone = {
        "embed_dim": dim,
        "depth": len({key.split(".")[2] for key in state if key.startswith("backbone.blocks.")}),
        "num_heads": dim // HEAD_CHANNELS,
        "mlp_ratio": shapes["backbone.blocks.0.mlp.fc1.weight"][0] / dim,
    }
    return segmenter, backbone
