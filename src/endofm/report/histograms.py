"""How often which value occurs, as pictures for a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from endofm.report.charts import COLOURS, INK, PALE, ROUND_STEPS, as_svg

SIZE_IN = (4.2, 2.3)
NUM_BINS = 24


def draw_histogram(
    values: np.ndarray, *, x_label: str, y_label: str, from_zero: bool = True
) -> str:
    """Draw how many of some finite values (N,) lie in each of equal bins.

    Args:
        values: At least one.
        x_label: What the values are, with their unit; static text, never text from a file.
        y_label: What is counted; likewise.
        from_zero: Begin at zero if no value lies below.

    Returns:
        A data URI of an SVG picture.
    """
    low, high = float(values.min()), float(values.max())
    if from_zero:
        low = min(low, 0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1):
        low, high = low - 0.5, high + 0.5
    heights, edges = np.histogram(values, bins=NUM_BINS, range=(low, high))
    with rc_context({"svg.hashsalt": "endofm", "font.size": 9, "text.color": INK}):
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        axes = figure.add_subplot()
        _style(axes)
        axes.bar(edges[:-1], heights, width=np.diff(edges) * 0.92, align="edge", color=COLOURS[0])
        axes.set_xlim(low, high)
        axes.set_xlabel(x_label, color=INK)
        axes.set_ylabel(y_label, color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=ROUND_STEPS))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, steps=ROUND_STEPS))
        return as_svg(figure)


def draw_counts(labels: Sequence[str], counts: Sequence[int], *, x_label: str) -> str:
    """Draw a bar for each of some labels, the first at the top.

    Args:
        labels: Numbers or static words, never text from a file.
        counts: As many.
        x_label: What is counted; static text.

    Returns:
        A data URI of an SVG picture.
    """
    with rc_context({"svg.hashsalt": "endofm", "font.size": 9, "text.color": INK}):
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        axes = figure.add_subplot()
        _style(axes)
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=PALE, linewidth=0.8)
        axes.barh(range(len(labels)), counts, height=0.7, color=COLOURS[0])
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(max(len(labels), 4) - 0.4, -0.6)  # the first on top, none overly thick
        axes.set_xlabel(x_label, color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=ROUND_STEPS))
        return as_svg(figure)


def _style(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(PALE)
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelcolor=INK, length=0, labelsize=9)
