import numpy as np
import pytest

from endofm.report.segment_plots import MEDIAN_COLOUR, Quarter, draw_by_size
from tests.report.svg import drawn_points, svg_text


def quarter(low: float, high: float, median_dice: float) -> Quarter:
    return Quarter(low=low, high=high, median_dice=median_dice, n=2, num_groups=1)


@pytest.mark.parametrize(
    ("sizes", "share_of_width"),
    [((0.01, 0.1, 1.0), 1 / 2), ((0.10, 0.11, 0.13), 1 / 3)],  # logarithmic where they differ much
)
def test_medians_lie_across_their_sizes(
    sizes: tuple[float, float, float], share_of_width: float
) -> None:
    smallest, middle, largest = sizes
    shares, dice = np.array([smallest, largest]), np.array([0.2, 0.8])
    lines = []
    for high in (middle, largest):
        picture = draw_by_size(shares, dice, [quarter(smallest, high, 0.5)])
        lines.append(drawn_points(picture, f"stroke: {MEDIAN_COLOUR}; stroke-width: 2.6"))
    part, whole = (line[1, 0] - line[0, 0] for line in lines)
    assert part / whole == pytest.approx(share_of_width, abs=1e-3)
    assert lines[0][0, 1] == lines[0][1, 1]


def test_the_same_frames_give_the_same_picture() -> None:
    shares, dice = np.array([0.01, 0.02]), np.array([0.2, 0.8])
    assert draw_by_size(shares, dice, []) == draw_by_size(shares, dice, [])


def test_many_frames_are_one_picture() -> None:
    rng = np.random.default_rng(0)
    picture = draw_by_size(rng.uniform(0.001, 0.3, 20_000), rng.random(20_000), [])
    assert svg_text(picture).count("<use") < 100
    assert svg_text(picture).count("<image") == 1
    assert len(picture) < 500_000
