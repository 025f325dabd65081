"""Polyps on a synthetic wall: lobes sunk into it, of two kinds.

An adenoma is raised, redder and grooved like a brain; a hyperplastic polyp is flat, pale and
smooth. Lobes are ellipsoids that rays meet exactly, so that outlines are round at any resolution.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.catalog.synthetic_camera import Camera, Sight, dot
from endofm.catalog.synthetic_motion import Pose
from endofm.catalog.synthetic_patient import Patient
from endofm.catalog.synthetic_texture import Map, noise
from endofm.catalog.synthetic_wall import Surface, sample

_TILE = (256, 256)
_TILE_TEXELS = 640.0  # of the groove pattern to a radius of the colon


@dataclass(frozen=True)
class _Traits:
    """What polyps of a kind have in common; ranges are of uniform distributions."""

    radius: tuple[float, float]
    height: tuple[float, float]
    """Of a lobe above its middle, in radii of the polyp."""
    sink: float
    """Depth of a lobe's middle in the wall, in heights."""
    num_buds: int
    grooves: tuple[float, float]
    scale_rgb: tuple[float, float, float]
    """With ``lift_rgb``, its colour is ``scale_rgb * mucosa + lift_rgb``."""
    lift_rgb: tuple[float, float, float]


_TRAITS = {
    "adenoma": _Traits(
        radius=(0.17, 0.29),
        height=(0.8, 1.1),
        sink=0.25,
        num_buds=3,
        grooves=(0.7, 1.0),
        scale_rgb=(0.96, 0.66, 0.70),
        lift_rgb=(0.0, 0.0, 0.0),
    ),
    "hyperplastic": _Traits(
        radius=(0.15, 0.23),
        height=(0.34, 0.46),
        sink=0.5,
        num_buds=1,
        grooves=(0.0, 0.0),
        scale_rgb=(0.64, 0.64, 0.64),
        lift_rgb=(0.34, 0.30, 0.27),
    ),
}
POLYP_KINDS = tuple(_TRAITS)


@dataclass(frozen=True)
class Lobe:
    """An ellipsoid; its axes are the rows of its polyp's ``frame``."""

    centre: Map
    """(3,)"""
    sizes: Map
    """Semi-axes: two along the wall and the height, (3,)."""


@dataclass(frozen=True)
class Polyp:
    """A polyp; lengths in radii of the colon."""

    foot: Map
    """Its middle on the wall, (3,)."""
    frame: Map
    """Rows: two unit vectors along the wall and the one away from it, (3, 3)."""
    reach: float
    """Radius of a ball about the foot that holds what is seen of the lobes."""
    height: float
    lobes: tuple[Lobe, ...]
    paint: Map
    """Linear albedo RGB (3) and gloss (1), (4,)."""
    tint: float
    """Share of ``paint`` in what is seen; the rest is the mucosa's."""
    grooves: Map
    """Slopes (2), height (1) and wetness (1) of the surface, (H, W, 4), a tile."""


def draw_polyp(
    kind: str, *, foot: Map, normal: Map, patient: Patient, rng: np.random.Generator
) -> Polyp:
    """A random polyp of one of ``POLYP_KINDS`` at a place on the wall with a unit normal.

    Sizes overlap and colours mix with the mucosa's, so that one has to look to tell the kinds.
    """
    traits = _TRAITS[kind]
    radius = rng.uniform(*traits.radius)
    height = radius * rng.uniform(*traits.height)
    frame = _frame(normal, bearing=rng.uniform(0, 2 * np.pi))

    def lobe(*, offset: float, size: float, stretch: float = 1.0) -> Lobe:
        bearing = rng.uniform(0, 2 * np.pi)
        shift = (offset * np.cos(bearing), offset * np.sin(bearing), -traits.sink * height)
        sizes = (size * radius * stretch, size * radius, size**0.5 * height)
        centre = foot + np.array(shift) @ frame
        return Lobe(centre=centre.astype(np.float32), sizes=np.array(sizes, np.float32))

    body = lobe(offset=0.0, size=0.9, stretch=rng.uniform(1.0, 1.3))
    buds = [
        lobe(offset=radius * rng.uniform(0.55, 0.75), size=rng.uniform(0.5, 0.7))
        for _ in range(traits.num_buds)
    ]
    rgb = np.multiply(traits.scale_rgb, patient.mucosa_rgb) + traits.lift_rgb
    return Polyp(
        foot=foot,
        frame=frame,
        reach=1.45 * radius,
        height=height,
        lobes=(body, *buds),
        paint=np.append(rgb**2, patient.gloss).astype(np.float32),
        tint=rng.uniform(0.55, 0.85),
        grooves=_groove_pattern(rng.uniform(*traits.grooves), rng=rng),
    )


def _frame(normal: Map, *, bearing: float) -> Map:
    """Three unit vectors (3, 3): two along the wall, turned by a bearing, and the normal (3,)."""
    side = np.cross(normal, (np.cos(bearing), np.sin(bearing), 0.3))
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(normal, side), normal]).astype(np.float32)


def _groove_pattern(depth: float, *, rng: np.random.Generator) -> Map:
    """Plateaus between winding grooves, as ``Polyp.grooves``."""
    height = depth * (np.minimum(1.5 * np.abs(noise(_TILE, cell=16, rng=rng)), 1) - 0.6)
    wetness = 1.5 * noise(_TILE, cell=16, rng=rng) - 0.7
    slope_y, slope_x = np.gradient(height)
    return np.dstack([slope_x, slope_y, height, wetness]).astype(np.float32)


def cover(
    polyp: Polyp, surface: Surface, *, camera: Camera, pose: Pose, sight: Sight
) -> NDArray[np.bool_]:
    """Draw a polyp into ``surface`` where nothing hides it; return where it is seen, (H, W)."""
    mask = np.zeros(surface.distance.shape, np.bool_)
    box = _box_around(polyp, camera, pose)
    rays, behind = sight.rays[box], surface.distance[box]
    if rays.size == 0:
        return mask
    relief, paint = surface.relief[box], surface.paint[box]
    _shade_foot(polyp, paint, points=pose.position + behind[..., None] * rays)
    distance, normal = meet(polyp, pose.position, rays)
    rise = np.clip((behind - distance) / (0.2 * polyp.height), 0, 1)
    rise *= rise * (3 - 2 * rise)  # from 0 at the foot, where it merges with the wall, to 1
    points = pose.position + np.minimum(distance, behind)[..., None] * rays
    grooves = _grooves_at(polyp, points, normal)
    normal -= np.asarray(cv2.transform(grooves[..., :2], polyp.frame[:2].T))
    normal /= np.sqrt(dot(normal, normal) + 1e-12)[..., None]
    share = rise[..., None]
    relief += share * (np.dstack([normal, grooves[..., 3]]) - relief)
    skin = paint + polyp.tint * (polyp.paint - paint)
    paint += share * (skin * (1 + 0.25 * grooves[..., 2:3]) - paint)
    np.minimum(behind, distance, out=behind)
    mask[box] = rise > 0.3
    return mask


def _box_around(polyp: Polyp, camera: Camera, pose: Pose) -> tuple[slice, slice]:
    """Rows and columns of the picture that the polyp may touch."""
    away = float(np.linalg.norm(polyp.foot - pose.position))
    half_angle = np.arcsin(min(polyp.reach / away, 1.0))
    x, y = camera.project(polyp.foot[None, None], pose)[0, 0]
    half_px = 1.1 * half_angle * camera.focal_px  # off the axis the lens widens what it shows
    (top, bottom), (left, right) = (
        np.clip((middle - half_px, middle + half_px + 1), 0, camera.size_px).astype(int)
        for middle in (y, x)
    )
    return slice(top, bottom), slice(left, right)


def _shade_foot(polyp: Polyp, paint: Map, *, points: Map) -> None:
    """Darken the wall at points (H, W, 3) where little light comes between it and the polyp."""
    away = (points - polyp.foot) * (1 / polyp.reach)
    paint *= 1 - 0.45 * np.exp(-2.5 * np.square(dot(away, away)))[..., None]


def meet(polyp: Polyp, eye: Map, rays: Map) -> tuple[Map, Map]:
    """Where rays (H, W, 3) from a point (3,) first meet a lobe of the polyp.

    Returns:
        Distance (H, W), infinite where there is none, and unit normal (H, W, 3).
    """
    nearest = np.full(rays.shape[:2], np.inf, np.float32)
    normal = np.zeros_like(rays)
    for lobe in polyp.lobes:
        to_ball = polyp.frame / lobe.sizes[:, None]  # makes the lobe a unit ball about 0
        origin = to_ball @ (eye - lobe.centre)
        along = np.asarray(cv2.transform(rays, to_ball), np.float32)
        square, half = dot(along, along), along @ origin
        root = half * half - square * (origin @ origin - 1)
        distance = (-half - np.sqrt(np.maximum(root, 0))) / square
        closer = (root > 0) & (distance > 0) & (distance < nearest)
        nearest[closer] = distance[closer]
        normal[closer] = (origin + distance[closer, None] * along[closer]) @ to_ball
    normal /= np.sqrt(dot(normal, normal) + 1e-12)[..., None]
    return nearest, normal


def _grooves_at(polyp: Polyp, points: Map, normal: Map) -> Map:
    """The groove pattern laid over the dome: slopes, height and wetness, (H, W, 4)."""
    along = cv2.transform((points - polyp.foot).astype(np.float32), polyp.frame[:2])
    upright = np.clip(normal @ polyp.frame[2], 0, 1)[..., None]
    texel = along / (1 + upright) * _TILE_TEXELS + _TILE[0] / 2  # stereographic
    return sample(polyp.grooves, texel[..., 1].astype(np.float32), texel[..., 0].astype(np.float32))
