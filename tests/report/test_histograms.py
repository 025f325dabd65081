import numpy as np
import pytest

from endofm.report.histograms import NUM_BINS, draw_counts, draw_histogram
from tests.report.svg import svg_text

BLUE = "fill: #2f5fd0"


def heights(picture: str) -> list[float]:
    """Of the bars of a picture, from the corners of their outlines."""
    found = []
    for line in svg_text(picture).split("<path ")[1:]:
        if BLUE in line:
            numbers = line.split('"')[1].replace("\n", " ").split()
            ys = [float(y) for y in numbers if y.replace(".", "").replace("-", "").isdigit()][1::2]
            found.append(max(ys) - min(ys))
    return found


def test_bars_are_as_high_as_values_are_many() -> None:
    values = np.array([0.01] * 4 + [0.5] * 2 + [1.0])
    bars = heights(draw_histogram(values, x_label="x", y_label="n"))
    assert len(bars) == NUM_BINS
    assert [bar for bar in bars if bar] == pytest.approx([4 * bars[-1], 2 * bars[-1], bars[-1]])


@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [-2.0, 5.0], [1e9, 1e9]])
def test_any_finite_values_can_be_drawn(values: list[float]) -> None:
    for from_zero in (False, True):
        picture = draw_histogram(np.array(values), x_label="x", y_label="n", from_zero=from_zero)
        assert max(heights(picture)) > 0


def test_the_same_values_give_the_same_picture() -> None:
    values = np.linspace(0, 1, 9)
    first = draw_histogram(values, x_label="x", y_label="n")
    assert draw_histogram(values, x_label="x", y_label="n") == first
    assert draw_counts(["a"], [3], x_label="n") == draw_counts(["a"], [3], x_label="n")


def test_a_bar_for_each_label() -> None:
    assert len(heights(draw_counts(["8 x 8", "9 x 9", "others"], [3, 1, 7], x_label="n"))) == 3
