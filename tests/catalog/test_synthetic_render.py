"""What stands between the wall and the picture: the opening, the instrument, folds and dark."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from endofm.catalog.synthetic_instrument import Instrument, lay_over
from endofm.catalog.synthetic_motion import Wobble
from endofm.catalog.synthetic_patient import draw_patient
from endofm.catalog.synthetic_render import Renderer, octagon
from endofm.catalog.synthetic_scene import Scene, build_scene

NOTHING = np.zeros(0)


def still(value: float) -> Wobble:
    return Wobble(mean=value, amplitudes=NOTHING, frequencies_hz=NOTHING, phases=NOTHING)


def forceps(*, advance: float, thickness: float = 0.05) -> Instrument:
    return Instrument(
        bearing=still(0.0),
        advance=still(advance),
        opening=still(0.3),
        thickness=thickness,
        metal_rgb=np.array([0.5, 0.5, 0.5], np.float32),
    )


@cache
def scene() -> Scene:
    return build_scene(draw_patient(np.random.default_rng(1)), "adenoma", seed=3)


def test_opening_is_an_octagon_of_the_right_area() -> None:
    opening = octagon(200, corner_cut=0.2)
    assert opening[:5].sum() == 0
    assert opening[8:-8, 100].min() == 1
    np.testing.assert_allclose(opening, opening[::-1, ::-1], atol=1e-4)
    np.testing.assert_allclose(opening, opening.T, atol=1e-4)
    np.testing.assert_allclose(opening.mean(), 0.94**2 - 2 * 0.2**2, rtol=2e-3)


def test_instrument_comes_from_its_edge_and_hides_what_it_covers() -> None:
    wall = np.full((100, 100, 3), 0.3, np.float32)
    picture = wall.copy()
    hidden = lay_over(forceps(advance=0.2), picture, time_s=0.0)
    rows, columns = np.nonzero(hidden)
    assert 40 < rows.min() < rows.max() < 60  # bearing 0: from the middle of the right edge
    assert columns.max() == 99
    assert 65 < columns.min() < 80  # the jaws reach past the tip
    np.testing.assert_allclose(picture[:, :50], wall[:, :50], atol=2e-3)
    assert np.abs(picture - wall)[hidden].mean() > 0.1


def test_withdrawn_instrument_is_not_seen() -> None:
    picture = np.full((100, 100, 3), 0.3, np.float32)
    assert not lay_over(forceps(advance=-0.5), picture, time_s=0.0).any()
    np.testing.assert_allclose(picture, 0.3, atol=1e-6)


def test_instrument_takes_what_it_hides_out_of_the_mask() -> None:
    _, mask = Renderer(scene(), size_px=96, seed=0).frame(0, 0.0)
    assert mask.any()
    covered = replace(scene(), instrument=forceps(advance=2.0, thickness=9.0))
    _, nothing = Renderer(covered, size_px=96, seed=0).frame(0, 0.0)
    assert not nothing.any()


@pytest.mark.parametrize(("depth", "seen"), [(0.0, True), (0.7, False)])
def test_wall_hides_a_polyp_behind_it(depth: float, seen: bool) -> None:
    polyp = scene().polyp
    assert polyp is not None
    shift = -depth * polyp.frame[2]
    lobes = tuple(replace(lobe, centre=lobe.centre + shift) for lobe in polyp.lobes)
    moved = replace(scene(), polyp=replace(polyp, foot=polyp.foot + shift, lobes=lobes))
    _, mask = Renderer(moved, size_px=96, seed=0).frame(0, 0.0)
    assert mask.any() == seen


def test_mask_ends_where_the_opening_ends() -> None:
    patient = replace(scene().patient, corner_cut=0.9)  # leaves nothing of the picture
    _, mask = Renderer(replace(scene(), patient=patient), size_px=96, seed=0).frame(0, 0.0)
    assert not mask.any()
