"""From a synthetic scene to pictures: headlight, highlights, sensor noise and the black border."""

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.catalog.synthetic_camera import Camera, Sight, dot
from endofm.catalog.synthetic_instrument import lay_over
from endofm.catalog.synthetic_motion import pose_at
from endofm.catalog.synthetic_patient import Patient
from endofm.catalog.synthetic_polyp import cover
from endofm.catalog.synthetic_scene import Scene
from endofm.catalog.synthetic_texture import Map
from endofm.catalog.synthetic_wall import Surface, surface_at

_SCATTER_RGB = (0.0, 0.2, 0.26)  # of the light, lost on the way into the depth
_MARGIN = 0.03  # of the black border, as a fraction of the picture's side
_MIN_VISIBLE = 2e-4  # of the picture; a polyp that covers less counts as out of view
_DARK = 3.0  # radii of the colon; a polyp further away counts as out of view


class Renderer:
    """Turns a scene into pictures.

    Args:
        scene: What is shown.
        size_px: Side of the square pictures.
        seed: Of the sensor's noise.
    """

    def __init__(self, scene: Scene, *, size_px: int, seed: int) -> None:
        self._scene = scene
        self._camera = Camera(size_px=size_px)
        self._opening = octagon(size_px, corner_cut=scene.patient.corner_cut)  # (H, W)
        self._vignette = np.dstack([self._opening * _vignette(size_px)] * 3)  # (H, W, 3)
        self._seed = seed
        shape = (2 * size_px, 2 * size_px, 3)  # each frame shows another part of it
        noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
        self._noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.8) * 4, np.float32)

    def frame(self, index: int, time_s: float) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Picture (H, W, 3), RGB, and mask (H, W) of the polyp's visible part."""
        scene, camera = self._scene, self._camera
        pose = pose_at(scene.motion, scene.wall.centre_xy, time_s)
        sight = camera.look(scene.wall, pose)
        surface = surface_at(
            scene.wall, row=sight.row, column=sight.column, distance=sight.distance
        )
        mask = np.zeros_like(self._opening, np.bool_)
        if scene.polyp is not None:
            mask = cover(scene.polyp, surface, camera=camera, pose=pose, sight=sight)
        rgb = _light(surface, sight, scene.patient)
        if scene.instrument is not None:
            mask &= ~lay_over(scene.instrument, rgb, time_s=time_s)
        mask &= (self._opening > 0.5) & (surface.distance < _DARK)
        if mask.mean() < _MIN_VISIBLE:
            mask[:] = False
        return self._expose(rgb, index), mask

    def _expose(self, rgb: Map, index: int) -> NDArray[np.uint8]:
        """What the sensor makes of a picture (H, W, 3) of 0 to 1."""
        size_px = self._camera.size_px
        y, x = np.random.default_rng((self._seed, index)).integers(0, size_px, 2)
        picture = np.asarray(cv2.GaussianBlur(rgb * 255, (3, 3), 0.6), np.float32)
        picture += self._noise[y : y + size_px, x : x + size_px]
        picture *= self._vignette
        return np.clip(picture, 0, 255).astype(np.uint8)


def _light(surface: Surface, sight: Sight, patient: Patient) -> Map:
    """Picture (H, W, 3) of 0 to 1 under a lamp beside the lens, exposed for its mean."""
    relief, paint, distance = surface.relief, surface.paint, surface.distance
    facing = np.clip(-dot(relief, sight.rays), 0.1, 1)
    strength = np.exp(-0.3 * distance) * (1 / (0.2 + distance * distance) + 0.06)
    light = (facing + 0.3) * strength * (1 / 1.3)
    light *= 3.6 * min(4.0, 0.32 / float(np.minimum(light, 1).mean())) * patient.exposure
    glint = (facing - 0.93) * (0.75 / 0.07) + 0.26 * relief[..., 3] - 0.78
    glint = np.clip(glint * 5, 0, 1) * np.minimum(strength * 2, 1) * paint[..., 3]
    depth = np.minimum(distance * (1 / 3), 1)
    channels = []
    for channel in range(3):
        lamp = float(patient.light_rgb[channel])
        dose = paint[..., channel] * light * (lamp - (lamp * _SCATTER_RGB[channel]) * depth)
        shade = np.sqrt(1 - np.exp(-dose))  # like film: near tissue bleaches, it does not clip
        shade *= 0.62 + 0.38 * shade
        channels.append(shade + (1 - shade) * glint)
    return np.asarray(cv2.merge(channels))


def octagon(size_px: int, *, corner_cut: float) -> Map:
    """The picture's opening: 1 inside, 0 in the black border, (H, W)."""
    grid = np.abs((np.arange(size_px, dtype=np.float32) + 0.5) / size_px - 0.5)
    x, y, half = grid[None], grid[:, None], 0.5 - _MARGIN
    past_edge = np.maximum(np.maximum(x, y) - half, (x + y - 2 * half + corner_cut) / 2**0.5)
    return np.clip(0.5 - past_edge * size_px, 0, 1)


def _vignette(size_px: int) -> Map:
    grid = np.linspace(-1, 1, size_px, dtype=np.float32)
    return np.asarray(1 - 0.14 * (grid[None] ** 2 + grid[:, None] ** 2) ** 1.5)
