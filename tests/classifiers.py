"""Small classifiers and the folders of their runs, without any training."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from endofm.data.colour import IMAGENET_MEAN, IMAGENET_STD
from endofm.data.labelled import LabelledSet
from endofm.data.manifests import Video
from endofm.models import Classifier, TimeSformer
from endofm.runfolder import RunFolder
from endofm.tasks.classify_config import ClassifyConfig, SamplingSettings
from endofm.tasks.classify_sets import write_set

SAMPLING = SamplingSettings(num_frames=4, span_frames=12, size_px=32)


def small_classifier(num_classes: int, *, seed: int = 0) -> Classifier:
    """A network whose logits depend on every frame and on their order."""
    backbone = TimeSformer(embed_dim=128, depth=2, num_heads=2, num_frames=4, grid=2, drop_path=0.0)
    classifier = Classifier(backbone, num_classes=num_classes)
    generator = torch.Generator().manual_seed(seed)
    for parameter in classifier.parameters():
        nn.init.normal_(parameter, std=0.15, generator=generator)
    nn.init.normal_(classifier.linear.weight, generator=generator)  # scores differ by window
    return classifier.eval()


class Colours(Classifier):
    """Logits are how far the mean red, green and blue are above 128, in steps of 16."""

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__(small_classifier(num_classes).backbone, num_classes=num_classes)
        self.eval()

    def forward(self, clips: Tensor) -> Tensor:
        mean, std = (torch.tensor(v)[:, None, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
        levels = 255 * (clips * std + mean).mean(dim=(2, 3, 4))  # (B, 3)
        return (levels[:, : self.linear.out_features] - 128) / 16


def write_weights(path: Path, classifier: Classifier) -> Path:
    """As a checkpoint of a fine-tuning holds them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in classifier.state_dict().items()}, path)
    return path


def write_run(
    folder: Path,
    classifier: Classifier,
    classes: Sequence[str],
    *,
    multi_label: bool = False,
    sampling: SamplingSettings = SAMPLING,
    thresholds: Sequence[float] | None = None,
) -> Path:
    """A run folder as a fine-tuning, and an evaluation on its validation, leave it."""
    run = RunFolder(folder)
    write_weights(run.checkpoints / "best" / "classifier.safetensors", classifier)
    config = ClassifyConfig(data=Path("videos"), out=folder, sampling=sampling, data_note="noise")
    run.config.write_text(config.dump_yaml())
    videos = (Video(Path("a.mp4"), 9, 30.0, 32, 32, label=classes[0], split="train"),)
    write_set(run.labelled, LabelledSet(tuple(classes), {"train": videos}, multi_label, ()))
    if thresholds is not None:
        run.results("val").write_text(json.dumps({"thresholds": list(thresholds)}))
    return folder
