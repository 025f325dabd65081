"""Tracks: one number as long as a lesion is in sight."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from endofm.errors import ConfigError
from endofm.prediction.tracks import NO_TRACK, track
from tests.prediction.box_builder import found_of

pytest.importorskip("trackers")


def moving(step: int) -> tuple[float, float, float, float]:
    return (10.0 + 2 * step, 10.0, 30.0 + 2 * step, 30.0)


def still(left: float) -> tuple[float, float, float, float]:
    return (left, 60.0, left + 20, 80.0)


def test_a_lesion_keeps_its_number_and_another_gets_its_own() -> None:
    frames = [found_of((0.9, 1, moving(k)), (0.8, 1, still(70.0))) for k in range(8)]
    tracks = track(frames, fps=10, threshold=0.5)
    assert [len(one) for one in tracks] == [2] * 8
    assert [one.tolist() for one in tracks[1:]] == [[1, 2]] * 7


def test_a_weak_box_goes_on_with_a_track_but_begins_none() -> None:
    frames = [found_of((0.9, 1, moving(k))) for k in range(4)]
    frames += [found_of((0.2, 1, moving(k)), (0.2, 1, still(70.0))) for k in range(4, 7)]
    tracks = track(frames, fps=10, threshold=0.5)
    assert [one.tolist() for one in tracks[4:]] == [[1, NO_TRACK]] * 3


def test_after_more_than_a_second_it_is_another() -> None:
    seen = [found_of((0.9, 1, still(70.0)))] * 4
    tracks = track([*seen, *[found_of()] * 15, *seen], fps=10, threshold=0.5)
    numbers = {number for one in tracks for number in one.tolist()} - {NO_TRACK}
    assert numbers == {1, 2}
    back = track([*seen, *[found_of()] * 3, *seen], fps=10, threshold=0.5)
    assert {number for one in back for number in one.tolist()} - {NO_TRACK} == {1}


def test_nothing_has_no_tracks() -> None:
    assert track([], fps=25, threshold=0.5) == ()
    assert [one.tolist() for one in track([found_of()] * 3, fps=25, threshold=0.5)] == [[]] * 3
    assert all(one.dtype == np.int64 for one in track([found_of()], fps=25, threshold=0.5))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(ConfigError, match=r"need the package trackers; pip install --no-deps tr"):
        track([], fps=25, threshold=0.5)
