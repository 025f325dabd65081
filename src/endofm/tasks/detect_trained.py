"""A trained detector with all that its answers depend on: from a run, or from bare weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from endofm.config import read_yaml
from endofm.data.boxed import BoxedSet
from endofm.engine.loading import load_detector
from endofm.errors import ConfigError
from endofm.models import Detector
from endofm.runfolder import RunFolder
from endofm.tasks.detect_config import (
    DetectConfig,
    FrameSettings,
    ReferenceSettings,
    ScoringSettings,
)
from endofm.tasks.detect_sets import read_set


@dataclass(frozen=True)
class TrainedDetector:
    """A network and how to ask it."""

    source: str
    """The run folder or the weights."""
    network: Detector
    """In eval mode."""
    classes: tuple[str, ...]
    frames: FrameSettings
    references: ReferenceSettings
    run: Run | None
    """Where it was trained, if that is known."""


@dataclass(frozen=True)
class Run:
    """The training that a detector comes from."""

    folder: RunFolder
    config: DetectConfig
    boxed: BoxedSet


def read_trained(
    source: str | Path,
    *,
    classes: tuple[str, ...] | None = None,
    scoring: ScoringSettings | None = None,
    device: str | None = None,
) -> TrainedDetector:
    """Load a detector for use.

    Args:
        source: Folder of a training run, which tells everything else; or weights as
            ``load_detector`` takes them.
        classes: What the classes of weights that are no run are called; ``1``, ``2``, ... .
        scoring: How weights that are no run see frames; the defaults unless given.
        device: Where the network runs: a GPU if there is one, unless given.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or no detector's.
        RunError: The run's files are damaged.
        ConfigError: The run's settings are damaged, ``classes`` or ``scoring`` is given for a run,
            or there are more or fewer classes than the network tells apart.
    """
    network = load_detector(source)
    network.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    folder = RunFolder(Path(source))
    if folder.boxed.is_file():
        if classes or scoring:
            raise ConfigError(
                f"{source}: a run knows its classes and how it sees frames",
                f"leave out {'--classes' if classes else '--preset'}",
            )
        config = DetectConfig.parse(read_yaml(folder.config), where=str(folder.config))
        run = Run(folder, config, read_set(folder.boxed))
        return TrainedDetector(
            str(source), network, run.boxed.classes, config.frames, config.references, run
        )
    num_classes = network.head.class_logits.out_channels
    names = classes or tuple(str(k + 1) for k in range(num_classes))
    if len(names) != num_classes:
        raise ConfigError(
            f"{source} tells {num_classes} classes apart, --classes names {len(names)}",
            "name each of them, in order",
        )
    scoring = scoring or ScoringSettings()
    return TrainedDetector(str(source), network, names, scoring.frames, scoring.references, None)
