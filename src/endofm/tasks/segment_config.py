"""Settings of a segmentation; the defaults are ours, ``presets/segment`` holds the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from endofm.config import Settings, Share
from endofm.tasks.finetune_config import FinetuneConfig


class FrameSettings(Settings):
    """From the frames of a sequence to what the network sees, and back."""

    size_hw: tuple[PositiveInt, PositiveInt] = (224, 224)
    """Height and width that whole frames are resized to, multiples of 16; the answer is resized
    back."""
    clip_frames: PositiveInt = 25
    """Most frames that pass the network together, and so can see each other."""
    overlap_frames: NonNegativeInt = 8
    """Frames that neighbouring windows of a longer sequence share; their probabilities are
    averaged, weighted by the distance to the window's end."""
    mask_threshold: Annotated[int, Field(ge=1, le=255)] = 128
    """Least value of a lesion's pixel in a mask of 0 to 255; 255 leaves grey edges out."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Of the normalisation, for red, green and blue in 0..1; ImageNet's, as in pre-training."""
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)
    """Of the normalisation."""
    original_min_max: bool = False
    """Stretch each frame to its own darkest and brightest value first, as the original did."""
    original_bgr: bool = False
    """Exchange red and blue, as the original did unawares."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if max(self.size_hw) < 32:  # batch norm needs more than one value of a frame
            raise ValueError("size_hw is a single patch, give at least 16 x 32")
        if self.overlap_frames >= self.clip_frames:
            raise ValueError(
                f"overlap_frames is {self.overlap_frames}, give less than the "
                f"{self.clip_frames} of clip_frames"
            )
        return self


class ScoringSettings(Settings):
    """How weights that are no run are scored."""

    frames: FrameSettings = FrameSettings()
    original_split: bool = False
    """Of CVC-ClinicDB, take the original's lists, where 7 of 9 test sequences are trained on."""
    original_scores: bool = False
    """Report the original's Dice and HD95, too: at ``size_hw``, a sequence being one volume."""


class AugmentSettings(Settings):
    """What is drawn anew for a sequence in each epoch, once for all its frames."""

    zoom: tuple[PositiveFloat, PositiveFloat] = (1.0, 1.3)
    """Smallest and largest size, as a multiple of ``size_hw``, before a crop of that size."""
    flip: Share = 0.5
    """Chance of mirroring left and right."""
    rotation_deg: NonNegativeFloat = 15.0
    """Largest turn to either side."""
    jitter: NonNegativeFloat = 0.2
    """Largest change of brightness, contrast and saturation, as a share; 0 for none."""
    original_per_frame: bool = False
    """Draw crop, mirroring and turn for each frame by itself, as the original did."""


class RateSettings(Settings):
    """AdamW and its schedule."""

    learning_rate: PositiveFloat = 1e-4
    """At its peak."""
    warmup_epochs: NonNegativeFloat = 1.0
    """Epochs of linear rise from 0."""
    decay_power: PositiveFloat = 0.9
    """The rate falls as (1 - share of the steps done) to this power."""
    weight_decay: NonNegativeFloat = 0.05
    """The same at every step."""


class SegmentConfig(FinetuneConfig):
    """Train a segmenter of lesions in endoscopy video."""

    data: Path
    """CVC-ClinicDB's folder, or one with frames/ and masks/ that hold a folder a sequence."""
    weights: str | None = None
    """Backbone to start from, or a segmenter to go on from; without it, random weights."""
    stem_weights: Path | None = None
    """ImageNet weights for the stem, such as R50+ViT-B_16.npz; without it, random ones."""
    width: PositiveInt | None = None
    """Channels of the stem's finest map; 16, 32 or 64 with the size of the network."""
    epochs: PositiveInt = 50
    """Passes over the training sequences."""
    patience_epochs: PositiveInt | None = 15
    """Stop after so many epochs without a better validation; none trains to the end."""
    batch_size: PositiveInt = 1
    """Sequences a step; each passes the network alone, since their lengths differ."""
    dropout: Share = 0.1
    """Rate for the tokens before the first block."""
    checkpointing: bool = True
    """Compute activations twice rather than keep them: less than half the memory."""
    select_by: Literal["dice", "loss"] = "dice"
    """What is best: the highest mean Dice of the frames with a lesion, or the lowest loss."""
    original_split: bool = False
    """Of CVC-ClinicDB, take the original's lists, where 7 of 9 test sequences are trained on."""
    original_scores: bool = False
    """Report the original's Dice and HD95, too: at ``size_hw``, a sequence being one volume."""
    frames: FrameSettings = FrameSettings()
    augment: AugmentSettings = AugmentSettings()
    optimiser: RateSettings = RateSettings()


WIDTHS = (16, 32, 64)
"""Of the stem beside a tiny, small or base backbone, whose channels are twelve times as many."""
