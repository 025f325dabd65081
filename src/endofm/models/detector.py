"""The detector: lesions as boxes in one frame, with help from frames around it.

Endo-FM's backbone (Wang et al., MICCAI 2023) under a feature pyramid, FCOS on each frame, and STFT
across frames. Axes: B current frames, R references of each, N frames of any kind, D channels of
the backbone, H and W pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from endofm.boxes import Detections
from endofm.errors import ConfigError
from endofm.models.candidates import Choice, detections
from endofm.models.fcos import CellMaps, FCOSHead, joined
from endofm.models.fpn import STRIDES, FeaturePyramid
from endofm.models.stft import FeatureTransform, LevelOutput
from endofm.models.timesformer import PATCH_PX, TimeSformer

Features = Literal["joint", "independent"]
"""Do the frames see each other in the backbone, as one clip, or does each pass alone?"""

MULTIPLE_PX = 32
"""Of both sides of a frame, so that the pyramid's levels fit onto each other."""


class Detector(nn.Module):
    """Class, box and centre-ness at every cell of five levels, and STFT's second thoughts.

    Args:
        backbone: Sees the frames.
        num_classes: Kinds of lesion K.
        channels: Of pyramid and heads; a multiple of 32, at least 64.
    """

    def __init__(self, backbone: TimeSformer, *, num_classes: int = 2, channels: int = 256) -> None:
        super().__init__()
        if channels < 64 or channels % 32:  # a group of the norm needs more than one value
            raise ConfigError(f"channels is {channels}", hint="give a multiple of 32, at least 64")
        self.backbone = backbone
        self.pyramid = FeaturePyramid(in_channels=backbone.embed_dim, channels=channels)
        self.head = FCOSHead(channels=channels, num_classes=num_classes, num_levels=len(STRIDES))
        self.transform = FeatureTransform(channels=channels, num_classes=num_classes)

    def forward(self, frames: Tensor, *, features: Features = "joint") -> tuple[LevelOutput, ...]:
        """What is known of each level: ``(B, 1 + R, 3, H, W)``, the current frame first.

        Raises:
            ConfigError: The frames are not floating point, not 5-D, have not 3 channels or are
                none, H or W is no multiple of 32, or there is no such kind of features.
        """
        _check(frames, features)
        levels = self.cells(frames, features=features)
        batch, num = frames.shape[:2]

        def place(level: CellMaps, at: int) -> CellMaps:
            return level.frames(slice(at, batch * num, num))

        return tuple(
            self.transform(place(level, 0), [place(level, at) for at in range(1, num)])
            for level in levels
        )

    def cells(self, frames: Tensor, *, features: Features) -> tuple[CellMaps, ...]:
        """What each frame shows without the others' help: (B, T, 3, H, W) to levels of B*T."""
        alone = features == "independent" and not self.training
        if alone and frames.shape[:2].numel() > 1:
            # One by one, so that a stream of frames gives the same to the last bit.
            each = [self.cells(frame[None], features=features) for frame in _single(frames)]
            return tuple(joined(levels) for levels in zip(*each, strict=True))
        maps = self.backbone_maps(frames, features=features)
        return tuple(
            self.head(level, index=index, stride=stride)
            for index, (level, stride) in enumerate(zip(self.pyramid(maps), STRIDES, strict=True))
        )

    def backbone_maps(self, frames: Tensor, *, features: Features) -> Tensor:
        """The backbone's tokens as maps: ``(B, T, 3, H, W) -> (B*T, D, H/16, W/16)``."""
        num = frames.shape[1] if features == "joint" else 1
        clips = frames.flatten(0, 1).unflatten(0, (-1, num)).transpose(1, 2)
        tokens = self.backbone.tokens(clips)[:, 1:]  # (clips, P*T, D)
        rows, columns = (side // PATCH_PX for side in frames.shape[-2:])
        maps = tokens.unflatten(1, (rows, columns, num))  # (clips, h, w, T, D)
        return maps.permute(0, 3, 4, 1, 2).flatten(0, 1)

    @torch.inference_mode()
    def detect(
        self, frames: Tensor, *, features: Features = "joint", choice: Choice | None = None
    ) -> list[Detections]:
        """The boxes of each current frame, in px of what is given.

        Args:
            frames: (B, 1 + R, 3, H, W) normalised floating point, the current frame first.
            features: ``joint``, or ``independent`` as the original tests.
            choice: What counts as found.

        Raises:
            ConfigError: As for ``forward``.
        """
        height, width = frames.shape[-2:]
        outputs = self(frames, features=features)
        return detections(outputs, size_hw=(height, width), choice=choice or Choice())


def _single(frames: Tensor) -> tuple[Tensor, ...]:
    """Every frame by itself: (B, T, 3, H, W) to B*T of (1, 3, H, W)."""
    return frames.flatten(0, 1).split(1)


def _check(frames: Tensor, features: str) -> None:
    shape = tuple(frames.shape)
    if frames.ndim != 5 or shape[2] != 3 or 0 in shape[:2]:
        raise ConfigError(
            f"frames of shape {shape} are not (B, 1 + R, 3, H, W)",
            hint="stack the current frame and its references along the second axis",
        )
    if not frames.is_floating_point():
        raise ConfigError(
            f"frames of shape {shape} hold {frames.dtype}", hint="normalise them to floating point"
        )
    height, width = shape[3:]
    if height % MULTIPLE_PX or width % MULTIPLE_PX or not height or not width:
        raise ConfigError(
            f"frames of {height} x {width} px",
            hint=f"resize or pad height and width to multiples of {MULTIPLE_PX} px",
        )
    if features not in ("joint", "independent"):
        raise ConfigError(f"features is {features!r}", hint="choose 'joint' or 'independent'")
