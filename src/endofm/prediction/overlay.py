"""A video with its class scores under the picture: bars now, curves over time.

Axes: N windows, K classes, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw, ImageFont

from endofm.data.video import VideoInfo
from endofm.prediction.drawing import (
    BRIGHT,
    DIM,
    MARGIN_PX,
    ROW_PX,
    TEXT_PX,
    TRACK,
    Curve,
    Draw,
    TimeCurves,
    drawn_size_hw,
    lightened,
    usual_font,
    write_drawn,
)
from endofm.prediction.saving import Progress
from endofm.prediction.timeline import borders_between
from endofm.report.charts import COLOURS

MAX_ROWS = 6
"""Of many classes, those answered longest are drawn, then those with the highest scores."""


@dataclass(frozen=True)
class Scores:
    """Class scores over time, and which classes are answered."""

    classes: Sequence[str]  # K
    asked: Sequence[str]  # those with a curve, if there is room
    times_s: NDArray[np.float64]  # (N,) middle of each window
    values: NDArray[np.float64]  # (N, K)
    answers: NDArray[np.bool_]  # (N, K)
    thresholds: dict[str, float]
    """Of the classes whose answer depends on one."""
    duration_s: float


def write_overlay(
    path: Path, video: VideoInfo, scores: Scores, *, progress: Progress | None = None
) -> None:
    """Write the video with a panel under the picture, as H.264 at a constant frame rate.

    The panel shows the scores of the window whose middle is nearest, the answered classes bright,
    and the curves of those that are asked for, with a line at the present moment.

    Args:
        path: The ``.mp4`` file.
        video: What to draw on.
        scores: What to draw.
        progress: Called with the number of drawn frames and of all.

    Raises:
        VideoError: A frame cannot be read, or the file not be written.
    """
    write_drawn(path, video, drawing(video, scores), progress=progress)


def drawing(video: VideoInfo, scores: Scores) -> Draw:
    """What puts the panel under a picture."""
    borders_s = borders_between(scores.times_s, scores.duration_s)
    panel = _Panel(scores, width_px=drawn_size_hw(video)[1])

    def draw(picture: NDArray[np.uint8], _: int, time_s: float) -> NDArray[np.uint8]:
        window = int(np.searchsorted(borders_s[1:-1], time_s, side="right"))
        return np.concatenate([picture, panel.at(window, time_s)])  # (H + panel, W, 3)

    return draw


class _Panel:
    """What stands under the picture; drawn once a window, but for the line of the moment."""

    def __init__(self, scores: Scores, *, width_px: int) -> None:
        self._scores = scores
        self._width_px = width_px
        num_answered, highest = scores.answers.sum(0), scores.values.max(0)
        ranked = sorted(range(len(scores.classes)), key=lambda k: (-num_answered[k], -highest[k]))
        self._shown = sorted(ranked[:MAX_ROWS])
        self._left, self._right = MARGIN_PX, width_px - MARGIN_PX
        self._font = usual_font()
        self._curves = TimeCurves(
            [
                Curve(colour_of(scores.classes[k], scores.asked), scores.times_s, values)
                for k, values in enumerate(scores.values.T)
                if k in self._shown and scores.classes[k] in scores.asked
            ],
            duration_s=scores.duration_s,
            width_px=width_px,
            top_px=ROW_PX * len(self._shown) + MARGIN_PX,
        )
        self._drawn: tuple[int, NDArray[np.uint8]] | None = None

    def at(self, window: int, time_s: float) -> NDArray[np.uint8]:
        """The panel at a moment: (panel, W, 3)."""
        if self._drawn is None or self._drawn[0] != window:
            self._drawn = window, self._draw_window(window)
        panel = self._drawn[1].copy()
        self._curves.mark(panel, time_s)
        return panel

    def _draw_window(self, window: int) -> NDArray[np.uint8]:
        panel = self._curves.panel.copy()
        draw = ImageDraw.Draw(panel)
        text_width_px = int(0.34 * self._width_px)
        bar_left, bar_right = self._left + text_width_px, self._right - 4 * TEXT_PX
        for row, k in enumerate(self._shown):
            label, value = self._scores.classes[k], float(self._scores.values[window, k])
            top = MARGIN_PX // 2 + row * ROW_PX
            ink = BRIGHT if self._scores.answers[window, k] else DIM
            name = _fitting(self._font, label, text_width_px - MARGIN_PX)
            draw.text((self._left, top), name, fill=ink, font=self._font)
            draw.rectangle((bar_left, top + 3, bar_right, top + ROW_PX - 7), fill=TRACK)
            end = bar_left + value * (bar_right - bar_left)
            fill = colour_of(label, self._scores.asked)
            draw.rectangle((bar_left, top + 3, end, top + ROW_PX - 7), fill=fill)
            if label in self._scores.thresholds:
                mark = bar_left + self._scores.thresholds[label] * (bar_right - bar_left)
                draw.rectangle((mark - 1, top, mark, top + ROW_PX - 4), fill=BRIGHT)
            text = f"{100 * value:.0f} %"
            draw.text((self._right, top), text, fill=ink, font=self._font, anchor="ra")
        return np.array(panel)


def _fitting(font: ImageFont.FreeTypeFont, text: str, width_px: int) -> str:
    """The text on one line, or as much of its beginning as fits."""
    text = " ".join(text.split())
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(f"{text}\N{HORIZONTAL ELLIPSIS}") > width_px:
        text = text[:-1]
    return f"{text}\N{HORIZONTAL ELLIPSIS}"


def colour_of(label: str, asked: Sequence[str]) -> str:
    """The colour of a class as on the page, lighter for the dark ground; grey if not asked for."""
    if label not in asked:
        return DIM
    return lightened(COLOURS[asked.index(label) % len(COLOURS)])
