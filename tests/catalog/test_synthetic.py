"""Rendered clips: determinism, agreement of masks and boxes, motion, and what tells kinds apart."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.catalog.synthetic import KINDS, SyntheticClip, render_clip, tight_box
from endofm.errors import ConfigError

PX = 96
FRAMES = 6


@cache
def clip(kind: str, seed: int = 3, patient: int = 1) -> SyntheticClip:
    return render_clip(
        seed=seed, kind=kind, patient=patient, num_frames=FRAMES, size_px=PX, fps=6.0
    )


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_types(kind: str) -> None:
    rendered = clip(kind)
    assert rendered.frames.shape == (FRAMES, PX, PX, 3)
    assert rendered.frames.dtype == np.uint8
    assert rendered.masks.shape == (FRAMES, PX, PX)
    assert rendered.masks.dtype == np.bool_
    assert len(rendered.boxes_xyxy) == FRAMES
    assert (rendered.kind, rendered.patient) == (kind, 1)


def test_same_seed_gives_same_pixels() -> None:
    again = render_clip(seed=3, kind="adenoma", patient=1, num_frames=2, size_px=PX, fps=6.0)
    np.testing.assert_array_equal(again.frames, clip("adenoma").frames[:2])
    np.testing.assert_array_equal(again.masks, clip("adenoma").masks[:2])


def test_another_seed_gives_another_clip() -> None:
    assert (clip("no_polyp").frames != clip("no_polyp", seed=4).frames).mean() > 0.3


def test_kind_changes_the_polyp_alone() -> None:
    without, adenoma, flat = (clip(kind).frames[0].astype(int) for kind in KINDS)
    mask = clip("adenoma").masks[0]
    far_away = ~_grown(mask | clip("hyperplastic").masks[0], by=PX // 6)
    for other in (adenoma, flat):
        # the exposure of the whole picture answers to the polyp, but only a little
        assert np.abs(other - without)[far_away].mean() < 3
    assert np.abs(adenoma - without)[mask].mean() > 10
    assert np.abs(adenoma - flat)[mask].mean() > 10


def _grown(mask: NDArray[np.bool_], *, by: int) -> NDArray[np.bool_]:
    rows, columns = np.nonzero(mask)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    near: NDArray[np.bool_] = (
        (y > top - by) & (y < bottom + by) & (x > left - by) & (x < right + by)
    )
    return near


@pytest.mark.parametrize("kind", KINDS)
def test_box_is_the_tight_box_of_the_mask(kind: str) -> None:
    for mask, box in zip(clip(kind).masks, clip(kind).boxes_xyxy, strict=True):
        if box is None:
            assert not mask.any()
            continue
        x0, y0, x1, y1 = box
        assert mask[y0:y1, x0:x1].sum() == mask.sum() > 0
        for edge in (mask[y0, x0:x1], mask[y1 - 1, x0:x1], mask[y0:y1, x0], mask[y0:y1, x1 - 1]):
            assert edge.any()


def test_tight_box_of_one_pixel_and_of_none() -> None:
    mask = np.zeros((5, 7), np.bool_)
    assert tight_box(mask) is None
    mask[4, 6] = True
    assert tight_box(mask) == (6, 4, 7, 5)


def test_clip_without_polyp_has_no_mask() -> None:
    assert not clip("no_polyp").masks.any()
    assert clip("no_polyp").boxes_xyxy == (None,) * FRAMES


@pytest.mark.parametrize("kind", KINDS[1:])
def test_polyp_is_in_view_in_most_frames(kind: str) -> None:
    for seed, patient in ((3, 1), (4, 2)):
        seen = [box is not None for box in clip(kind, seed, patient).boxes_xyxy]
        assert np.mean(seen) > 0.5


def test_border_is_black_and_the_opening_is_lit() -> None:
    frames = clip("no_polyp").frames
    edge = int(PX * 0.025)
    for border in (frames[:, :edge], frames[:, -edge:], frames[:, :, :edge], frames[:, :, -edge:]):
        assert not border.any()
    for corner in (frames[:, : PX // 12, : PX // 12], frames[:, -PX // 12 :, -PX // 12 :]):
        assert not corner.any()
    assert (frames.max(-1)[:, PX // 8 : -PX // 8, PX // 2] > 0).mean() > 0.95


@pytest.mark.parametrize("kind", KINDS[1:])
def test_masks_mark_lit_pixels_only(kind: str) -> None:
    rendered = clip(kind)
    assert rendered.frames[rendered.masks].max(-1).min() > 20


def test_frames_move_but_do_not_jump() -> None:
    rendered = render_clip(seed=3, kind="adenoma", patient=1, num_frames=5, size_px=PX, fps=30.0)
    frames = rendered.frames.astype(int)
    steps = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    assert (steps > 0.3).all()
    assert (steps < 8).all()
    second_later = clip("adenoma").frames[-1].astype(int)
    assert np.abs(second_later - frames[0]).mean() > 2 * steps.mean()
    for before, after in zip(rendered.masks, rendered.masks[1:], strict=False):
        assert (before & after).sum() > 0.7 * (before | after).sum()  # fixed to the wall


def test_clips_of_one_patient_look_alike() -> None:
    def tint(seed: int, patient: int) -> NDArray[np.float64]:
        frames = clip("no_polyp", seed, patient).frames
        lit = frames[frames.max(-1) > 60].astype(float)
        return np.asarray(lit.mean(0) / lit.mean())

    one, one_again, another, another_again = (
        tint(seed, patient) for patient in (1, 2) for seed in (3, 4)
    )
    within = np.linalg.norm(one - one_again) + np.linalg.norm(another - another_again)
    between = np.linalg.norm(one - another) + np.linalg.norm(one_again - another_again)
    assert within < 0.5 * between


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "polyp"}, "no synthetic clips of kind 'polyp'; choose from no_polyp, adenoma"),
        ({"num_frames": 0}, "0 frames at 30 frames a second is empty; give at least 1 frame"),
        ({"fps": 0.0}, "at 0 frames a second is empty; give at least 1 frame and a positive rate"),
        ({"size_px": 33}, "frames of 33 px cannot be rendered; give an even size of at least 32"),
    ],
)
def test_unusable_settings_are_named(changes: dict[str, object], message: str) -> None:
    settings = {"seed": 0, "kind": "adenoma", "num_frames": 1, "size_px": 64} | changes
    with pytest.raises(ConfigError, match=message):
        render_clip(**settings)  # type: ignore[arg-type]  # one wrong value at a time
