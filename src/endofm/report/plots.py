"""Curves in the unit square, as pictures for a page: ROC, precision-recall, reliability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from endofm.report.charts import INK, PALE, as_svg

SIDE_IN = 3.4


@dataclass(frozen=True)
class SquareCurve:
    """One curve; points that are not finite are left out."""

    colour: str
    x: np.ndarray  # (P,) in 0..1, or further
    y: np.ndarray  # (P,) in 0..1
    marked: bool = False


def draw_square(
    curves: Sequence[SquareCurve],
    *,
    x_label: str,
    y_label: str,
    diagonal: bool = False,
    x_to: float = 1.0,
) -> str:
    """Draw curves over the unit square, or over a wider range on as much room.

    Args:
        curves: At least one.
        x_label: Static text, never text from a file.
        y_label: Likewise.
        diagonal: Draw the dashed line from corner to corner.
        x_to: Where the horizontal axis ends.

    Returns:
        A data URI of an SVG picture.
    """
    with rc_context({"svg.hashsalt": "endofm", "font.size": 9, "text.color": INK}):
        figure = Figure(figsize=(SIDE_IN, SIDE_IN), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right", "left", "bottom"]].set_color(PALE)
        axes.grid(color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=INK, labelcolor=INK, length=0, labelsize=9)
        axes.set(xlim=(-0.02 * x_to, 1.02 * x_to), ylim=(-0.02, 1.02), box_aspect=1)
        axes.set_xlabel(x_label, color=INK)
        axes.set_ylabel(y_label, color=INK)
        if diagonal:
            axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)))
        for curve in curves:
            kept = np.isfinite(curve.x) & np.isfinite(curve.y)
            marker = "o" if curve.marked else ""
            axes.plot(
                curve.x[kept], curve.y[kept], color=curve.colour, marker=marker, markersize=4.5
            )
        return as_svg(figure)
