"""The wall of a synthetic colon: a bending tube of mean radius 1 with folds and paint.

Coordinates: depth z along the tube and angle round it; x to the right, y down, z away from the
viewer. Maps are (Z, A); the angle is periodic.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from endofm.catalog.synthetic_patient import Patient
from endofm.catalog.synthetic_texture import Map, fractal, noise, vessels

LENGTH = 10.0
ANGLES = 768
"""Texels round the tube."""
TEXELS = 122
"""In a unit of depth, so that texels are as long as they are wide."""
SHAPE = (int(LENGTH * TEXELS), ANGLES)
COARSE = 4
"""Side of a texel of the coarse maps in texels of the fine ones."""

_VEIN_RGB = np.array([0.20, 0.46, 0.40], np.float32)  # taken away by a vessel
_BLUSH_RGB = np.array([0.0, 0.16, 0.12], np.float32)  # taken away where the mucosa is red


@dataclass(frozen=True)
class Skin:
    """What the wall looks like under light."""

    relief: Map
    """Unit normal towards the lumen (3) and wetness (1), (Z, A, 4)."""
    paint: Map
    """Linear albedo RGB (3) and gloss (1), (Z, A, 4)."""


@dataclass(frozen=True)
class Wall:
    """All that a camera can see of the colon itself."""

    radius: Map
    """Distance from the centre line, (Z, A)."""
    centre_xy: Map
    """Centre line, (Z, 2)."""
    fine: Skin
    coarse: Skin
    """The same with ``COARSE`` times larger texels, for what is far away."""


@dataclass(frozen=True)
class Surface:
    """What lies under each pixel, ready to be lit; whoever stands before the wall draws into it."""

    relief: Map
    """Unit normal (3) and wetness (1), (H, W, 4)."""
    paint: Map
    """Linear albedo RGB (3) and gloss (1), (H, W, 4)."""
    distance: Map
    """From the camera, (H, W)."""


def surface_at(wall: Wall, *, row: Map, column: Map, distance: Map) -> Surface:
    """The wall at texels (H, W), in less detail the further away."""
    far = np.clip((distance - 0.8) / 1.6, 0, 1)
    near = 1 - far
    coarse_row, coarse_column = ((at + 0.5) / COARSE - 0.5 for at in (row, column))

    def blend(fine: Map, coarse: Map) -> Map:
        layers = (sample(fine, row, column), sample(coarse, coarse_row, coarse_column))
        return np.asarray(cv2.blendLinear(*layers, near, far), np.float32)

    return Surface(
        relief=blend(wall.fine.relief, wall.coarse.relief),
        paint=blend(wall.fine.paint, wall.coarse.paint),
        distance=distance.copy(),
    )


def sample(image: Map, row: Map, column: Map) -> Map:
    """A periodic image (Z, A, ...) at texels (H, W), linearly interpolated; (H, W, ...)."""
    sampled = cv2.remap(image, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(sampled, np.float32)


def build_wall(patient: Patient, rng: np.random.Generator) -> Wall:
    """A random stretch of a patient's colon."""
    radius, crest = _folded_tube(patient, rng)
    centre_xy = _centre_line(patient.bend, rng)
    wrinkles = 0.0045 * fractal(SHAPE, cells=(32, 16, 8), rng=rng)
    wetness = fractal(SHAPE, cells=(16, 8, 4), rng=rng)
    gloss = 0.6 + 0.6 * fractal(SHAPE, cells=(128, 64, 32), rng=rng)
    mucosa = _mucosa(patient, radius, crest, rng=rng)
    fine = Skin(
        relief=np.dstack([_normals(radius - wrinkles, centre_xy), wetness]),
        paint=np.dstack([mucosa**2, patient.gloss * np.clip(gloss, 0, 1)]),
    )
    return Wall(radius=radius, centre_xy=centre_xy, fine=fine, coarse=_shrink(fine))


def _depths(rows: slice = slice(0, SHAPE[0])) -> Map:
    return np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] / TEXELS  # (Z, 1)


def _angles() -> Map:
    return np.arange(ANGLES, dtype=np.float32)[None] * (2 * np.pi / ANGLES)  # (1, A)


def _folded_tube(patient: Patient, rng: np.random.Generator) -> tuple[Map, Map]:
    """Radius and nearness to a fold's crest (0 to 1), (Z, A) each.

    Haustral folds are staggered crescents in three rows between three longitudinal bands.
    """
    row_angles = rng.uniform(0, 2 * np.pi) + np.arange(3) * (2 * np.pi / 3)
    crest = np.zeros(SHAPE, np.float32)
    depth = rng.uniform(0.0, 0.8) * patient.fold_spacing
    while depth < LENGTH:
        for row_angle in row_angles:
            here = depth + rng.normal(0, 0.14) * patient.fold_spacing
            first, last = np.clip([here - 0.8, here + 0.8], 0, LENGTH) * TEXELS
            rows = slice(int(first), int(last))
            fold = _fold(rows, depth=here, middle=row_angle, rng=rng)
            crest[rows] += fold * (1 - crest[rows])  # a union without a crease
        depth += patient.fold_spacing * rng.uniform(0.75, 1.25)
    bulge = np.sqrt(np.cos(1.5 * (_angles() - row_angles[0])) ** 2 + 0.03)  # none on the bands
    swell = noise(SHAPE, cell=128, rng=rng) * 0.035
    radius = 0.93 + swell + 0.09 * bulge - patient.fold_depth * crest
    return np.maximum(radius, 0.45).astype(np.float32), crest


def _fold(rows: slice, *, depth: float, middle: float, rng: np.random.Generator) -> Map:
    """How far one crescent reaches inward, 0 to 1, for some rows of the map."""
    angle = _angles() - middle + rng.normal(0, 0.15)
    tips = 1 - np.cos(angle)  # 0 in the middle of the crescent, 2 on the far side of the tube
    ripple = 0.03 * np.cos(4 * angle - rng.uniform(0, 2 * np.pi))
    line = depth + rng.uniform(-0.1, 0.25) * tips + ripple
    width = rng.uniform(0.10, 0.17) * (1 - 0.2 * tips)
    profile = np.exp(-np.square((_depths(rows) - line) / width))
    crescent = np.clip(1.25 - rng.uniform(0.75, 1.3) * tips, 0, 1) ** 0.8
    return np.asarray(profile * crescent * rng.uniform(0.4, 1.0), np.float32)


def _centre_line(bend: float, rng: np.random.Generator) -> Map:
    wavelengths = rng.uniform((6.0, 3.5), (9.0, 5.0), (2, 2))  # one pair for x and one for y
    phases = rng.uniform(0, 2 * np.pi, (2, 2))
    waves = np.sin(2 * np.pi * _depths()[:, :, None] / wavelengths + phases) * (1.0, 0.18)
    return (bend * waves.sum(-1)).astype(np.float32)  # (Z, 2)


def _mucosa(patient: Patient, radius: Map, crest: Map, *, rng: np.random.Generator) -> Map:
    """Colour of the wall as displayed, 0 to 1, (Z, A, 3)."""
    hollow = np.clip((radius - cv2.blur(radius, (47, 47))) * 4, -1, 1)
    mottle = fractal(SHAPE, cells=(256, 128, 64, 32), rng=rng)
    grain = noise(SHAPE, cell=4, rng=rng)
    blush = np.clip(0.5 * fractal(SHAPE, cells=(128, 64, 32), rng=rng) + 0.6 * hollow, -1, 1)
    num_trees = int(8 + 42 * patient.vessel_density)
    blood = vessels(SHAPE, num_trees=num_trees, rng=rng) * (1 - 0.7 * crest)
    tone = 1 + 0.06 * mottle + 0.012 * grain - 0.14 * hollow + 0.08 * crest
    tint = (1 - blush[..., None] * _BLUSH_RGB) * (1 - blood[..., None] * _VEIN_RGB)
    return np.clip(patient.mucosa_rgb * tone[..., None] * tint, 0, 1).astype(np.float32)


def _normals(radius: Map, centre_xy: Map) -> Map:
    """Unit normals (Z, A, 3) towards the lumen of a tube of a given radius (Z, A)."""
    cos, sin = np.cos(_angles()), np.sin(_angles())
    wrapped = np.pad(radius, ((1, 1), (1, 1)), mode="wrap")
    along = (wrapped[2:, 1:-1] - wrapped[:-2, 1:-1]) * (TEXELS / 2)
    around = (wrapped[1:-1, 2:] - wrapped[1:-1, :-2]) * (ANGLES / (4 * np.pi))
    slope_xy = np.gradient(centre_xy, axis=0) * TEXELS
    along_x, along_y = slope_xy[:, :1] + along * cos, slope_xy[:, 1:] + along * sin
    around_x, around_y = around * cos - radius * sin, around * sin + radius * cos
    # the cross product of the tangents (along_x, along_y, 1) and (around_x, around_y, 0)
    normal = np.dstack([-around_y, around_x, along_x * around_y - along_y * around_x])
    normal /= np.sqrt(np.einsum("zac,zac->za", normal, normal))[..., None]
    return normal.astype(np.float32)


def _shrink(skin: Skin) -> Skin:
    size_wh = (SHAPE[1] // COARSE, SHAPE[0] // COARSE)
    relief, paint = (
        np.asarray(cv2.resize(fine, size_wh, interpolation=cv2.INTER_AREA), np.float32)
        for fine in (skin.relief, skin.paint)
    )
    return Skin(relief=relief, paint=paint)
