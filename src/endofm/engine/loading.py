"""From a name to a network that is ready to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, overload

import torch
from torch import Tensor

from endofm.engine.detector_layout import detector_architecture, detector_state
from endofm.engine.key_names import State
from endofm.engine.layouts import (
    architecture,
    classifier_state,
    recognise,
    select_state,
)
from endofm.engine.segmenter_layout import segmenter_architecture, segmenter_state
from endofm.engine.sources import NETWORKS
from endofm.engine.weights import load_backbone, load_state, networks_in, read_checkpoint
from endofm.errors import ConfigError, WeightsError
from endofm.models import Classifier, Detector, TimeSformer, TransUNet

Task = Literal["classify", "segment", "detect"]
Network = TimeSformer | Classifier | TransUNet | Detector


@overload
def load(source: str | Path) -> TimeSformer: ...


@overload
def load(source: str | Path, *, task: Literal["classify"]) -> Classifier: ...


@overload
def load(source: str | Path, *, task: Literal["segment"]) -> TransUNet: ...


@overload
def load(source: str | Path, *, task: Literal["detect"]) -> Detector: ...


def load(source: str | Path, *, task: Task | None = None) -> Network:
    """The network of any weights we know, in eval mode, float32, on the CPU.

    Args:
        source: An original ``.pth``, our ``.safetensors``, a run folder, or a Hub id such as
            ``org/name``.
        task: Without it, the backbone of the weights, whatever they were trained for; with
            ``classify``, backbone and classifier: clips (B, 3, T, H, W) to logits (B, K); with
            ``segment``, a TransUNet: frames (B, T, 3, H, W) to logits (B, T, K, H, W); with
            ``detect``, a Detector: frames (B, 1 + R, 3, H, W), the current one first.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or of another model.
        ConfigError: There is no such task.
    """
    loaders: dict[str | None, Callable[[str | Path], Network]] = {
        None: load_backbone,
        "classify": load_classifier,
        "segment": load_segmenter,
        "detect": load_detector,
    }
    if task not in loaders:
        raise ConfigError(
            f"task is {task!r}", "choose 'classify', 'segment' or 'detect', or leave it out"
        )
    return loaders[task](source)


def task_of(source: str | Path) -> Task | None:
    """What weights were fine-tuned for; ``None`` for those that are only a backbone's.

    Raises:
        WeightsError: The weights are missing, unsafe or damaged.
    """
    tasks: dict[str, Task] = {
        "classifier": "classify",
        "segmenter": "segment",
        "detector": "detect",
    }
    return tasks.get(recognise(read_checkpoint(source)))


def load_classifier(source: str | Path) -> Classifier:
    """A classifier in eval mode, built to the shapes of its weights.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or no classifier's.
    """
    tree = read_checkpoint(source)
    backbone, _ = networks_in(tree, NETWORKS[0], source=source)
    head = classifier_state(tree, source=source)
    _refuse_broken(head, source=source)
    with torch.device("meta"):  # no time spent on initial values
        classifier = Classifier(
            TimeSformer(**architecture(backbone, {}, source=source)),
            num_classes=len(head["linear.weight"]),
            pooling="attentive" if "pool.query" in head else "class_token",
        )
    load_state(classifier, _joined(backbone, head), source=source)
    return classifier.eval()


def load_segmenter(source: str | Path, **overrides: Any) -> TransUNet:
    """A segmenter in eval mode, built to the shapes of its weights.

    Args:
        source: See ``load``.
        **overrides: Arguments of ``TimeSformer`` that take the place of the inferred ones.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or no segmenter's.
    """
    tree = read_checkpoint(source)
    state = segmenter_state(select_state(tree, NETWORKS[0], source=source), source=source)
    _refuse_broken(state, source=source)
    arguments, backbone = segmenter_architecture(state, source=source)
    with torch.device("meta"):  # no time spent on initial values
        segmenter = TransUNet(TimeSformer(**{**backbone, **overrides}), **arguments)
    load_state(segmenter, state, source=source)
    return segmenter.eval()


def load_detector(source: str | Path, **overrides: Any) -> Detector:
    """A detector in eval mode, built to the shapes of its weights.

    Args:
        source: See ``load``.
        **overrides: Arguments of ``TimeSformer`` that take the place of the inferred ones.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or no detector's.
    """
    tree = read_checkpoint(source)
    state = detector_state(select_state(tree, NETWORKS[0], source=source), source=source)
    _refuse_broken(state, source=source)
    arguments = detector_architecture(state, source=source)
    backbone, _ = networks_in(tree, NETWORKS[0], source=source)
    with torch.device("meta"):  # no time spent on initial values
        detector = Detector(
            TimeSformer(**architecture(backbone, overrides, source=source)), **arguments
        )
    load_state(detector, state, source=source)
    return detector.eval()


def _refuse_broken(state: State, *, source: str | Path) -> None:
    if broken := [key for key, value in state.items() if not bool(value.isfinite().all())]:
        raise WeightsError(f"{source}: NaN or infinity in {broken[0]}", "take another checkpoint")


def _joined(backbone: State, head: State) -> dict[str, Tensor]:
    return {**{f"backbone.{key}": value for key, value in backbone.items()}, **head}
