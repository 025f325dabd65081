import itertools
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from endofm.batch import Colour, View
from endofm.data.colour import (
    GREY_WEIGHTS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    colour_and_normalise,
    draw_colour,
    normalise,
)

plain_colour = partial(colour_and_normalise, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def some_view(num_clips: int = 6, *, seed: int = 0, in_float: bool = False) -> View:
    """One clip for each order of the three steps, any of which may come again; some are grey."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (num_clips, 3, 5, 4, 3), generator=generator)
    orders = list(itertools.product(range(3), repeat=3))
    colour = Colour(
        jitter=torch.arange(num_clips) % 4 != 3,
        order=torch.tensor([orders[k % 27] for k in range(num_clips)]),
        factor=0.6 + 0.8 * torch.rand((num_clips, 3), generator=generator),
        grey=torch.arange(num_clips) % 3 == 2,
    )
    return View(frames.float() + 0.25 if in_float else frames.byte(), colour)


def written_out(
    view: View,
    *,
    swapped_grey: bool = False,
    frame_contrast: bool = False,
    unclamped: bool = False,
) -> NDArray[np.float64]:
    """Step by step and clip by clip, in double precision: (B, 3, T, H, W)."""
    weights = np.array(GREY_WEIGHTS[::-1] if swapped_grey else GREY_WEIGHTS)
    clips = []
    for b, frames in enumerate(view.frames.double().numpy() / 255):
        x = frames  # (T, H, W, 3)
        for which in view.colour.order[b].tolist() if view.colour.jitter[b] else []:
            a = float(view.colour.factor[b, which])
            grey = (x @ weights)[..., None]
            mean = grey.mean(axis=(1, 2, 3) if frame_contrast else None, keepdims=True)
            x = a * x + (1 - a) * [0, mean, grey][which]
        if view.colour.grey[b]:
            x = np.repeat((x @ weights)[..., None], 3, axis=-1)
        clips.append(x if unclamped else x.clip(0, 1))
    return np.stack(clips).transpose(0, 4, 1, 2, 3)


@pytest.mark.parametrize("in_float", [False, True])
@pytest.mark.parametrize("swapped_grey", [False, True])
@pytest.mark.parametrize("frame_contrast", [False, True])
@pytest.mark.parametrize("unclamped", [False, True])
def test_joined_steps_equal_the_written_out_ones(
    in_float: bool, swapped_grey: bool, frame_contrast: bool, unclamped: bool
) -> None:
    view = some_view(108, in_float=in_float)
    result = plain_colour(
        view,
        original_swapped_grey=swapped_grey,
        original_frame_contrast=frame_contrast,
        original_unclamped=unclamped,
    )
    expected = written_out(
        view, swapped_grey=swapped_grey, frame_contrast=frame_contrast, unclamped=unclamped
    )
    assert result.shape == (108, 3, 3, 5, 4)
    assert result.dtype == torch.float32
    assert result.is_contiguous()
    np.testing.assert_allclose(result.numpy(), expected, atol=2e-6)


def test_a_batch_equals_its_clips_one_by_one() -> None:
    view = some_view(8)
    single = [
        plain_colour(View(view.frames[k : k + 1], Colour(*(part[k : k + 1] for part in parts))))
        for k in range(8)
        for parts in [(view.colour.jitter, view.colour.order, view.colour.factor, view.colour.grey)]
    ]
    torch.testing.assert_close(plain_colour(view), torch.cat(single), rtol=0, atol=1e-6)


@pytest.mark.parametrize("in_float", [False, True])
def test_input_frames_stay_as_they_were(in_float: bool) -> None:
    view = some_view(in_float=in_float)
    before = view.frames.clone()
    colour_and_normalise(view)
    normalise(view.frames)
    assert torch.equal(view.frames, before)


def test_without_draws_a_view_is_only_normalised() -> None:
    frames = some_view().frames
    num_clips = len(frames)
    nothing = Colour(
        jitter=torch.zeros(num_clips, dtype=torch.bool),
        order=torch.arange(3).repeat(num_clips, 1),
        factor=torch.full((num_clips, 3), 7.0),  # ignored without jitter
        grey=torch.zeros(num_clips, dtype=torch.bool),
    )
    assert torch.equal(colour_and_normalise(View(frames, nothing)), normalise(frames))


def test_normalisation_is_the_written_out_one() -> None:
    frames = some_view().frames
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    expected: Tensor = ((frames / 255 - mean) / std).permute(0, 4, 1, 2, 3)
    torch.testing.assert_close(normalise(frames), expected)


def test_strengths_stay_in_their_ranges_and_orders_vary() -> None:
    rng = np.random.default_rng(0)
    draws = [
        draw_colour(
            jitter_probability=0.8,
            jitter_strength=(0.4, 0.3, 0.1),
            grey_probability=0.2,
            rng=rng,
        )
        for _ in range(2000)
    ]
    jittered = [draw for draw in draws if draw.jitter]
    factors = np.array([draw.factor for draw in jittered])
    assert len(jittered) / len(draws) == pytest.approx(0.8, abs=0.03)
    assert sum(draw.grey for draw in draws) / len(draws) == pytest.approx(0.2, abs=0.03)
    assert {draw.order for draw in jittered} == set(itertools.permutations(range(3)))
    np.testing.assert_allclose(factors.min(axis=0), [0.6, 0.7, 0.9], atol=0.01)
    np.testing.assert_allclose(factors.max(axis=0), [1.4, 1.3, 1.1], atol=0.01)
    assert all(draw.factor == (1, 1, 1) for draw in draws if not draw.jitter)
