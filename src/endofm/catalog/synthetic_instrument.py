"""A forceps that comes into the picture from an edge: a coiled metal shaft with two jaws."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endofm.catalog.synthetic_motion import Wobble, draw_wobble
from endofm.catalog.synthetic_texture import Map


@dataclass(frozen=True)
class Instrument:
    """An instrument in the picture; lengths as fractions of the picture's side."""

    bearing: Wobble
    """Direction from the picture's middle to the edge where it enters, in radians."""
    advance: Wobble
    """How far its tip is past the edge; negative: out of the picture."""
    opening: Wobble
    """Half the angle between the jaws, in radians."""
    thickness: float
    metal_rgb: Map
    """0 to 1, (3,)."""


def draw_instrument(rng: np.random.Generator) -> Instrument:
    """A random instrument, in the picture most of the time."""
    tone = rng.uniform(0.45, 0.7)
    return Instrument(
        bearing=draw_wobble(rng.uniform(0.1, 1.5), sweep=0.08, period_s=5.0, shake=0.006, rng=rng),
        advance=draw_wobble(
            rng.uniform(0.12, 0.26), sweep=0.14, period_s=6.0, shake=0.004, rng=rng
        ),
        opening=draw_wobble(0.3, sweep=0.25, period_s=2.5, shake=0.0, rng=rng),
        thickness=rng.uniform(0.04, 0.06),
        metal_rgb=np.array([tone, tone, tone * rng.uniform(0.95, 1.15)], np.float32),
    )


def lay_over(instrument: Instrument, rgb: Map, *, time_s: float) -> NDArray[np.bool_]:
    """Draw the instrument into a picture (H, W, 3) of 0 to 1; return what it hides, (H, W)."""
    bearing, tip = instrument.bearing.at(time_s), instrument.advance.at(time_s)
    size_px, thickness = rgb.shape[0], instrument.thickness
    grid = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px - 0.5
    x, y = grid[None], grid[:, None]
    inward = 0.5 - x * np.cos(bearing) - y * np.sin(bearing)  # (H, W), 0 where it enters
    across = y * np.cos(bearing) - x * np.sin(bearing)
    half_width = thickness * (0.65 - 0.5 * inward)  # thinner where it is further away
    shaft = np.maximum(np.abs(across) - half_width, inward - tip)
    opening = max(instrument.opening.at(time_s), 0.0)
    jaws = np.minimum(
        _jaw(inward - tip, across, opening, length=2.2 * thickness),
        _jaw(inward - tip, across, -opening, length=2.2 * thickness),
    )
    gap = np.minimum(shaft, jaws)  # to the outline, negative within
    # from -1 over 0, which faces the light, to 1
    shaft_lean = np.clip(across / half_width, -1, 1)
    jaw_lean = np.clip(1 + jaws / (0.35 * thickness), 0, 1)
    lean = np.where(shaft < jaws, shaft_lean, jaw_lean)
    coils = np.where(shaft < jaws, 0.88 + 0.12 * np.sin(inward * 500), 1.0)
    body = (0.22 + 0.78 * np.sqrt(1 - lean * lean)) * coils * (1.15 - inward)
    glint = 0.5 * np.exp(-np.square((lean + 0.4) / 0.13))
    metal = np.clip(body[..., None] * instrument.metal_rgb + glint[..., None], 0, 1)
    rgb *= 1 - 0.4 * np.exp(-np.square(np.maximum(gap, 0) / 0.03))[..., None]  # its shadow
    rgb += np.clip(0.5 - gap * size_px, 0, 1)[..., None] * (metal - rgb)
    return gap < 0


def _jaw(inward: Map, across: Map, angle: float, *, length: float) -> Map:
    """Distance to the outline of a jaw turned by an angle about (0, 0), negative within, (H, W)."""
    along = inward * np.cos(angle) + across * np.sin(angle) - 0.45 * length
    aside = across * np.cos(angle) - inward * np.sin(angle)
    half_length, half_width = 0.5 * length, 0.16 * length
    return np.asarray((np.hypot(along / half_length, aside / half_width) - 1) * half_width)
