"""A trained classifier with all that its answers depend on: from a run, or from bare weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from endofm.config import read_yaml
from endofm.data.labelled import LabelledSet
from endofm.engine.loading import load_classifier
from endofm.errors import ConfigError, RunError
from endofm.metrics.predictions import threshold_of_each
from endofm.models import Classifier
from endofm.runfolder import RunFolder
from endofm.tasks.classify_config import ClassifyConfig, SamplingSettings
from endofm.tasks.classify_sets import read_set

SELECTED_BY = "val"
"""The split that picks the best weights and the thresholds."""
NOT_CHOSEN = 0.5
"""The threshold where no validation has chosen one: of two classes, the likelier is answered."""


@dataclass(frozen=True)
class TrainedClassifier:
    """A network and how to ask it."""

    source: str
    """The run folder or the weights."""
    network: Classifier
    """In eval mode."""
    classes: tuple[str, ...]
    multi_label: bool
    sampling: SamplingSettings
    thresholds: np.ndarray  # (K,)
    thresholds_from: str
    """The split that they were chosen on; empty if they are ``NOT_CHOSEN``."""
    run: Run | None
    """Where it was trained, if that is known."""


@dataclass(frozen=True)
class Run:
    """The fine-tuning that a classifier comes from."""

    folder: RunFolder
    config: ClassifyConfig
    labelled: LabelledSet


def read_trained(
    source: str | Path,
    *,
    sampling: SamplingSettings | None = None,
    classes: Sequence[str] | None = None,
    device: str | None = None,
) -> TrainedClassifier:
    """Load a classifier for use.

    Args:
        source: Folder of a fine-tuning run, which tells everything else; or weights as
            ``load_classifier`` takes them.
        sampling: How weights that are no run are to be asked; the defaults unless given.
        classes: What their outputs are called; ``0``, ``1``, ... unless given.
        device: Where the network runs: a GPU if there is one, unless given.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or no classifier's.
        RunError: The run's files are damaged.
        ConfigError: The run's settings are damaged; there are as many names as outputs are not; or
            ``sampling`` or ``classes`` is given for a run.
    """
    network = load_classifier(source)
    network.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    folder = RunFolder(Path(source))
    if not folder.labelled.is_file():
        return _of_weights(str(source), network, sampling=sampling, classes=classes)
    if sampling or classes:
        raise ConfigError(
            f"{source}: a run knows its classes and its clips", "leave out --classes and --preset"
        )
    run = Run(
        folder=folder,
        config=ClassifyConfig.parse(read_yaml(folder.config), where=str(folder.config)),
        labelled=read_set(folder.labelled),
    )
    chosen = _chosen(folder.results(SELECTED_BY), len(run.labelled.classes))
    return TrainedClassifier(
        source=str(source),
        network=network,
        classes=run.labelled.classes,
        multi_label=run.labelled.multi_label,
        sampling=run.config.sampling,
        thresholds=_not_chosen(len(run.labelled.classes)) if chosen is None else chosen,
        thresholds_from="" if chosen is None else SELECTED_BY,
        run=run,
    )


def _of_weights(
    source: str,
    network: Classifier,
    *,
    sampling: SamplingSettings | None,
    classes: Sequence[str] | None,
) -> TrainedClassifier:
    num_classes = network.linear.out_features
    names = tuple(classes or map(str, range(num_classes)))
    if len(set(names)) != num_classes or num_classes < 2:
        raise ConfigError(
            f"{source}: has {num_classes} outputs for the classes {', '.join(names)}",
            "give each output a name of its own with --classes; at least two",
        )
    return TrainedClassifier(
        source=source,
        network=network,
        classes=names,
        multi_label=False,
        sampling=sampling or SamplingSettings(),
        thresholds=_not_chosen(num_classes),
        thresholds_from="",
        run=None,
    )


def _not_chosen(num_classes: int) -> np.ndarray:
    return np.full(num_classes, NOT_CHOSEN)


def _chosen(results: Path, num_classes: int) -> np.ndarray | None:
    """The thresholds that the validation has chosen; ``None`` before it has."""
    if not results.is_file():
        return None
    try:
        stored = json.loads(results.read_text(encoding="utf-8"))["thresholds"]
        return threshold_of_each(num_classes, np.array(stored, float).reshape(num_classes))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{results}: damaged ({error})",
            f"delete it and run: endofm evaluate {results.parent} --split {SELECTED_BY}",
        ) from None
