"""What becomes of a view's colours: drawn on the CPU, done on the device for a whole batch.

Brightness, contrast, saturation and grey all map a pixel x to a·x + (1 - a)·reference, where the
reference is 0, the mean grey, or the pixel's own grey. Grey is a weighted mean, so any sequence of
them is one map, alpha·x + beta·grey(x) + gamma, with three numbers a clip: pixels are touched once.

Axes: B clips, T frames, H and W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from endofm.batch import Colour, View
from endofm.data.rng import Rng

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the luminance (ITU-R BT.601)."""

BRIGHTNESS, CONTRAST, SATURATION = range(3)


@dataclass(frozen=True)
class ColourDraw:
    """The colour work drawn for one view of one clip; fields as in ``endofm.batch.Colour``."""

    jitter: bool
    order: tuple[int, int, int]
    factor: tuple[float, float, float]
    grey: bool


def draw_colour(
    *,
    jitter_probability: float,
    jitter_strength: tuple[float, float, float],
    grey_probability: float,
    rng: Rng,
) -> ColourDraw:
    """Draw what happens to the colours of one view of one clip.

    Args:
        jitter_probability: Chance of brightness, contrast and saturation changes.
        jitter_strength: Largest v of each, in that order; the multiplier is 1 + uniform(-v, v).
        grey_probability: Chance of losing all colour.
        rng: Drawn from for the jitter, its order and strengths (in that order), and the grey.
    """
    order, factor = [BRIGHTNESS, CONTRAST, SATURATION], [1.0, 1.0, 1.0]
    jitter = rng.uniform(0, 1) < jitter_probability
    if jitter:
        order = rng.permutation(3).tolist()
        for which in order:
            factor[which] = 1 + rng.uniform(-jitter_strength[which], jitter_strength[which])
    return ColourDraw(
        jitter=jitter,
        order=(order[0], order[1], order[2]),
        factor=(factor[0], factor[1], factor[2]),
        grey=rng.uniform(0, 1) < grey_probability,
    )


def normalise(
    frames: Tensor, *, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> Tensor:
    """Turn frames into the networks' input.

    Args:
        frames: (B, T, H, W, 3) RGB in 0..255, uint8 or float32.
        mean: Mean of red, green and blue, in 0..1.
        std: Their standard deviation.

    Returns:
        (B, 3, T, H, W) float32.
    """
    return _standardise(_channels_first(frames), mean, std)


def colour_and_normalise(
    view: View,
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    original_swapped_grey: bool = False,
    original_frame_contrast: bool = False,
    original_unclamped: bool = False,
) -> Tensor:
    """Do the colour work of a batch of one view and turn it into the networks' input.

    Args:
        view: Cropped and resized frames with what was drawn for them.
        mean: Mean of red, green and blue, in 0..1.
        std: Their standard deviation.
        original_swapped_grey: Exchange the weights of red and blue, as the original does.
        original_frame_contrast: Move each frame's contrast about its own mean, as the original
            does, which makes clips flicker; otherwise about the mean of the whole clip.
        original_unclamped: Let values leave 0..1, as the original does.

    Returns:
        (B, 3, T, H, W) float32.
    """
    pixels = _channels_first(view.frames)
    weights = GREY_WEIGHTS[::-1] if original_swapped_grey else GREY_WEIGHTS
    grey = _weighted_sum(pixels, weights)  # (B, T, H, W)
    mean_grey = grey.mean(dim=(2, 3))  # (B, T)
    if not original_frame_contrast:
        mean_grey = mean_grey.mean(dim=1, keepdim=True)  # (B, 1)
    alpha, beta, gamma = _compose(view.colour, mean_grey)
    pixels *= alpha[..., None, None, None]
    grey *= beta[..., None, None]
    grey += gamma[..., None, None]
    pixels += grey[:, None]
    if not original_unclamped:
        pixels.clamp_(0, 255)
    return _standardise(pixels, mean, std)


def _channels_first(frames: Tensor) -> Tensor:
    first = frames.permute(0, 4, 1, 2, 3)  # (B, 3, T, H, W)
    return first.to(torch.float32, memory_format=torch.contiguous_format, copy=True)


def _weighted_sum(pixels: Tensor, weights: Sequence[float]) -> Tensor:
    red, green, blue = pixels.unbind(1)  # each (B, T, H, W)
    return (red * weights[0]).add_(green, alpha=weights[1]).add_(blue, alpha=weights[2])


def _compose(colour: Colour, mean_grey: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Join the three steps and the final grey: alpha (B, 1), beta (B, 1), gamma (B, T or 1)."""
    factor = torch.where(colour.jitter[:, None], colour.factor, 1.0)
    alpha, beta = torch.ones_like(factor[:, :1]), torch.zeros_like(factor[:, :1])
    gamma = torch.zeros_like(mean_grey)
    for step in colour.order.split(1, dim=1):  # each (B, 1)
        a = factor.gather(1, step)
        to_mean, to_grey = (1 - a) * (step == CONTRAST), (1 - a) * (step == SATURATION)
        gain = alpha + beta  # grey itself has become gain * grey + gamma
        gamma = (a + to_grey) * gamma + to_mean * (gain * mean_grey + gamma)
        alpha, beta = a * alpha, a * beta + to_grey * gain
    grey = colour.grey[:, None]
    return torch.where(grey, 0.0, alpha), torch.where(grey, alpha + beta, beta), gamma


def _standardise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(x / 255 - mean) / std in place, one channel at a time."""
    for channel, (centre, scale) in enumerate(zip(mean, std, strict=True)):
        pixels[:, channel].sub_(255 * centre).div_(255 * scale)
    return pixels
