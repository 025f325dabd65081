"""Crops, resizing and colours of the original.

Golden frames are (T, C, H, W) in 0..1; the defects' switches are on where an entry shows one.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from endofm.batch import Colour, View
from endofm.data.colour import (
    BRIGHTNESS,
    CONTRAST,
    SATURATION,
    ColourDraw,
    colour_and_normalise,
    draw_colour,
    normalise,
)
from endofm.data.transforms import (
    Box,
    crop_and_resize,
    random_resized_crop_box,
    random_scale_crop,
    resize_short_side,
    square_crop,
)
from tests.parity.golden_fill import compare, make_uint8

pytestmark = pytest.mark.parity

Golden = Callable[[str], Mapping[str, Any]]
AREAS = {"global": (0.4, 1.0), "local": (0.05, 0.4)}
colour_as_the_original = partial(
    colour_and_normalise,
    original_swapped_grey=True,
    original_frame_contrast=True,
    original_unclamped=True,
)
UNCHANGED = ColourDraw(jitter=False, order=(0, 1, 2), factor=(1.0, 1.0, 1.0), grey=False)
ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


class TorchRng:
    """Torch's global generator with NumPy's names."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)

    def uniform(self, low: float, high: float, /) -> float:
        return torch.empty(1).uniform_(low, high).item()

    def integers(self, low: int, high: int, /) -> int:
        return int(torch.randint(low, high, (1,)))

    def permutation(self, x: int, /) -> NDArray[np.int64]:
        drawn: NDArray[np.int64] = torch.randperm(x).numpy()
        return drawn


class LegacyRng:
    """NumPy's generator of old with the new one's names."""

    def __init__(self, seed: int) -> None:
        self.state = np.random.RandomState(seed)

    def uniform(self, low: float, high: float, /) -> float:
        return self.state.uniform(low, high)

    def integers(self, low: int, high: int, /) -> int:
        return self.state.randint(low, high)

    def permutation(self, x: int, /) -> NDArray[np.int64]:
        return self.state.permutation(x)


def one_clip(frames: NDArray[Any], draw: ColourDraw) -> View:
    colour = Colour(
        jitter=torch.tensor([draw.jitter]),
        order=torch.tensor([draw.order]),
        factor=torch.tensor([draw.factor]),
        grey=torch.tensor([draw.grey]),
    )
    return View(torch.from_numpy(frames[None].copy()), colour)


def crop_all(
    frames: NDArray[np.uint8], box: Box, resized: NDArray[Any], *, flip: bool = False
) -> None:
    for frame, out in zip(frames, resized, strict=True):
        crop_and_resize(frame, box, out, flip=flip)


def in_golden_order(clips: torch.Tensor) -> NDArray[np.float32]:
    """(1, 3, T, H, W) -> (T, 3, H, W)."""
    ordered: NDArray[np.float32] = clips[0].transpose(0, 1).numpy()
    return ordered


@pytest.mark.parametrize("kind", AREAS)
def test_boxes_are_the_originals(golden: Golden, kind: str) -> None:
    reference = golden("augment")
    boxes = reference[f"rrc_boxes_ijhw_{kind}_256x341_torchseed_seed*1000+k"]
    drawn = [
        random_resized_crop_box(
            (256, 341),
            AREAS[kind],
            rng=TorchRng(int(reference["seed"]) * 1000 + k),
            original_never_stops=True,
        )
        for k in range(len(boxes))
    ]
    assert [list(box) for box in drawn] == boxes.tolist()


@pytest.mark.parametrize("k", range(4))
def test_bicubic_resizing_is_the_originals(golden: Golden, k: int) -> None:
    reference = golden("augment")
    *box, size_px = reference[f"rrc{k}/box_ijhw_size"].tolist()
    frames = make_uint8("aug", (4, 64, 85, 3), int(reference["seed"]))
    in_float = np.empty((4, size_px, size_px, 3), np.float32)
    in_uint8 = np.empty((4, size_px, size_px, 3), np.uint8)
    for resized in (in_float, in_uint8):
        crop_all(frames, Box(*box), resized)
    compare(in_float.transpose(0, 3, 1, 2) / 255, reference, f"rrc{k}/bicubic")
    assert np.abs(in_uint8 - in_float.clip(0, 255)).max() < 0.51


@pytest.mark.parametrize("seed_offset", range(3))
def test_whole_pipeline_is_the_originals(golden: Golden, seed_offset: int) -> None:
    reference = golden("augment")
    seed = int(reference["seed"])
    box_rng, rng = TorchRng(seed + seed_offset), LegacyRng(seed + seed_offset)
    for view in range(10):
        frames = make_uint8(f"augclip{view}", (2, 128, 170, 3), seed)
        area, size_px = (AREAS["global"], 224) if view < 2 else (AREAS["local"], 96)
        box = random_resized_crop_box((128, 170), area, rng=box_rng, original_never_stops=True)
        flip = rng.uniform(0, 1) < 0.5
        draw = draw_colour(
            jitter_probability=0.8,
            jitter_strength=(0.4, 0.4, 0.2),
            grey_probability=0.2,
            rng=rng,
        )
        for _ in range((0, 2, *[1] * 8)[view]):  # blur and solarise: drawn for, never done
            rng.uniform(0, 1)
        cropped = np.empty((2, size_px, size_px, 3), np.float32)
        crop_all(frames, box, cropped, flip=flip)
        clips = colour_as_the_original(one_clip(cropped, draw))
        compare(in_golden_order(clips), reference, f"pipeline{seed_offset}/crop{view}")


@pytest.mark.parametrize("strength", [-0.3, 0.25])
@pytest.mark.parametrize(
    ("name", "which"),
    [("brightness", BRIGHTNESS), ("contrast", CONTRAST), ("saturation", SATURATION)],
)
def test_single_colour_steps_are_the_originals(
    golden: Golden, name: str, which: int, strength: float
) -> None:
    reference = golden("augment")
    frames = make_uint8("aug", (4, 64, 85, 3), int(reference["seed"]))
    factor = [1.0, 1.0, 1.0]
    factor[which] += strength
    draw = ColourDraw(
        jitter=True, order=(2, 0, 1), factor=(factor[0], factor[1], factor[2]), grey=False
    )
    clips = colour_as_the_original(one_clip(frames, draw), mean=ZERO, std=ONE)
    compare(in_golden_order(clips), reference, f"{name}{strength}")
    if name == "brightness" and strength < 0:  # nothing to clamp: the default does the same
        clips = colour_and_normalise(one_clip(frames, draw), mean=ZERO, std=ONE)
        compare(in_golden_order(clips), reference, f"{name}{strength}")


def test_grey_is_the_originals(golden: Golden) -> None:
    reference = golden("augment")
    frames = make_uint8("aug", (4, 64, 85, 3), int(reference["seed"]))
    draw = ColourDraw(jitter=False, order=(0, 1, 2), factor=(1.0, 1.0, 1.0), grey=True)
    clips = colour_and_normalise(
        one_clip(frames, draw), mean=ZERO, std=ONE, original_swapped_grey=True
    )
    compare(in_golden_order(clips), reference, "grayscale")


def test_flip_and_normalisation_are_the_originals(golden: Golden) -> None:
    reference = golden("augment")
    frames = make_uint8("aug", (4, 64, 85, 3), int(reference["seed"]))
    flipped = np.empty_like(frames)
    crop_all(frames, Box(0, 0, 64, 85), flipped, flip=True)
    compare(flipped.transpose(0, 3, 1, 2) / 255, reference, "hflip")
    batch = torch.from_numpy(frames[None])
    compare(in_golden_order(normalise(batch)), reference, "normalize")
    clips = colour_and_normalise(one_clip(frames, UNCHANGED))
    compare(in_golden_order(clips), reference, "normalize")


@pytest.mark.parametrize("size_hw", [(256, 341), (300, 256), (224, 224), (192, 250)])
def test_fine_tuning_crops_are_the_originals(golden: Golden, size_hw: tuple[int, int]) -> None:
    reference = golden("augment")
    seed = int(reference["seed"])
    height, width = size_hw
    frames = make_uint8(f"ucf{height}x{width}", (8, height, width, 3), seed).astype(np.float32)
    mean, std = reference["mean_std"]
    resized = resize_short_side(frames, 224)
    places: tuple[Literal["first", "centre", "last"], ...] = ("first", "centre", "last")
    for crop, place in enumerate(places):
        square = square_crop(resized, 224, place=place)
        clips = normalise(torch.from_numpy(square[None]), mean=mean, std=std)
        compare(clips[0].numpy(), reference, f"ucf_val/{height}x{width}/crop{crop}")
    for k in range(2):
        square = random_scale_crop(frames, 224, rng=LegacyRng(seed + k))
        clips = normalise(torch.from_numpy(square[None]), mean=mean, std=std)
        compare(clips[0].numpy(), reference, f"ucf_train/{height}x{width}/s{k}")
