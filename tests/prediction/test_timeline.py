import numpy as np
import pytest

from endofm.prediction.timeline import Span, borders_between, spans_of

BORDERS_S = np.array([0.0, 2.0, 4.0, 6.0, 9.0])


def test_borders_lie_half_way_between_windows_and_at_the_ends() -> None:
    assert borders_between(np.array([1.0, 2.0, 5.0]), 7.0).tolist() == [0.0, 1.5, 3.5, 7.0]
    assert borders_between(np.array([1.0]), 2.5).tolist() == [0.0, 2.5]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([0, 0, 0, 0], []),
        ([1, 1, 1, 1], [(0.0, 9.0, 0.8)]),
        ([1, 0, 0, 0], [(0.0, 2.0, 0.5)]),
        ([0, 0, 0, 1], [(6.0, 9.0, 0.6)]),
        ([0, 1, 1, 0], [(2.0, 6.0, 0.8)]),
        ([1, 0, 1, 1], [(0.0, 2.0, 0.5), (4.0, 9.0, 0.8)]),
    ],
)
def test_spans_are_unbroken_answers(
    answers: list[int], expected: list[tuple[float, float, float]]
) -> None:
    scores = np.array([0.5, 0.7, 0.8, 0.6])
    found = list(spans_of("polyp", np.array(answers, bool), scores, BORDERS_S))
    assert found == [Span("polyp", *values) for values in expected]


def test_a_moment_is_in_a_span_where_its_nearest_window_is_answered() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        times_s = np.sort(rng.uniform(0, 10, 9))
        answers, scores = rng.random(9) < 0.5, rng.random(9)
        borders_s = borders_between(times_s, 10.0)
        spans = list(spans_of("polyp", answers, scores, borders_s))
        for moment_s in rng.uniform(0, 10, 50):
            nearest = int(np.abs(times_s - moment_s).argmin())
            inside = any(span.start_s <= moment_s < span.end_s for span in spans)
            assert inside == answers[nearest]
