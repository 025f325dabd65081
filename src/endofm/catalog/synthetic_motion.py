"""How a synthetic endoscope moves: slow sweeps along and across the tube with a small shake."""

from dataclasses import dataclass

import numpy as np

from endofm.catalog.synthetic_texture import Map
from endofm.catalog.synthetic_wall import TEXELS

_MAX_TILT = np.radians(32.0)  # from the tube's axis; with half the lens's field below 90 degrees
_LOOK_AHEAD = 1.6


@dataclass(frozen=True)
class Wobble:
    """A smooth motion: a sum of sines about a mean."""

    mean: float
    amplitudes: Map
    frequencies_hz: Map
    phases: Map

    def at(self, time_s: float) -> float:
        """The value at a time."""
        turns = 2 * np.pi * self.frequencies_hz * time_s + self.phases
        return float(self.mean + self.amplitudes @ np.sin(turns))


def draw_wobble(
    mean: float, *, sweep: float, period_s: float, shake: float, rng: np.random.Generator
) -> Wobble:
    """A slow sweep of about one period with a small, quick shake on top."""
    num_shakes = 3
    slow_hz = rng.uniform((0.8, 1.7), (1.2, 2.6)) / period_s
    return Wobble(
        mean=mean,
        amplitudes=np.array([sweep, 0.35 * sweep, *[shake] * num_shakes]),
        frequencies_hz=np.append(slow_hz, rng.uniform(0.8, 4.0, num_shakes)),
        phases=rng.uniform(0, 2 * np.pi, 2 + num_shakes),
    )


@dataclass(frozen=True)
class Motion:
    """The camera's six degrees of freedom; lengths in radii of the colon, angles in radians."""

    depth: Wobble
    aside_x: Wobble
    aside_y: Wobble
    yaw: Wobble
    pitch: Wobble
    roll: Wobble


def draw_motion(speed: float, rng: np.random.Generator) -> Motion:
    """An endoscopist who advances, retracts and looks about; ``speed`` 1 is leisurely."""

    def wobble(mean: float, sweep: float, period_s: float) -> Wobble:
        return draw_wobble(mean, sweep=sweep, period_s=period_s / speed, shake=0.006, rng=rng)

    return Motion(
        depth=wobble(2.2, rng.uniform(0.4, 0.8), 9.0),
        aside_x=wobble(0.0, 0.13, 7.0),
        aside_y=wobble(0.0, 0.13, 7.0),
        yaw=wobble(rng.uniform(-0.3, 0.3), 0.16, 6.0),
        pitch=wobble(rng.uniform(-0.3, 0.3), 0.16, 6.0),
        roll=wobble(0.0, 0.12, 8.0),
    )


@dataclass(frozen=True)
class Pose:
    """Where the camera is and how it is turned."""

    position: Map
    """x, y, z, (3,), float32."""
    axes: Map
    """Rows: right, down and forward, (3, 3), float32."""


def pose_at(motion: Motion, centre_xy: Map, time_s: float) -> Pose:
    """The pose at a time: near the centre line (Z, 2), looking roughly along it."""
    depth = motion.depth.at(time_s)
    aside = (motion.aside_x.at(time_s), motion.aside_y.at(time_s), 0.0)
    position = np.add(_centre(centre_xy, depth), aside)
    ahead = _centre(centre_xy, depth + _LOOK_AHEAD) - position
    tilt_xy = ahead[:2] / ahead[2] + np.tan((motion.yaw.at(time_s), motion.pitch.at(time_s)))
    tilt = np.arctan(np.hypot(*tilt_xy))
    tilt_xy *= np.tan(_MAX_TILT * np.tanh(tilt / _MAX_TILT)) / max(np.tan(tilt), 1e-9)
    forward = _unit(np.append(tilt_xy, 1.0))
    right = _unit(np.cross((0.0, 1.0, 0.0), forward))
    down = np.cross(forward, right)
    cos, sin = np.cos(motion.roll.at(time_s)), np.sin(motion.roll.at(time_s))
    axes = np.stack([cos * right + sin * down, cos * down - sin * right, forward])
    return Pose(position=position.astype(np.float32), axes=axes.astype(np.float32))


def _centre(centre_xy: Map, depth: float) -> Map:
    row, share = divmod(depth * TEXELS, 1)
    before, after = centre_xy[int(row)], centre_xy[int(row) + 1]
    return np.append(before + share * (after - before), depth)


def _unit(vector: Map) -> Map:
    return np.asarray(vector / np.linalg.norm(vector))
