"""What a synthetic clip shows: a patient's colon, perhaps a polyp, perhaps an instrument."""

from dataclasses import dataclass

import numpy as np

from endofm.catalog.synthetic_camera import Camera, Sight
from endofm.catalog.synthetic_instrument import Instrument, draw_instrument
from endofm.catalog.synthetic_motion import Motion, draw_motion, pose_at
from endofm.catalog.synthetic_patient import Patient
from endofm.catalog.synthetic_polyp import Polyp, draw_polyp
from endofm.catalog.synthetic_texture import Map
from endofm.catalog.synthetic_wall import ANGLES, COARSE, TEXELS, Wall, build_wall

_INSTRUMENT_SHARE = 0.25  # of clips
_SCOUT_PX = 64
_SCOUT_TIMES_S = 5 * np.linspace(0, 1, 10) ** 1.3  # denser at the start: clips may be short
_ENOUGH_SIGHTS = 8
_TRIES = 300


@dataclass(frozen=True)
class Scene:
    """All that a clip shows."""

    patient: Patient
    wall: Wall
    motion: Motion
    polyp: Polyp | None
    instrument: Instrument | None


def build_scene(patient: Patient, kind: str | None, *, seed: int) -> Scene:
    """A random scene.

    Args:
        patient: Whose colon it is.
        kind: Of the polyp, None for no polyp; with the same seed it changes nothing else.
        seed: Decides everything.
    """
    for_wall, for_motion, for_polyp, for_instrument = np.random.default_rng(seed).spawn(4)
    wall = build_wall(patient, for_wall)
    motion = draw_motion(patient.speed, for_motion)
    polyp = None
    if kind is not None:
        foot, normal = _find_place(wall, motion, for_polyp)
        polyp = draw_polyp(kind, foot=foot, normal=normal, patient=patient, rng=for_polyp)
    shown = for_instrument.uniform() < _INSTRUMENT_SHARE
    return Scene(
        patient=patient,
        wall=wall,
        motion=motion,
        polyp=polyp,
        instrument=draw_instrument(for_instrument) if shown else None,
    )


def _find_place(wall: Wall, motion: Motion, rng: np.random.Generator) -> tuple[Map, Map]:
    """A point (3,) of the wall that is seen from near most of the time, and its normal (3,)."""
    camera = Camera(size_px=_SCOUT_PX)
    poses = [pose_at(motion, wall.centre_xy, time_s) for time_s in _SCOUT_TIMES_S]
    sights = [camera.look(wall, pose) for pose in poses]
    most_seen = -1
    for _ in range(_TRIES):
        view, (y, x) = rng.integers(len(sights)), rng.integers(14, _SCOUT_PX - 14, 2)
        sight = sights[view]
        row, column = float(sight.row[y, x]), float(sight.column[y, x])
        normal = _normal_at(wall, row, column)
        suits = _is_open(sight, y, x) and -normal @ sight.rays[y, x] > 0.35
        seen = sum(_sees(other, row, column) for other in sights) if suits else 0
        if seen > most_seen:
            foot = poses[view].position + sight.distance[y, x] * sight.rays[y, x]
            best, most_seen = (foot, normal), seen
        if most_seen >= _ENOUGH_SIGHTS:
            break
    return best


def _normal_at(wall: Wall, row: float, column: float) -> Map:
    coarse = wall.coarse.relief[..., :3]  # without wrinkles
    normal = coarse[int(row) // COARSE, int(column) % ANGLES // COARSE]
    return np.asarray(normal / np.linalg.norm(normal))


def _is_open(sight: Sight, y: int, x: int) -> bool:
    """Whether a pixel sees wall at a good distance and away from the edge of a fold."""
    around = sight.distance[y - 4 : y + 5, x - 4 : x + 5]
    return bool(0.6 < sight.distance[y, x] < 1.4 and around.max() < 1.5 * around.min())


def _sees(sight: Sight, row: float, column: float) -> bool:
    """Whether a texel of the wall is seen from near and well within the picture."""
    inner = slice(_SCOUT_PX // 8, -_SCOUT_PX // 8)
    around = (sight.column[inner, inner] - column + ANGLES / 2) % ANGLES - ANGLES / 2
    offset = np.hypot(sight.row[inner, inner] - row, around)
    return bool(((sight.distance[inner, inner] < 1.7) & (offset < 0.07 * TEXELS)).any())
