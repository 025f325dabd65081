from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from endofm.catalog.cutting import cut_clips

FRAMES = st.lists(st.one_of(st.none(), st.integers(0, 1)), max_size=60)


@given(FRAMES, st.integers(1, 7))
def test_clips_hold_all_kept_frames_in_order_and_never_jump(
    kinds: list[int | None], clip_frames: int
) -> None:
    frames = [None if kind is None else (tick, kind) for tick, kind in enumerate(kinds)]
    cuts = list(cut_clips(frames, clip_frames=clip_frames, joins=lambda a, b: a[1] == b[1]))
    held = [frame for cut in cuts for frame in cut.frames]
    assert held == [frame for frame in frames if frame]
    for cut in cuts:
        inside = list(cut.frames)
        assert 0 < len(inside) < 2 * clip_frames or len(inside) == clip_frames
        assert [tick for tick, _ in inside] == list(range(cut.start, cut.start + len(inside)))
        assert len({kind for _, kind in inside}) == 1
    for before, after in pairwise(cuts):
        first, then = list(before.frames), list(after.frames)
        if first[-1][0] + 1 == then[0][0] and first[-1][1] == then[0][1]:  # one run
            assert len(first) == clip_frames


def test_a_run_is_cut_as_the_method_says() -> None:
    lengths = [len(list(cut.frames)) for cut in cut_clips(range(1, 500), clip_frames=150)]
    assert lengths == [150, 150, 199]
