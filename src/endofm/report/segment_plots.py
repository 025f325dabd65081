"""How Dice falls with the size of the lesion, as a picture for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter

from endofm.report.charts import COLOURS, INK, PALE, as_svg

SIZE_IN = (5.2, 3.2)
DOTS_DPI = 144
"""The dots are one picture, since ten thousand of them would be too many to draw."""
LOG_FROM = 5.0
"""How many times the smallest lesion the largest one is, where a logarithmic axis begins."""
FRAME_COLOUR, MEDIAN_COLOUR = COLOURS[0], COLOURS[1]


@dataclass(frozen=True)
class Quarter:
    """A quarter of the frames by the size of their lesion."""

    low: float
    """Smallest area as a share of the frame."""
    high: float
    median_dice: float
    n: int
    num_groups: int


def draw_by_size(shares: np.ndarray, dice: np.ndarray, quarters: Sequence[Quarter]) -> str:
    """Draw a dot for each frame, and the median of each quarter across its sizes.

    Args:
        shares: Lesion areas as shares of the frame, (N,) above 0, at least one.
        dice: (N,) in 0..1.
        quarters: From the smallest lesions to the largest.

    Returns:
        A data URI of an SVG picture.
    """
    with rc_context({"svg.hashsalt": "endofm", "font.size": 9, "text.color": INK}):
        figure = Figure(figsize=SIZE_IN, layout="constrained", dpi=DOTS_DPI)
        axes = figure.add_subplot()
        axes.spines[["top", "right", "left", "bottom"]].set_color(PALE)
        axes.grid(color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=INK, labelcolor=INK, length=0, labelsize=9)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("lesion, share of the frame", color=INK)
        axes.set_ylabel("Dice", color=INK)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        _set_sizes(axes, float(shares.min()), float(shares.max()))
        axes.scatter(
            shares, dice, s=14, color=FRAME_COLOUR, alpha=0.35, linewidths=0, rasterized=True
        )
        for quarter in quarters:
            axes.plot(
                [quarter.low, quarter.high],
                [quarter.median_dice] * 2,
                color=MEDIAN_COLOUR,
                linewidth=2.6,
                marker="|",
                markersize=8,
                markeredgewidth=2,
            )
        return as_svg(figure)


def _set_sizes(axes: Axes, low: float, high: float) -> None:
    if high >= LOG_FROM * low:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(low / 1.2, 1.2 * high)
    else:
        reach = max(0.06 * (high - low), 0.05 * high)
        axes.set_xlim(low - reach, high + reach)
        axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
