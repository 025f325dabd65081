import numpy as np

from endofm.report.plots import SquareCurve, draw_square
from tests.report.svg import drawn_points

COLOUR = "#2f5fd0"


def test_a_curve_goes_through_its_points_in_a_square() -> None:
    x, y = np.array([0.0, 0.5, np.nan, 1.0]), np.array([0.0, 0.25, 0.3, 1.0])
    picture = draw_square([SquareCurve(COLOUR, x, y)], x_label="x", y_label="y", diagonal=True)
    points = drawn_points(picture, f"stroke: {COLOUR}")
    assert len(points) == 3
    across, down = points[:, 0] - points[0, 0], points[0, 1] - points[:, 1]
    np.testing.assert_allclose(across / across[-1], [0, 0.5, 1], atol=1e-3)
    np.testing.assert_allclose(down / across[-1], [0, 0.25, 1], atol=1e-3)


def test_the_same_curve_gives_the_same_picture() -> None:
    curve = SquareCurve(COLOUR, np.array([0.0, 1.0]), np.array([0.0, 1.0]), marked=True)
    first, second = (draw_square([curve], x_label="x", y_label="y") for _ in range(2))
    assert first == second
