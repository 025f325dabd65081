"""A trained detector with all that its answers depend on: from a run, or from bare weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from endofm.config import read_yaml
from endofm.data.boxed import BoxedSet
from endofm.engine.loading import load_detector
from endofm.errors import ConfigError, RunError
from endofm.models import Detector
from endofm.runfolder import RunFolder
from endofm.tasks.detect_config import (
    DetectConfig,
    FrameSettings,
    ReferenceSettings,
    ScoringSettings,
)
from endofm.tasks.detect_sets import read_set

UNCHOSEN = 0.5
"""The threshold where no validation has chosen one; the original's."""


@dataclass(frozen=True)
class TrainedDetector:
    """A network and how to ask it."""

    source: str
    """The run folder or the weights."""
    network: Detector
    """In eval mode."""
    classes: tuple[str, ...]
    named: bool
    """Is it known what they are called?"""
    frames: FrameSettings
    references: ReferenceSettings
    threshold: float | None
    """Score from which a box counts, chosen on validation; none without a run, or where no box has
    found a lesion there."""
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
            source=str(source),
            network=network,
            classes=run.boxed.classes,
            named=True,
            frames=config.frames,
            references=config.references,
            threshold=_chosen_threshold(folder),
            run=run,
        )
    num_classes = network.head.class_logits.out_channels
    names = classes or tuple(str(k + 1) for k in range(num_classes))
    if len(names) != num_classes:
        raise ConfigError(
            f"{source} tells {num_classes} classes apart, --classes names {len(names)}",
            "name each of them, in order",
        )
    scoring = scoring or ScoringSettings()
    return TrainedDetector(
        source=str(source),
        network=network,
        classes=names,
        named=classes is not None,
        frames=scoring.frames,
        references=scoring.references,
        threshold=None,
        run=None,
    )


def _chosen_threshold(folder: RunFolder) -> float | None:
    """What a run's validation has chosen; nothing while it has not been scored.

    Raises:
        RunError: The file is damaged.
    """
    path = folder.results("val")
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return float(found["threshold"]) if found["threshold_from"] else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{path}: missing or damaged ({error})",
            f"run endofm evaluate {folder.path} --split val",
        ) from None
