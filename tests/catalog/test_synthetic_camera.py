"""The camera against tubes and balls whose geometry is known in closed form."""

import numpy as np
import pytest

from endofm.catalog.synthetic_camera import FAR, Camera
from endofm.catalog.synthetic_motion import Pose
from endofm.catalog.synthetic_patient import draw_patient
from endofm.catalog.synthetic_polyp import Lobe, draw_polyp, meet
from endofm.catalog.synthetic_texture import Map, noise
from endofm.catalog.synthetic_wall import ANGLES, SHAPE, TEXELS, Skin, Wall, surface_at

AHEAD = Pose(position=np.array([0, 0, 2], np.float32), axes=np.eye(3, dtype=np.float32))


def bare_wall(radius: Map) -> Wall:
    empty = np.zeros((4, 4, 4), np.float32)
    skin = Skin(relief=empty, paint=empty)
    centre_xy = np.zeros((SHAPE[0], 2), np.float32)
    return Wall(radius=radius, centre_xy=centre_xy, fine=skin, coarse=skin)


def test_straight_tube_is_seen_where_trigonometry_says() -> None:
    sight = Camera(size_px=192).look(bare_wall(np.ones(SHAPE, np.float32)), AHEAD)
    off_axis = np.arccos(np.clip(sight.rays[..., 2], -1, 1))
    expected = 1 / np.sin(off_axis)
    lit = sight.distance < FAR
    assert lit.mean() > 0.95
    np.testing.assert_array_equal(sight.distance[expected > 7], FAR)
    np.testing.assert_allclose(sight.distance[lit], expected[lit], rtol=5e-3)
    depth = 2 + 1 / np.tan(off_axis)
    np.testing.assert_allclose(sight.row[lit] / TEXELS, depth[lit], rtol=5e-3)
    angle = np.arctan2(sight.rays[..., 1], sight.rays[..., 0]) % (2 * np.pi)
    turn = (sight.column * (2 * np.pi / ANGLES) - angle + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(turn).max() < 0.01


def test_narrow_part_hides_what_is_behind_it() -> None:
    radius = np.ones(SHAPE, np.float32)
    ring = slice(int(3.0 * TEXELS), int(3.2 * TEXELS))
    radius[ring] = 0.5
    sight = Camera(size_px=64).look(bare_wall(radius), AHEAD)
    off_axis = np.arccos(np.clip(sight.rays[..., 2], -1, 1))
    depth = sight.distance * sight.rays[..., 2]
    through, onto = off_axis < np.arctan(0.5 / 1.25), off_axis > np.arctan(0.5 / 0.95)
    assert (depth[through] > 1.19).all()
    assert (depth[onto] < 1.05).all()
    hidden = (depth > 1.25) & (depth < 2.3)  # the shadow of the ring on the wall behind it
    assert not hidden.any()


def test_projection_inverts_the_rays() -> None:
    camera = Camera(size_px=64)
    sight = camera.look(bare_wall(np.ones(SHAPE, np.float32)), AHEAD)
    points = AHEAD.position + 1.7 * sight.rays
    y, x = np.mgrid[:64, :64] + 0.5
    np.testing.assert_allclose(camera.project(points, AHEAD), np.stack([x, y], -1), atol=1e-3)


def test_far_surface_is_drawn_from_coarse_maps_at_the_same_place() -> None:
    ramp = np.broadcast_to(np.arange(SHAPE[0], dtype=np.float32)[:, None, None], (*SHAPE, 4))
    coarse = np.ascontiguousarray(ramp.reshape(SHAPE[0] // 4, 4, ANGLES // 4, 4, 4).mean((1, 3)))
    fine = np.ascontiguousarray(ramp)
    wall = Wall(
        radius=np.ones(SHAPE, np.float32),
        centre_xy=np.zeros((SHAPE[0], 2), np.float32),
        fine=Skin(relief=fine, paint=fine),
        coarse=Skin(relief=coarse, paint=coarse),
    )
    row = np.full((2, 3), 321.25, np.float32)
    column = np.full((2, 3), 100.5, np.float32)
    for distance in (0.5, 1.5, 9.0):
        there = np.full((2, 3), distance, np.float32)
        surface = surface_at(wall, row=row, column=column, distance=there)
        np.testing.assert_allclose(surface.paint, 321.25, atol=0.2)


@pytest.mark.parametrize("kind", ["adenoma", "hyperplastic"])
def test_rays_meet_a_polyp_on_its_surface(kind: str) -> None:
    rng = np.random.default_rng(0)
    normal = np.array([0.6, 0.0, -0.8], np.float32)
    foot = np.array([0.0, 0.0, 3.0], np.float32)
    polyp = draw_polyp(kind, foot=foot, normal=normal, patient=draw_patient(rng), rng=rng)
    rays = np.stack(np.meshgrid(*[np.linspace(-0.3, 0.3, 41)] * 2), -1)
    rays = np.dstack([rays, np.ones((41, 41))]).astype(np.float32)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    distance, normals = meet(polyp, np.array([0, 0, 2], np.float32), rays)
    hit = np.isfinite(distance)
    assert 0.01 < hit.mean() < 0.9
    points = np.array([0, 0, 2]) + distance[hit, None] * rays[hit]
    values = np.array([_ball_radius(lobe, polyp.frame, points) for lobe in polyp.lobes])
    np.testing.assert_allclose(values.min(0), 1, atol=5e-3)  # on one lobe, inside none
    np.testing.assert_allclose(np.linalg.norm(normals[hit], axis=-1), 1, atol=1e-4)
    assert ((normals[hit] * rays[hit]).sum(-1) < 1e-3).all()


def _ball_radius(lobe: Lobe, frame: Map, points: Map) -> Map:
    local = (points - lobe.centre) @ frame.T / lobe.sizes
    return np.asarray(np.linalg.norm(local, axis=-1))


def test_noise_closes_round_the_tube() -> None:
    pattern = noise((64, 96), cell=32, rng=np.random.default_rng(0))
    seam = np.abs(pattern[:, 0] - pattern[:, -1]).max()
    assert seam <= np.abs(np.diff(pattern, axis=1)).max()
    assert abs(pattern.mean()) < 1
    assert 0.4 < pattern.std() < 1.6
