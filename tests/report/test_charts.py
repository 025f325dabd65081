import matplotlib as mpl
import numpy as np
import pytest

from endofm.report.charts import (
    BOTTOM_IN,
    COLOURS,
    MAX_DRAWN_POINTS,
    TOP_IN,
    Level,
    Line,
    draw_chart,
    running_mean,
)
from tests.report.svg import drawn_points, svg_text


def line(values: list[float] | np.ndarray, *, colour: str = COLOURS[0]) -> Line:
    return Line(colour, np.arange(1, len(values) + 1), np.asarray(values, dtype=float))


def test_a_chart_is_the_same_every_time_and_leaves_no_trace() -> None:
    before = dict(mpl.rcParams)
    assert draw_chart([line([3, 2, 1])]) == draw_chart([line([3, 2, 1])])
    assert dict(mpl.rcParams) == before


def test_each_line_has_its_colour() -> None:
    text = svg_text(draw_chart([line([3, 2]), line([1, 2], colour=COLOURS[3])]))
    assert COLOURS[0] in text
    assert COLOURS[3] in text
    assert COLOURS[1] not in text


def heights(picture: str, *, width_in: float = 5.2) -> np.ndarray:
    """Where the first line's points lie between the lower end of the axis, 0, and the upper, 1."""
    height_in = 0.5 * width_in + 0.2
    bottom, top = 72 * (height_in - BOTTOM_IN), 72 * TOP_IN
    return (bottom - drawn_points(picture, f"stroke: {COLOURS[0]}")[:, 1]) / (bottom - top)


def test_axes_of_shares_run_from_nothing_to_all() -> None:
    found = heights(draw_chart([line([0.0, 0.4, 1.0])], percent=True))
    assert found == pytest.approx((np.array([0.0, 0.4, 1.0]) + 0.02) / 1.04, abs=1e-4)


@pytest.mark.parametrize("width_in", [5.2, 3.5])
def test_axes_can_begin_at_zero(width_in: float) -> None:
    picture = draw_chart([line([90.0, 100.0])], from_zero=True, width_in=width_in)
    assert heights(picture, width_in=width_in) == pytest.approx(np.array([0.9, 1.0]) / 1.12)
    close = heights(draw_chart([line([90.0, 100.0])]))
    assert close == pytest.approx(np.array([1, 11]) / 12)


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.0005, 0.04, 1.0, 14.0, 1e7])
@pytest.mark.parametrize("num", [1, 2, 100])
@pytest.mark.parametrize("from_zero", [False, True])
def test_constants_are_drawn_without_their_rounding_errors(
    value: float, num: int, from_zero: bool
) -> None:
    exact, rounded = np.full(num, value), value * (1 + 1e-15 * np.arange(num))
    picture = draw_chart([line(exact)], from_zero=from_zero)
    assert draw_chart([line(rounded)], from_zero=from_zero) == picture
    expected = (1 / 1.12 if value else 0.0) if from_zero else 0.5
    assert heights(picture) == pytest.approx(expected, abs=1e-4)


def test_bands_levels_and_undefined_values_are_drawn() -> None:
    values = np.array([0.5, np.nan, 0.7])
    band = Line(COLOURS[0], np.array([0, 5, 9]), values, values - 0.1, values + 0.1)
    plain = svg_text(draw_chart([line([0.5, 0.6, 0.7])], percent=True))
    drawn = svg_text(draw_chart([band], levels=[Level("chance", 0.5)], percent=True))
    assert "PolyCollection" in drawn or "FillBetween" in drawn
    assert "stroke-dasharray" in drawn
    assert "stroke-dasharray" not in plain
    nothing = Line(COLOURS[0], np.array([0]), np.array([np.nan]))
    svg_text(draw_chart([nothing], percent=True))


def test_a_long_line_stays_small_and_keeps_its_spikes() -> None:
    values = np.random.default_rng(0).normal(size=50_000)
    values[31_416], values[27_182] = 1000.0, -1000.0
    picture = draw_chart([line(values)])
    points = drawn_points(picture, f"stroke: {COLOURS[0]}")
    assert [heights(picture).min(), heights(picture).max()] == pytest.approx([1 / 12, 11 / 12])
    assert len(points) <= MAX_DRAWN_POINTS
    assert (np.diff(points[:, 0]) >= 0).all()


def test_only_long_lines_are_smoothed_and_only_if_asked() -> None:
    noise = np.random.default_rng(0).normal(size=200)
    faint = "opacity: 0.25"
    assert faint in svg_text(draw_chart([line(noise)], smooth=True))
    assert faint not in svg_text(draw_chart([line(noise)]))
    assert faint not in svg_text(draw_chart([line(noise[:20])], smooth=True))


def test_running_mean_is_the_written_out_mean() -> None:
    values = np.random.default_rng(1).normal(size=130)
    half = 2  # a 25th of 130 points is 5
    expected = [np.mean(values[max(i - half, 0) : i + half + 1]) for i in range(130)]
    assert running_mean(values) == pytest.approx(np.array(expected))
