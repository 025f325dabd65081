"""Line charts as pictures that a page can hold: no global state, no text from files."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, ScalarFormatter, StrMethodFormatter

COLOURS = ("#2f5fd0", "#e0662f", "#1a8f7a", "#8b4fc0", "#c0922b", "#c23b6b", "#4a9bd4", "#6b7785")
"""Told apart with the usual kinds of colour blindness; more lines than colours begin again."""
INK, PALE = "#5b6675", "#e6e9ee"
ROUND_STEPS = [1, 2, 2.5, 5, 10]
LEFT_IN, RIGHT_IN, TOP_IN, BOTTOM_IN = 0.52, 0.1, 0.18, 0.45
"""Margins; the same everywhere, so that the charts of a page line up."""
MAX_DRAWN_POINTS = 1000
MARK_UP_TO = 12
"""Points up to which each has a mark."""
SMOOTH_FROM = 60
"""Points from which a running mean is drawn over the single values."""
SMOOTH_SHARE = 25
"""The running mean spans one part in this many of the points."""


@dataclass(frozen=True)
class Line:
    """One line of a chart, with a band where an interval is known."""

    colour: str
    steps: np.ndarray  # (N,) int
    values: np.ndarray  # (N,)
    low: np.ndarray | None = None  # (N,)
    high: np.ndarray | None = None  # (N,)


@dataclass(frozen=True)
class Level:
    """A dashed line across the chart that says what a value means."""

    label: str
    value: float


def draw_chart(
    lines: Sequence[Line],
    *,
    levels: Sequence[Level] = (),
    percent: bool = False,
    from_zero: bool = False,
    smooth: bool = False,
    width_in: float = 5.2,
) -> str:
    """Draw lines over steps.

    Args:
        lines: At least one, each with at least one point.
        levels: Reference values; their labels are static text, never text from a file.
        percent: Write values 0..1 as percentages, on an axis from 0 to 100.
        from_zero: Let the axis begin at zero.
        smooth: Draw lines of many points pale, with their running mean in full colour.
        width_in: Width in inches of 72 points; text keeps its size.

    Returns:
        A data URI of an SVG picture.
    """
    with rc_context({"svg.hashsalt": "endofm", "font.size": 9, "text.color": INK}):
        height_in = 0.5 * width_in + 0.2
        figure = Figure(figsize=(width_in, height_in))
        figure.subplots_adjust(
            left=LEFT_IN / width_in,
            right=1 - RIGHT_IN / width_in,
            top=1 - TOP_IN / height_in,
            bottom=BOTTOM_IN / height_in,
        )
        axes = figure.add_subplot()
        _style(axes)
        for line in lines:
            _draw_line(axes, line, smooth=smooth)
        for level in levels:
            _draw_level(axes, level)
        _set_limits(axes, from_zero=from_zero)
        if percent:
            axes.set_ylim(-0.02, 1.02)
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        return as_svg(figure)


def _style(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#c3cad3")
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(y=0.1)
    axes.tick_params(colors=INK, labelcolor=INK, length=0, labelsize=9)
    axes.set_xlabel("step", color=INK, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=ROUND_STEPS))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=ROUND_STEPS))
    formatter = ScalarFormatter(useMathText=False, useOffset=False)
    formatter.set_powerlimits((-3, 5))
    axes.yaxis.set_major_formatter(formatter)


def _draw_line(axes: Axes, line: Line, *, smooth: bool) -> None:
    steps, values = thinned(line.steps, line.values)
    if line.low is not None and line.high is not None:
        axes.fill_between(
            line.steps, line.low, line.high, color=line.colour, alpha=0.14, linewidth=0
        )
    if smooth and len(line.steps) >= SMOOTH_FROM:
        axes.plot(steps, values, color=line.colour, alpha=0.25, linewidth=0.8)
        steps, values = thinned(line.steps, running_mean(line.values))
    axes.plot(
        steps,
        values,
        color=line.colour,
        linewidth=1.8,
        marker="o" if len(steps) <= MARK_UP_TO else "",
        markersize=4.5,
        markeredgecolor="white",
        markeredgewidth=0.8,
    )


def _set_limits(axes: Axes, *, from_zero: bool) -> None:
    last = max(axes.dataLim.x1, 1)
    axes.set_xlim(-0.03 * last, 1.03 * last)
    low, high = axes.dataLim.intervaly
    if low > high:  # nothing but undefined values
        return
    if from_zero:
        axes.set_ylim(0, 1.12 * high or 1)
    elif high - low <= 1e-6 * max(abs(low), abs(high)):  # a constant, not its rounding errors
        reach = 0.1 * abs(high) or 1
        axes.set_ylim(low - reach, high + reach)


def _draw_level(axes: Axes, level: Level) -> None:
    axes.axhline(level.value, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        level.label,
        (1, level.value),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=INK,
    )


def running_mean(values: np.ndarray) -> np.ndarray:
    """Mean over a centred window of one part in ``SMOOTH_SHARE``, cut off at the ends."""
    half = max(len(values) // SMOOTH_SHARE // 2, 1)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    first, end = np.maximum(place - half, 0), np.minimum(place + half + 1, len(values))
    return (sums[end] - sums[first]) / (end - first)


def thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep the lowest and the highest value of each stretch, so that no spike is lost."""
    if len(steps) <= MAX_DRAWN_POINTS:
        return steps, values
    kept: list[int] = []
    for part in np.array_split(np.arange(len(steps)), MAX_DRAWN_POINTS // 2):
        ends = {int(part[values[part].argmin()]), int(part[values[part].argmax()])}
        kept += sorted(ends)
    return steps[kept], values[kept]


def as_svg(figure: Figure) -> str:
    """The figure as a data URI, the same for the same figure."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode("ascii")
