"""A trained segmenter with all that its answers depend on: from a run, or from bare weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from endofm.config import read_yaml
from endofm.data.segmented import SegmentedSet
from endofm.engine.loading import load_segmenter
from endofm.errors import ConfigError
from endofm.models import TransUNet
from endofm.runfolder import RunFolder
from endofm.tasks.segment_config import FrameSettings, SegmentConfig
from endofm.tasks.segment_sets import read_set


@dataclass(frozen=True)
class TrainedSegmenter:
    """A network and how to ask it."""

    source: str
    """The run folder or the weights."""
    network: TransUNet
    """In eval mode."""
    frames: FrameSettings
    run: Run | None
    """Where it was trained, if that is known."""


@dataclass(frozen=True)
class Run:
    """The training that a segmenter comes from."""

    folder: RunFolder
    config: SegmentConfig
    segmented: SegmentedSet


def read_trained(
    source: str | Path, *, frames: FrameSettings | None = None, device: str | None = None
) -> TrainedSegmenter:
    """Load a segmenter for use.

    Args:
        source: Folder of a training run, which tells everything else; or weights as
            ``load_segmenter`` takes them.
        frames: How weights that are no run see frames; the defaults unless given.
        device: Where the network runs: a GPU if there is one, unless given.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or no segmenter's.
        RunError: The run's files are damaged.
        ConfigError: The run's settings are damaged, or ``frames`` is given for a run.
    """
    network = load_segmenter(source)
    network.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if network.head.out_channels != 2:
        raise ConfigError(
            f"{source} tells {network.head.out_channels} classes apart",
            "give a segmenter of two: background and lesion",
        )
    folder = RunFolder(Path(source))
    if not folder.sequences.is_file():
        return TrainedSegmenter(str(source), network, frames or FrameSettings(), run=None)
    if frames:
        raise ConfigError(f"{source}: a run knows how it sees frames", "leave out --preset")
    config = SegmentConfig.parse(read_yaml(folder.config), where=str(folder.config))
    run = Run(folder, config, read_set(folder.sequences))
    return TrainedSegmenter(str(source), network, config.frames, run)
