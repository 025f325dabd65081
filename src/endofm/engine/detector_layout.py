"""The tensors of a detector: the original's names and ours, and the shapes that tell its sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from endofm.engine.key_names import State, renamed
from endofm.errors import WeightsError

_PARTS = {  # the original's beginning of a key, and ours
    "backbone.body.fpn2.0.": "pyramid.up.",
    "backbone.body.": "backbone.",
    **{
        f"backbone.fpn.fpn_{kind}{level}.": f"pyramid.{ours}.{level - 2}."
        for kind, ours in (("inner", "inner"), ("layer", "outer"))
        for level in (2, 3, 4)
    },
    "backbone.fpn.top_blocks.p6.": "pyramid.coarser.0.",
    "backbone.fpn.top_blocks.p7.": "pyramid.coarser.1.",
    "rpn.head.cls_tower.": "head.class_tower.",
    "rpn.head.bbox_tower.": "head.box_tower.",
    "rpn.head.cls_logits.": "head.class_logits.",
    "rpn.head.bbox_pred.": "head.distances.",
    "rpn.head.centerness.": "head.centreness.",
    **{f"rpn.head.scales.{level}.scale": f"head.scales.{level}" for level in range(5)},
    **{
        f"rpn.head.dcn_{kind}_subnet.conv_{part}.": f"transform.{ours}.{our_part}."
        for kind, ours in (("cls", "class_branch"), ("bbox", "box_branch"))
        for part, our_part in (("offset", "offsets"), ("adaption", "adaption"))
    },
    "rpn.head.dcn_cls_score.": "transform.class_logits.",
    "rpn.head.dcn_bbox_pred.": "transform.corrections.",
}
_UNUSED = "backbone.body.fpn1."
"""Weights that the original holds and never computes with."""

_SIGN = "transform.class_branch.adaption.weight"
_SHAPE_GIVERS = {_SIGN: 4, "head.class_logits.weight": 4}  # and how many axes each has


def by_our_names(state: State) -> State:
    """A detector's tensors under our names; whatever is none of the original's keeps its own."""
    if not any(key.startswith("rpn.head.") for key in state):
        return state
    used = {key: value for key, value in state.items() if not key.startswith(_UNUSED)}
    return renamed(used, _PARTS)


def is_detector(state: State) -> bool:
    """Are these the tensors of a detector, by our names?"""
    return _SIGN in state


def detector_state(state: State, *, source: str | Path) -> State:
    """A detector's tensors by our names, from the original's or from ours.

    Raises:
        WeightsError: They are no detector's.
    """
    state = by_our_names(state)
    if not is_detector(state):
        raise WeightsError(
            f"{source} holds no detector", "give the checkpoint of a fine-tuned FCOS with STFT"
        )
    return state


def original_detector(state: State) -> dict[str, State]:
    """A detector of ours in the original's layout, without what the original never uses."""
    return {"model": renamed(state, {ours: original for original, ours in _PARTS.items()})}


def detector_architecture(state: State, *, source: str | Path) -> dict[str, Any]:
    """The arguments of the Detector that a detector's tensors fit, but for its backbone.

    Raises:
        WeightsError: The tensors do not tell the architecture.
    """
    for key, num_axes in _SHAPE_GIVERS.items():
        if key not in state or state[key].ndim != num_axes:
            raise WeightsError(
                f"{source}: the detector has no {key} of {num_axes} axes",
                "the file is incomplete or of another model",
            )
    num_classes, channels = state["head.class_logits.weight"].shape[:2]
    return {"num_classes": num_classes, "channels": channels}
