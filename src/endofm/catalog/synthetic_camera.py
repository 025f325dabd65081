"""The lens of a synthetic endoscope: which point of the wall each pixel sees."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.catalog.synthetic_motion import Pose
from endofm.catalog.synthetic_texture import Map
from endofm.catalog.synthetic_wall import ANGLES, TEXELS, Wall, sample

FAR = 99.0
"""Distance at which all is dark, given to pixels that see no wall."""

_HALF_FIELD = np.radians(50.0)  # from the middle of the picture to the middle of its edge
_SLICES = np.r_[0:300:5, 300:810:10]
"""Texels ahead at which the tube is cut into slices, fewer than 255, up to 6.6 radii."""
_SLICE_GRID = 10  # texels, so that slices stay in place while the camera moves
_SHARES = (-1.0, 4.0)
"""Of the way between two slices, searched because outlines are drawn up to a pixel too thick."""
_RING_TEXELS = 6  # between the corners of a slice's outline


@dataclass(frozen=True)
class Sight:
    """The point of the wall that each pixel sees; maps are (H, W)."""

    row: Map
    """Texels along the tube."""
    column: Map
    """Texels round the tube."""
    distance: Map
    rays: Map
    """Unit vectors from the camera, (H, W, 3)."""


def dot(vectors: Map, others: Map) -> Map:
    """Scalar products (H, W) of vectors (H, W, 3); quicker than a sum over so short an axis."""
    x, y, z = (vectors[..., axis] * others[..., axis] for axis in range(3))
    return np.asarray(x + y + z)


class Camera:
    """A fisheye lens, equidistant as endoscopes' lenses nearly are.

    Args:
        size_px: Side of the square picture.
    """

    def __init__(self, *, size_px: int) -> None:
        self.size_px = size_px
        self.focal_px = size_px / 2 / _HALF_FIELD
        grid = (np.arange(size_px) + 0.5 - size_px / 2) / self.focal_px
        x, y = np.meshgrid(grid, grid)
        off_axis = np.hypot(x, y)
        sinc = np.sinc(off_axis / np.pi)
        rays = np.stack([sinc * x, sinc * y, np.cos(off_axis)], -1)
        self._rays = rays.astype(np.float32)  # (H, W, 3) in the camera's coordinates

    def project(self, points: Map, pose: Pose) -> Map:
        """Pixels x, y (N, M, 2) at which points (N, M, 3) appear; a pixel's middle is at .5."""
        x, y, z = cv2.split(cv2.transform(points - pose.position, pose.axes))
        off_axis = np.hypot(x, y)
        scale = self.focal_px * np.arctan2(off_axis, z) / np.maximum(off_axis, 1e-6)
        return np.dstack([x * scale, y * scale]) + self.size_px / 2

    def look(self, wall: Wall, pose: Pose) -> Sight:
        """What each pixel sees.

        The tube is cut into slices. A pixel's ray stays within the wall's outline of every slice
        up to the one where it hits, which gives the slice; two steps of false position between
        that slice and the one before give the point.
        """
        rows = _SLICES + int(pose.position[2] * TEXELS) // _SLICE_GRID * _SLICE_GRID
        rows = rows[rows < len(wall.radius)]
        rays = np.asarray(cv2.transform(self._rays, pose.axes.T), np.float32)
        hit = self._first_slice_outside(wall, pose, rows)
        into = np.clip(hit, 1, len(rows) - 1)
        row, column, distance = _refine(wall, pose, rows, into=into, rays=rays)
        distance[hit == len(rows)] = FAR
        return Sight(row=row, column=column, distance=distance, rays=rays)

    def _first_slice_outside(
        self, wall: Wall, pose: Pose, rows: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Index of the nearest slice outside whose outline a pixel lies, (H, W)."""
        angle = np.arange(0, ANGLES, _RING_TEXELS) * (2 * np.pi / ANGLES)
        radius = wall.radius[rows, ::_RING_TEXELS]  # (slices, corners)
        x = wall.centre_xy[rows, :1] + radius * np.cos(angle)
        y = wall.centre_xy[rows, 1:] + radius * np.sin(angle)
        z = np.broadcast_to(rows[:, None] / TEXELS, radius.shape)
        pixels = self.project(np.dstack([x, y, z]).astype(np.float32), pose) - 0.5
        outlines = np.round(pixels * 16).astype(np.int32)  # 4 bits of fraction
        low, high = -32, 16 * self.size_px + 16
        frame = np.array([(low, low), (high, low), (high, high), (low, high)], np.int32)
        nearest = np.full((self.size_px, self.size_px), len(rows), np.uint8)
        for index in range(len(rows) - 1, -1, -1):  # from far to near; even-odd fills the outside
            cv2.fillPoly(nearest, [frame, outlines[index]], index, shift=4)
        return nearest


def _refine(
    wall: Wall, pose: Pose, rows: NDArray[np.int64], *, into: NDArray[np.uint8], rays: Map
) -> tuple[Map, Map, Map]:
    """Row, column and distance at which rays hit the wall just before slice ``into``."""
    slices = np.zeros((3, 256), np.float32)
    slices[:, : len(rows)] = rows, *wall.centre_xy[rows].T
    row, centre_x, centre_y = _look_up(slices, into - 1)
    to_row, to_x, to_y = _look_up(np.diff(slices, append=slices[:, -1:]), into - 1)
    eye_x, eye_y, eye_z = (float(value) for value in pose.position)
    ahead = np.maximum(rays[..., 2], 0.02)
    slope_x, slope_y = rays[..., 0] / ahead, rays[..., 1] / ahead

    def probe(share: Map) -> tuple[Map, Map, Map, Map]:
        """How far outside the wall the rays are at a share of the way, and where."""
        at_row = row + share * to_row
        depth = at_row * (1 / TEXELS) - eye_z
        x = slope_x * depth + eye_x - centre_x - share * to_x
        y = slope_y * depth + eye_y - centre_y - share * to_y
        reach, angle = cv2.cartToPolar(x, y)
        column = np.asarray(angle, np.float32) * (ANGLES / (2 * np.pi))
        return reach - sample(wall.radius, at_row, column), at_row, column, depth

    start, stop = np.zeros_like(row), np.ones_like(row)
    gap_start, gap_stop = probe(start)[0], probe(stop)[0]
    for _ in range(2):
        share = _crossing(start, stop, gap_start, gap_stop)
        gap, at_row, column, depth = probe(share)
        inside = gap < 0
        start, gap_start = np.where(inside, share, start), np.where(inside, gap, gap_start)
        stop, gap_stop = np.where(inside, stop, share), np.where(inside, gap_stop, gap)
    return at_row, column, depth / ahead


def _look_up(tables: Map, index: NDArray[np.uint8]) -> list[Map]:
    """Values of several tables (K, 256) at indices (H, W), as K maps."""
    return [np.asarray(cv2.LUT(index, table), np.float32) for table in tables]


def _crossing(start: Map, stop: Map, gap_start: Map, gap_stop: Map) -> Map:
    """Where the line through two gaps climbs past 0; ``stop`` where it does not climb."""
    climb = gap_stop - gap_start
    rising = climb * (stop - start) > 1e-9
    share = np.where(rising, start - gap_start * (stop - start) / np.where(rising, climb, 1), stop)
    return np.clip(share, *_SHARES)
