"""Reference frames: a fixed rule in use, a draw in training."""

from __future__ import annotations

import numpy as np
import pytest

from endofm.data.references import drawn_references, reference_places


@pytest.mark.parametrize(
    ("num", "online", "expected"),
    [
        (0, True, []),
        (1, False, [41]),
        (2, False, [41, 59]),
        (3, True, [41, 44, 47]),
        (3, False, [41, 45, 59]),
        (10, False, [41, 42, 44, 46, 48, 52, 54, 56, 58, 59]),
        (9, True, list(range(41, 50))),
    ],
)
def test_references_spread_evenly_over_the_reach(
    num: int, online: bool, expected: list[int]
) -> None:
    found = reference_places(50, num_frames=100, num=num, reach_frames=9, online=online)
    assert found == expected


def test_at_the_ends_the_last_frame_stands_in() -> None:
    first = reference_places(0, num_frames=5, num=4, reach_frames=9, online=False)
    assert first == [0, 0, 4, 4]
    assert reference_places(0, num_frames=1, num=2, reach_frames=9, online=False) == [0, 0]
    assert reference_places(2, num_frames=99, num=3, reach_frames=9, online=True) == [0, 0, 0]


@pytest.mark.parametrize("num", range(6))
def test_online_never_looks_ahead_and_offline_not_too_far(num: int) -> None:
    for place in range(30):
        online = reference_places(place, num_frames=30, num=num, reach_frames=7, online=True)
        offline = reference_places(place, num_frames=30, num=num, reach_frames=7, online=False)
        assert len(online) == len(offline) == num
        assert all(0 <= at <= place for at in online)
        assert all(abs(at - place) <= 7 and 0 <= at < 30 for at in (*online, *offline))


def test_drawn_references_lie_on_either_side() -> None:
    rng = np.random.default_rng(0)
    drawn = [drawn_references(6, num_frames=9, reach_frames=4, rng=rng) for _ in range(200)]
    assert {before for before, _ in drawn} == {2, 3, 4, 5}
    assert {after for _, after in drawn} == {7, 8}
    assert drawn_references(0, num_frames=1, reach_frames=4, rng=rng) == [0, 0]
