"""Detectors to ask, runs of theirs, and boxes that no network has made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from endofm.boxes import Detections
from endofm.data.boxed import BoxedSet
from endofm.data.video import VideoInfo
from endofm.models import Detector, TimeSformer
from endofm.prediction import BoxPrediction
from endofm.prediction.box_prediction import Sighting
from endofm.runfolder import RunFolder, write_json
from endofm.tasks.detect_config import DetectConfig, FrameSettings, ReferenceSettings
from endofm.tasks.detect_sets import write_set
from tests.prediction.builder import noise

FRAMES = FrameSettings(size_hw=(64, 64))
REFERENCES = ReferenceSettings(num=2, reach_frames=3)
CLASSES = ("flat", "raised")
Box = tuple[float, float, float, float]


def small_detector(*, seed: int = 0) -> Detector:
    """A network that finds many boxes, which depend on the frames around."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        detector = Detector(
            TimeSformer(embed_dim=64, depth=1, num_heads=1, grid=2, drop_path=0.0), channels=64
        )
        with torch.no_grad():
            for name, parameter in detector.named_parameters():
                if name.startswith(("head", "transform")) and parameter.ndim == 4:
                    parameter.mul_(6)
                if name.endswith("class_logits.bias"):
                    parameter.zero_()
    return detector.eval()


def write_weights(path: Path, detector: Detector) -> Path:
    """As a checkpoint of a fine-tuning holds them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in detector.state_dict().items()}, path)
    return path


def write_run(folder: Path, detector: Detector, *, threshold: float | None = 0.3) -> Path:
    """A run folder as a fine-tuning leaves it."""
    run = RunFolder(folder)
    write_weights(run.checkpoints / "best" / "detector.safetensors", detector)
    config = DetectConfig(
        data=Path("boxes"), out=folder, frames=FRAMES, references=REFERENCES, data_note="noise"
    )
    run.config.write_text(config.dump_yaml())
    write_set(run.boxed, BoxedSet(CLASSES, {}))
    if threshold is not None:
        write_json(
            run.results("val"), {"task": "detect", "threshold": threshold, "threshold_from": "val"}
        )
    return folder


def found_of(*boxes: tuple[float, int, Box]) -> Detections:
    """Boxes as (score, label, corners), the surest first."""
    return Detections(
        torch.tensor([box for _, _, box in boxes], dtype=torch.float32).reshape(-1, 4),
        torch.tensor([score for score, _, _ in boxes], dtype=torch.float32),
        torch.tensor([label for _, label, _ in boxes], dtype=torch.int64),
    )


def boxes_of(
    video: Path, frames: Sequence[Detections], *, tracks: Any = None, **changes: Any
) -> BoxPrediction:
    """Some boxes on a video of 10 frames a second of 48 x 64 px."""
    (picture,) = noise(1)
    numbers = None if tracks is None else tuple(np.array(one, np.int64) for one in tracks)
    values: dict[str, Any] = {
        "video": VideoInfo(video, len(frames), 10.0, 48, 64),
        "times_s": np.arange(len(frames)) / 10,
        "detections": tuple(frames),
        "tracks": numbers,
        "sightings": (Sighting(0, CLASSES[0], picture),),
        "classes": CLASSES,
        "threshold": 0.5,
        "source": "runs/d",
        "weights_sha256": "0d" * 32,
        "frames": FRAMES,
        "references": REFERENCES,
    }
    return BoxPrediction(**{**values, **changes})
