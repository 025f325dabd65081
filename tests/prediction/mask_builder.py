"""Segmenters to ask, runs of theirs, and masks that no network has made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from endofm.data import rle
from endofm.data.colour import IMAGENET_MEAN, IMAGENET_STD
from endofm.data.segmented import SegmentedSet
from endofm.data.video import VideoInfo
from endofm.models import TimeSformer, TransUNet
from endofm.prediction import MaskPrediction
from endofm.prediction.mask_prediction import LargestFrame
from endofm.runfolder import RunFolder
from endofm.tasks.segment_config import FrameSettings, SegmentConfig
from endofm.tasks.segment_sets import write_set
from endofm.tasks.segment_trained import TrainedSegmenter
from tests.prediction.builder import noise

FRAMES = FrameSettings(size_hw=(32, 48), clip_frames=4, overlap_frames=2)


def small_segmenter(*, seed: int = 0) -> TransUNet:
    """A network whose masks depend on the frames around; about half of the pixels are lesion."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = TimeSformer(embed_dim=64, depth=1, num_heads=1, grid=2, drop_path=0.0)
        segmenter = TransUNet(backbone, width=16)
        nn.init.normal_(segmenter.head.weight, std=5.0)
    return segmenter.eval()


class Bright(TransUNet):
    """A lesion is where the mean of red, green and blue is above 128 of 255."""

    def __init__(self) -> None:
        super().__init__(TimeSformer(embed_dim=64, depth=1, num_heads=1, grid=2), width=16)
        self.eval()

    def forward(self, frames: Tensor) -> Tensor:
        mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
        level = 255 * (frames * std + mean).mean(2)  # (B, T, H, W)
        return torch.stack([torch.zeros_like(level), (level - 128) / 16], 2)


def trained_on(network: TransUNet, frames: FrameSettings = FRAMES) -> TrainedSegmenter:
    """A segmenter to ask."""
    return TrainedSegmenter(source="runs/s", network=network, frames=frames, run=None)


def write_weights(path: Path, segmenter: TransUNet) -> Path:
    """As a checkpoint of a fine-tuning holds them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in segmenter.state_dict().items()}, path)
    return path


def write_run(folder: Path, segmenter: TransUNet, frames: FrameSettings = FRAMES) -> Path:
    """A run folder as a fine-tuning leaves it."""
    run = RunFolder(folder)
    write_weights(run.checkpoints / "best" / "segmenter.safetensors", segmenter)
    config = SegmentConfig(data=Path("frames"), out=folder, frames=frames, data_note="noise")
    run.config.write_text(config.dump_yaml())
    write_set(run.sequences, SegmentedSet({}, ()))
    return folder


def square(
    area: int, *, height: int = 48, width: int = 64, left: int = 10, top: int = 5
) -> NDArray[np.bool_]:
    """A mask of ``area`` x ``area`` pixels."""
    mask = np.zeros((height, width), bool)
    mask[top : top + area, left : left + area] = True
    return mask


def masks_of(
    video: Path, sides: Sequence[int], *, size_hw: tuple[int, int] = (48, 64), **changes: Any
) -> MaskPrediction:
    """Squares of some sides, one a frame, on a video of 10 frames a second."""
    height, width = size_hw
    masks = tuple(rle.encode(square(side, height=height, width=width)) for side in sides)
    best = int(np.argmax(sides))
    (frame,) = noise(1, height=height, width=width)
    values: dict[str, Any] = {
        "video": VideoInfo(video, len(sides), 10.0, height, width),
        "times_s": np.arange(len(sides)) / 10,
        "masks": masks,
        "names": tuple(f"{number:06d}" for number in range(len(sides))),
        "confidence": np.array([0.9 if side else 0.2 for side in sides]),
        "largest": (LargestFrame(best, frame),) if any(sides) else (),
        "source": "runs/s",
        "weights_sha256": "0e" * 32,
        "frames": FRAMES,
    }
    return MaskPrediction(**{**values, **changes})
