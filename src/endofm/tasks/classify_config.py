"""Settings of a classification; the defaults are ours, ``presets/classify`` holds the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from endofm.config import Settings, Share


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


class ClassifyConfig(Settings):
    """Train a classifier of endoscopy videos."""

    data: Path
    """PolypDiag's folder, a folder a class, or a clip list (.csv) with labels."""
    out: Path
    """Folder of the run."""
    weights: str | None = None
    """Backbone to start from: Endo-FM, SVT, DINO or a run of ours; without it, random weights."""
    model: Literal["tiny", "small", "base"] = "base"
    """Size of the backbone where there are no weights, which tell theirs."""
    train: Literal["all", "linear", "attentive"] = "all"
    """All weights; or a probe of the frozen backbone: a linear layer on its class token, or on what
    a learned query reads off all tokens."""
    epochs: PositiveInt = 20
    """Passes over the training videos."""
    batch_size: PositiveInt = 4
    """Videos a step, over all processes and micro-batches together."""
    accumulate: PositiveInt = 1
    """Micro-batches that a step is divided into."""
    seed: NonNegativeInt = 0
    """Of new weights, order, clips, crops, drop path, and a validation part taken from train."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic; auto is bf16 on a GPU that has it, else fp32."""
    drop_path: Share = 0.1
    """Rate in the last block; rises linearly from 0 in the first."""
    class_weights: Literal["none", "balanced"] = "none"
    """Balanced: a class counts in inverse proportion to its videos."""
    multi_label: bool = False
    """A video may be of several classes or none; its labels are separated by semicolons."""
    positive: str | None = None
    """Of two classes, the one that is looked for; the second in order unless named."""
    val_share: Share = 0.2
    """Share of the training groups set aside for validation where the data has none."""
    select_on_test: bool = False
    """Pick the best epoch on the reported videos, as the original did; the results say so."""
    select_by: Literal["loss", "f1"] = "loss"
    """What is best: the lowest cross-entropy of the videos' probabilities, or the highest F1."""
    patience_epochs: PositiveInt | None = 10
    """Stop after so many epochs without a better validation; none trains to the end."""
    average_momentum: Share | None = None
    """Evaluate a moving average of the weights, of which this share is kept at a step."""
    num_workers: NonNegativeInt = 2
    """Loader processes of each process."""
    log_every: PositiveInt = 10
    """Steps between two lines of metrics."""
    keep: PositiveInt = 2
    """Checkpoints that stay on disk beside the best; there is one an epoch."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ("tensorboard",)
    """Where metrics go besides metrics.jsonl; all but tensorboard need their package."""
    data_note: str = ""
    """Said beside every number of the run, such as 'synthetic'."""
    sampling: SamplingSettings = SamplingSettings()
    optimiser: RateSettings = RateSettings()

    @model_validator(mode="after")
    def _leaves_something_to_choose(self) -> Self:
        if not 0 < self.val_share < 1:
            raise ValueError(f"val_share is {self.val_share}, give a share between 0 and 1")
        return self


CHANGEABLE_ON_RESUME = ("out", "num_workers", "log_every", "keep", "trackers")
"""Settings that do not change the numbers of a run."""
