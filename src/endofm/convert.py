"""From the original's checkpoints to ours and back, without losing anything.

Ours is one safetensors file: each tensor under its place in the checkpoint, the rest as JSON in
the header. A run of ours becomes the checkpoint that the original's pre-training would write.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from endofm.engine.checkpoint import STATE, TRAINING
from endofm.engine.detector_layout import original_detector
from endofm.engine.layouts import original_classifier, recognise
from endofm.engine.segmenter_layout import original_segmenter
from endofm.engine.sources import CLASSIFIER, DETECTOR, SEGMENTER, locate
from endofm.engine.structure import flatten, unflatten
from endofm.engine.weights import (
    STRUCTURE,
    read_checkpoint,
    save_weights,
    weights_sha256,
    writing,
)
from endofm.errors import WeightsError

_TORCH_SUFFIXES = {".pth", ".pt", ".tar"}


@dataclass(frozen=True)
class Conversion:
    """What was converted; the same for a checkpoint in either format."""

    kind: str
    """The layout, as in ``endofm.engine.layouts``."""
    num_tensors: int
    num_parameters: int
    """Numbers in all tensors together, the optimizer's and the centre's included."""
    sha256: str
    """Of all tensors by their place in the checkpoint."""


def convert(source: str | Path, target: str | Path, *, overwrite: bool = False) -> Conversion:
    """Write a checkpoint in the other format.

    Args:
        source: A weights file, a run or checkpoint folder of ours, or a Hub id.
        target: ``.safetensors`` for ours; ``.pth``, ``.pt`` or ``.pth.tar`` for the original's.
        overwrite: Replace an existing target.

    Returns:
        A summary. The values, types of tensors and nesting of the target are those of the
        source; memory shared by tensors is not, and numpy's numbers become plain ones.

    Raises:
        WeightsError: The source cannot be read, or the target exists or cannot be written.
    """
    target = Path(target)
    if target.suffix not in _TORCH_SUFFIXES | {".safetensors"}:
        raise WeightsError(
            f"{target}: unknown format {target.suffix!r}",
            "end the name in .safetensors for ours or in .pth for the original's",
        )
    if target.exists() and not overwrite:
        raise WeightsError(f"{target} exists", "add --overwrite, or name another file")
    tree = _complete_checkpoint(source)
    kind = recognise(tree)
    try:
        tensors, structure = flatten(tree)
    except WeightsError as error:
        raise WeightsError(f"{source}: {error.message}", error.hint) from error
    if target.suffix == ".safetensors":
        save_weights(target, tensors, kind=kind, metadata={STRUCTURE: structure})
    else:
        with writing(target) as draft:
            torch.save(unflatten(tensors, structure), draft)
    return Conversion(
        kind=kind,
        num_tensors=len(tensors),
        num_parameters=sum(tensor.numel() for tensor in tensors.values()),
        sha256=weights_sha256(tensors),
    )


def _complete_checkpoint(source: str | Path) -> dict[Any, Any]:
    """All that ``source`` holds; a checkpoint folder of ours in the original's layout."""
    path = locate(source)
    tree = read_checkpoint(path)
    if not path.is_dir():
        return tree
    if CLASSIFIER in tree:
        return dict(original_classifier(tree[CLASSIFIER]))
    if SEGMENTER in tree:
        return dict(original_segmenter(tree[SEGMENTER]))
    if DETECTOR in tree:
        return dict(original_detector(tree[DETECTOR]))
    if "student" in tree:
        tree["student"] = {f"module.{key}": value for key, value in tree["student"].items()}
    return {**tree, **_progress(path)}


def _progress(checkpoint: Path) -> dict[str, Any]:
    """Centre and epoch under the original's names, as far as a checkpoint folder has them."""
    progress: dict[str, Any] = {}
    training, state = checkpoint / TRAINING, checkpoint / STATE
    if training.is_file() and "centre" in (tensors := read_checkpoint(training)):
        progress["dino_loss"] = {"center": tensors["centre"]}
    if state.is_file():
        try:
            facts = json.loads(state.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise WeightsError(f"{state} is damaged", "take another checkpoint") from error
        if "epoch" in facts:
            progress["epoch"] = facts["epoch"]
    return progress
