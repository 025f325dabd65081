"""The networks; needs torch and numpy alone."""

from collections.abc import Callable

from endofm.models.classifier import Classifier
from endofm.models.detector import Detector
from endofm.models.dino_head import DINOHead, ViewNetwork
from endofm.models.timesformer import (
    TimeSformer,
    timesformer_base,
    timesformer_small,
    timesformer_tiny,
)
from endofm.models.transunet import TransUNet

MODELS: dict[str, Callable[..., TimeSformer]] = {
    "timesformer_tiny": timesformer_tiny,
    "timesformer_small": timesformer_small,
    "timesformer_base": timesformer_base,
}

__all__ = [
    "MODELS",
    "Classifier",
    "DINOHead",
    "Detector",
    "TimeSformer",
    "TransUNet",
    "ViewNetwork",
    "timesformer_base",
    "timesformer_small",
    "timesformer_tiny",
]
