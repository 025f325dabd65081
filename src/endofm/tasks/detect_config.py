"""Settings of a detection; the defaults are ours, ``presets/detect`` holds the paper's."""

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
from endofm.models.detector import MULTIPLE_PX
from endofm.tasks.finetune_config import FinetuneConfig


class FrameSettings(Settings):
    """From a frame to what the network sees, and back."""

    size_hw: tuple[PositiveInt, PositiveInt] = (640, 640)
    """Height and width that frames are fitted into, their aspect ratio kept; what is left is
    padded."""
    original_squash: bool = False
    """Stretch frames to ``size_hw`` whatever their aspect ratio, as the original did."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Of the normalisation, for red, green and blue in 0..1; ImageNet's, as in pre-training."""
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)
    """Of the normalisation."""
    original_bgr: bool = False
    """Exchange red and blue, as the original did; ``mean`` and ``std`` are then for BGR."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for side_px in self.size_hw:
            if side_px % MULTIPLE_PX:
                nearest = max(MULTIPLE_PX, round(side_px / MULTIPLE_PX) * MULTIPLE_PX)
                raise ValueError(f"size_hw has {side_px}, give a multiple of 32, such as {nearest}")
        return self


class ReferenceSettings(Settings):
    """Which frames help with one; in use they follow a fixed rule."""

    num: NonNegativeInt = 2
    """References of a frame; 0 for none."""
    reach_frames: PositiveInt = 9
    """How far they may be."""
    online: bool = False
    """Take them all from the past, as a live stream must; else half from either side."""


class ScoringSettings(Settings):
    """How weights that are no run are scored and used."""

    frames: FrameSettings = FrameSettings()
    references: ReferenceSettings = ReferenceSettings()


class AugmentSettings(Settings):
    """What is drawn anew for a frame in each epoch, once for it and its references."""

    zoom: tuple[PositiveFloat, PositiveFloat] = (0.8, 1.25)
    """Smallest and largest size, as a multiple of the fitted one; a crop or a border follows."""
    flip: Share = 0.5
    """Chance of mirroring left and right."""
    jitter: NonNegativeFloat = 0.2
    """Largest change of brightness, contrast and saturation, as a share; 0 for none."""


class RateSettings(Settings):
    """AdamW, or the original's SGD, and the schedule."""

    learning_rate: PositiveFloat = 1e-4
    """At its peak."""
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the steps with a linear rise."""
    decay_power: PositiveFloat = 0.9
    """The rate falls as (1 - share of the steps done) to this power."""
    weight_decay: NonNegativeFloat = 0.05
    """The same at every step."""
    original_sgd: bool = False
    """SGD with momentum 0.9 and twice the rate for biases; it rises from a third, and is halved
    after 8, 10 and 11 twelfths of the steps."""


class DetectConfig(FinetuneConfig):
    """Train a detector of lesions in endoscopy video."""

    data: Path
    """Frames and boxes: COCO, VOC or YOLO files, KUMC's PolypsSet, or CVC-ClinicDB's masks."""
    weights: str | None = None
    """Backbone to start from, or a detector to go on from; without it, random weights."""
    epochs: PositiveInt = 12
    """Passes over the training frames."""
    steps: PositiveInt | None = None
    """End after so many steps instead."""
    batch_size: PositiveInt = 4
    """Frames a step, each with its references, over all processes."""
    channels: PositiveInt | None = None
    """Of pyramid and heads; 64, 128 or 256 with the size of the network."""
    features: Literal["joint", "independent"] = "joint"
    """In training, do a frame and its references see each other in the backbone?"""
    reference_reach_frames: PositiveInt = 9
    """In training one reference is drawn from so many frames before, one from so many after."""
    checkpointing: bool = True
    """Compute the backbone's activations twice rather than keep them."""
    original_drop_empty: bool = False
    """Leave frames without a box out of the training, as the original did."""
    frames: FrameSettings = FrameSettings()
    references: ReferenceSettings = ReferenceSettings()
    augment: AugmentSettings = AugmentSettings()
    optimiser: RateSettings = RateSettings()


CHANNELS = (64, 128, 256)
"""Of pyramid and heads beside a tiny, small or base backbone, which has three times as many."""
