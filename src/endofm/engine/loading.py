"""From a name to a network that is ready to use."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, overload

import torch
from torch import Tensor

from endofm.engine.layouts import State, architecture, classifier_state
from endofm.engine.sources import NETWORKS
from endofm.engine.weights import load_backbone, load_state, networks_in, read_checkpoint
from endofm.errors import WeightsError
from endofm.models import Classifier, TimeSformer

Task = Literal["classify"]


@overload
def load(source: str | Path) -> TimeSformer: ...


@overload
def load(source: str | Path, *, task: Task) -> Classifier: ...


def load(source: str | Path, *, task: Task | None = None) -> TimeSformer | Classifier:
    """The network of any weights we know, in eval mode, float32, on the CPU.

    Args:
        source: An original ``.pth``, our ``.safetensors``, a run folder, or a Hub id such as
            ``org/name``.
        task: Without it, the backbone of the weights, whatever they were trained for; with
            ``classify``, backbone and classifier: clips (B, 3, T, H, W) to logits (B, K).

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or of another model.
    """
    return load_backbone(source) if task is None else load_classifier(source)


def load_classifier(source: str | Path) -> Classifier:
    """A classifier in eval mode, built to the shapes of its weights.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or no classifier's.
    """
    tree = read_checkpoint(source)
    backbone, _ = networks_in(tree, NETWORKS[0], source=source)
    head = classifier_state(tree, source=source)
    if broken := [key for key, value in head.items() if not bool(value.isfinite().all())]:
        raise WeightsError(f"{source}: NaN or infinity in {broken[0]}", "take another checkpoint")
    with torch.device("meta"):  # no time spent on initial values
        classifier = Classifier(
            TimeSformer(**architecture(backbone, {}, source=source)),
            num_classes=len(head["linear.weight"]),
            pooling="attentive" if "pool.query" in head else "class_token",
        )
    load_state(classifier, _joined(backbone, head), source=source)
    return classifier.eval()


def _joined(backbone: State, head: State) -> dict[str, Tensor]:
    return {**{f"backbone.{key}": value for key, value in backbone.items()}, **head}
