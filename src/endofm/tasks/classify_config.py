"""Settings of a classification; the defaults are ours, ``presets/classify`` holds the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from endofm.config import Settings, Share
from endofm.tasks.finetune_config import FinetuneConfig


class SamplingSettings(Settings):
    """From a video to the clips that the network sees."""

    target_fps: PositiveFloat = 30.0
    """Frame rate at which every video is read."""
    span_frames: PositiveInt = 256
    """Frames at that rate that a clip reaches over; a shorter video is one clip from end to end."""
    num_frames: PositiveInt = 8
    """Frames taken from a clip, evenly, its first and last included."""
    clips_per_video: PositiveInt = 4
    """Clips in evaluation, evenly over the whole video; their probabilities are averaged."""
    size_px: PositiveInt = 224
    """Height and width of a frame."""
    folder_fps: PositiveFloat = 30.0
    """Frame rate of folders of single frames, which do not say theirs."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Of the normalisation, for red, green and blue in 0..1; ImageNet's, as in pre-training."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Of the normalisation."""
    original_test_clip: bool = False
    """Evaluate the first clip alone and its left or top square, as the original did unawares."""
    original_repeat_last: bool = False
    """Spread the frames of a short video as if it were long: the last frame is repeated."""


class RateSettings(Settings):
    """The optimiser and its schedule."""

    algorithm: Literal["adamw", "sgd"] = "adamw"
    """SGD has a momentum of 0.9."""
    learning_rate: PositiveFloat = 1e-3
    """Peak, for 256 videos a step; scaled in proportion to the real number."""
    final_learning_rate: NonNegativeFloat = 0.0
    """Where the cosine ends."""
    warmup_epochs: NonNegativeFloat = 2.0
    """Epochs of linear rise from 0."""
    by_epoch: bool = False
    """Change the rate from epoch to epoch instead of from step to step."""
    weight_decay: NonNegativeFloat = 0.05
    """The same at every step."""
    layer_decay: Share = 0.75
    """Share of a block's learning rate that the block before it has; 1 trains all alike."""


class ClassifyConfig(FinetuneConfig):
    """Train a classifier of endoscopy videos."""

    data: Path
    """PolypDiag's folder, a folder a class, or a clip list (.csv) with labels."""
    train: Literal["all", "linear", "attentive"] = "all"
    """All weights; or a probe of the frozen backbone: a linear layer on its class token, or on what
    a learned query reads off all tokens."""
    batch_size: PositiveInt = 4
    """Videos a step, over all processes and micro-batches together."""
    accumulate: PositiveInt = 1
    """Micro-batches that a step is divided into."""
    class_weights: Literal["none", "balanced"] = "none"
    """Balanced: a class counts in inverse proportion to its videos."""
    multi_label: bool = False
    """A video may be of several classes or none; its labels are separated by semicolons."""
    positive: str | None = None
    """Of two classes, the one that is looked for; the second in order unless named."""
    select_by: Literal["loss", "f1"] = "loss"
    """What is best: the lowest cross-entropy of the videos' probabilities, or the highest F1."""
    sampling: SamplingSettings = SamplingSettings()
    optimiser: RateSettings = RateSettings()
