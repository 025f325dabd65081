"""Synthetic patients: what the clips of one patient have in common."""

from dataclasses import dataclass

import numpy as np

from endofm.catalog.synthetic_texture import Map

_MUCOSA_RGB = np.array(
    [
        (0.92, 0.46, 0.43),  # pink
        (0.92, 0.50, 0.24),  # orange
        (0.76, 0.30, 0.25),  # red
        (0.92, 0.66, 0.56),  # pale
        (0.78, 0.54, 0.36),  # tan
    ]
)


@dataclass(frozen=True)
class Patient:
    """Tissue, anatomy and endoscope of one patient; lengths in radii of the colon."""

    mucosa_rgb: Map
    """Colour of the mucosa under white light, 0 to 1, (3,)."""
    light_rgb: Map
    """Colour of the headlight, 0 to 1, (3,)."""
    exposure: float
    gloss: float
    vessel_density: float
    fold_spacing: float
    fold_depth: float
    bend: float
    """How far the centre line swings to a side."""
    speed: float
    """Of the camera; 1 is leisurely."""
    corner_cut: float
    """Legs of the picture's missing corners as a fraction of its side."""


def draw_patient(rng: np.random.Generator) -> Patient:
    """A random patient."""
    mix = rng.dirichlet(np.full(len(_MUCOSA_RGB), 0.4))
    warmth = rng.uniform(0, 1)
    return Patient(
        mucosa_rgb=(mix @ _MUCOSA_RGB * rng.uniform(0.85, 1.05)).astype(np.float32),
        light_rgb=np.array([1.0, 1.0 - 0.06 * warmth, 0.98 - 0.22 * warmth], np.float32),
        exposure=rng.uniform(0.8, 1.25),
        gloss=rng.uniform(0.5, 1.0),
        vessel_density=rng.uniform(0.1, 1.0),
        fold_spacing=rng.uniform(0.7, 1.25),
        fold_depth=rng.uniform(0.25, 0.45),
        bend=rng.uniform(0.35, 1.0),
        speed=rng.uniform(0.6, 1.3),
        corner_cut=rng.uniform(0.16, 0.3),
    )
