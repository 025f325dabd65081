"""What `endofm evaluate` shows of an estimate."""

import math

import pytest

from endofm.cli.evaluate import _cells
from endofm.metrics.intervals import Estimate


@pytest.mark.parametrize(
    ("low", "num_groups", "interval"),
    [(0.25, 4, "[0.250, 0.750]"), (math.nan, 1, "none: needs 2 groups"), (math.nan, 3, "none")],
)
def test_an_interval_is_shown_or_why_there_is_none(
    low: float, num_groups: int, interval: str
) -> None:
    estimate = Estimate(0.5, low, 1 - low, n=9, num_groups=num_groups)
    assert _cells(estimate) == ("0.500", interval, "9", str(num_groups))


def test_a_score_that_is_undefined_says_so() -> None:
    assert _cells(Estimate(math.nan, math.nan, math.nan, n=0, num_groups=0))[0] == "undefined"
