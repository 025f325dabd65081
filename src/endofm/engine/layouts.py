"""The layouts of checkpoints we know, and how each becomes a backbone and a head.

==============  ==================================================================================
pretraining     ``student`` (``module.backbone.*``, ``module.head.*``) and ``teacher``
                (``backbone.*``, ``head.*``), beside optimizer, epoch and centre; DINO's too
classifier      ``backbone_state_dict`` (``module.*``) and ``state_dict`` (``module.linear.*``);
                ours is flat or under ``classifier``: ``backbone.*``, ``linear.*``, ``pool.*``
segmenter       flat: ``transformer.*``, ``decoder.*``, ``segmentation_head.*``, where a backbone's
                ``patch_embed``, ``pos_embed`` and ``time_embed`` are dropped; in ours, too:
                ``stem.*``, ``proj.*``, ``pos_embed``, ``backbone.*``, ``decoder.*``, ``head.*``
detector        flat or under ``model``, perhaps behind ``module.``: ``backbone.body.*``,
                ``backbone.fpn.*``, ``rpn.head.*``; in ours ``backbone.*``, ``pyramid.*``,
                ``head.*``, ``transform.*``
view_network    flat, or under ``state_dict`` or ``model``: ``backbone.*`` and perhaps ``head.*``
backbone        flat or under these names: a TimeSformer, perhaps with a linear ``head.*``
image_backbone  the same of a ViT for images: no ``temporal_*``, no ``time_embed``
weights         anything else
==============  ==================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from endofm.engine import detector_layout, segmenter_layout
from endofm.engine.detector_layout import is_detector
from endofm.engine.key_names import State
from endofm.engine.segmenter_layout import HEAD_CHANNELS, is_segmenter
from endofm.engine.sources import NETWORKS, TASK_NETWORKS
from endofm.errors import WeightsError
from endofm.models.timesformer import PATCH_PX

_WRAPPERS = (*TASK_NETWORKS, "backbone_state_dict", "state_dict", "model")
_CLASSIFIER_PARTS = ("linear.", "pool.")
_SHAPE_GIVERS = {  # what tells the architecture, and how many axes it has
    "patch_embed.proj.weight": 4,
    "pos_embed": 3,
    "time_embed": 3,
    "blocks.0.mlp.fc1.weight": 2,
}
_INFLATED_NUM_FRAMES = 8
_IMAGE_SHAPES = {  # 0 stands for any size
    "patch_embed.proj.weight": (0, 3, PATCH_PX, PATCH_PX),
    "pos_embed": (1, 1 + 14 * 14, 0),
}


def recognise(tree: Mapping[Any, Any]) -> str:
    """The layout's name, one of the module's table."""
    held = [name for name in NETWORKS if _holds(tree, name)]
    state = by_our_names(select_state(tree, (held or NETWORKS)[0], source=""))
    backbone, _ = split_network(state)
    fits = {
        "weights": not has_blocks(backbone),
        "pretraining": bool(held),
        "segmenter": is_segmenter(state),
        "detector": is_detector(state),
        "classifier": _holds(tree, "backbone_state_dict") or "linear.weight" in state,
        "view_network": _is_wrapped(state),
        "image_backbone": is_image(backbone),
    }
    return next((layout for layout, fit in fits.items() if fit), "backbone")


def select_state(tree: Mapping[Any, Any], network: str, *, source: str | Path) -> State:
    """The flat state of one network, without the ``module.`` of distributed training.

    Args:
        tree: A checkpoint.
        network: ``teacher`` or ``student``; means nothing where the checkpoint tells no two apart.
        source: Where it is from, for messages.

    Raises:
        WeightsError: The checkpoint holds the other network alone.
    """
    for _ in range(2):  # a wrapper may hold the networks, or each network a wrapper
        others = [name for name in NETWORKS if name != network and _holds(tree, name)]
        if others and not _holds(tree, network):
            raise WeightsError(
                f"{source} holds no {network}, but a {others[0]}",
                f"ask for network={others[0]!r}",
            )
        tree = next((tree[n] for n in (network, *_WRAPPERS) if _holds(tree, n)), tree)
    return {
        key.removeprefix("module."): value
        for key, value in tree.items()
        if isinstance(key, str) and isinstance(value, Tensor)
    }


def by_our_names(state: State) -> State:
    """A segmenter's or detector's tensors under our names; all others keep their own."""
    return detector_layout.by_our_names(segmenter_layout.by_our_names(state))


def split_network(state: State) -> tuple[State, State]:
    """Backbone and DINO head, without their prefixes; other heads are left out.

    Args:
        state: By our names.
    """
    if is_detector(state):
        return _below("backbone.", state), {}
    if _is_wrapped(state):
        return _below("backbone.", state), _below("head.", state)
    return {key: value for key, value in state.items() if not key.startswith("head.")}, {}


def classifier_state(tree: Mapping[Any, Any], *, source: str | Path) -> State:
    """What a classifier has behind its backbone, without the ``module.`` of the original.

    Raises:
        WeightsError: The checkpoint is no classifier's.
    """
    whole = tree.get("state_dict") if _holds(tree, "backbone_state_dict") else None
    held = [name for name in NETWORKS if _holds(tree, name)]
    state = select_state(whole or tree, (held or NETWORKS)[0], source=source)
    head = {key: value for key, value in state.items() if key.startswith(_CLASSIFIER_PARTS)}
    if head.get("linear.weight", torch.empty(0)).ndim != 2:
        raise WeightsError(
            f"{source} holds no classifier",
            "give a fine-tuned checkpoint, or train one with endofm finetune classify",
        )
    return head


def original_classifier(state: State) -> dict[str, State]:
    """A classifier of ours in the original's layout."""
    head = {k: v for k, v in state.items() if k.startswith(_CLASSIFIER_PARTS)}
    return {
        "backbone_state_dict": {
            f"module.{key}": value for key, value in _below("backbone.", state).items()
        },
        "state_dict": {f"module.{key}": value for key, value in head.items()},
    }


def has_blocks(backbone: State) -> bool:
    """Is there a transformer of this family at all?"""
    return "blocks.0.attn.qkv.weight" in backbone


def is_image(backbone: State) -> bool:
    """Is this a transformer for single images?"""
    return not any(key == "time_embed" or ".temporal_" in key for key in backbone)


def inflate(image: State, *, source: str | Path) -> State:
    """A video backbone that starts from an image ViT (TimeSformer, Bertasius et al. 2021, §4).

    The temporal attention and its norm start as copies of the spatial ones; ``temporal_fc`` and
    ``time_embed`` start at zero, so that at first every frame is seen as the image model sees it.

    Args:
        image: A ViT with patches of 16 px at 224 px: ``pos_embed`` is (1, 197, D).
        source: Where it is from, for messages.

    Raises:
        WeightsError: The ViT has another patch size or another grid.
    """
    dim = _checked_dim(image, source)
    video = dict(image)
    for key, value in image.items():
        for spatial, temporal in ((".attn.", ".temporal_attn."), (".norm1.", ".temporal_norm1.")):
            if spatial in key:
                video[key.replace(spatial, temporal)] = value.clone()
        if key.endswith(".attn.proj.weight"):
            block = key.removesuffix("attn.proj.weight")
            video[f"{block}temporal_fc.weight"] = torch.zeros_like(value)
            video[f"{block}temporal_fc.bias"] = value.new_zeros(dim)
    video["time_embed"] = image["pos_embed"].new_zeros(1, _INFLATED_NUM_FRAMES, dim)
    return video


def architecture(
    state: State, overrides: Mapping[str, Any], *, source: str | Path
) -> dict[str, Any]:
    """The arguments of the TimeSformer that these tensors fit.

    Args:
        state: A backbone's tensors by our names.
        overrides: Arguments that take the place of the inferred ones.
        source: Where the tensors are from, for messages.

    Raises:
        WeightsError: The tensors do not tell the architecture, or it is another one.
    """
    for key, num_axes in _SHAPE_GIVERS.items():
        if key not in state or state[key].ndim != num_axes:
            raise WeightsError(
                f"{source}: the backbone has no {key} of {num_axes} axes",
                "the file is incomplete or of another model",
            )
    dim, *patch = state["patch_embed.proj.weight"].shape
    num_positions = state["pos_embed"].shape[1]
    grid = math.isqrt(max(num_positions - 1, 0))
    fits_heads = "num_heads" in overrides or (dim > 0 and dim % HEAD_CHANNELS == 0)
    if patch != [3, PATCH_PX, PATCH_PX] or num_positions != 1 + grid**2 or not fits_heads:
        raise WeightsError(
            f"{source}: no TimeSformer here has {dim} channels, patches of {patch} and "
            f"{num_positions} positions",
            f"it takes RGB patches of {PATCH_PX} px in a square grid, and a multiple of "
            f"{HEAD_CHANNELS} channels",
        )
    return {
        "embed_dim": dim,
        "depth": len({key.split(".")[1] for key in state if key.startswith("blocks.")}),
        "num_heads": dim // HEAD_CHANNELS,
        "num_frames": state["time_embed"].shape[1],
        "grid": grid,
        "mlp_ratio": state["blocks.0.mlp.fc1.weight"].shape[0] / dim,
        **overrides,
    }


def _checked_dim(image: State, source: str | Path) -> int:
    """Channels D of a ViT that can be inflated."""
    for key, expected in _IMAGE_SHAPES.items():
        shape = tuple(image[key].shape) if key in image else ()
        if len(shape) != len(expected) or any(
            e and e != s for e, s in zip(expected, shape, strict=True)
        ):
            raise WeightsError(
                f"{source}: an image transformer whose {key} has the shape {shape}",
                "take a plain ViT with 16 px patches for 224 px, such as DINO's ViT-B/16",
            )
    return image["pos_embed"].shape[2]


def _holds(tree: Mapping[Any, Any], name: str) -> bool:
    return isinstance(tree.get(name), Mapping)


def _is_wrapped(state: State) -> bool:
    return any(key.startswith("backbone.") for key in state)


def _below(prefix: str, state: State) -> State:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
