"""A video with the lesion outlined, and its area over time under the picture.

Axes: N frames, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor, ImageDraw

from endofm.data.video import VideoInfo
from endofm.prediction.drawing import (
    BACK,
    BRIGHT,
    DIM,
    MARGIN_PX,
    ROW_PX,
    Curve,
    Draw,
    TimeCurves,
    drawn_size_hw,
    usual_font,
    write_drawn,
)
from endofm.prediction.saving import Progress
from endofm.report.gallery import PREDICTED_COLOUR

OUTLINE, EDGE = PREDICTED_COLOUR, BACK
"""Of the lesion, and of the line around the outline that keeps it visible on bright ground."""
OUTLINE_PX, EDGE_PX = 2, 4


@dataclass(frozen=True)
class Lesion:
    """Where the lesion is in each frame, and how large."""

    mask: Callable[[int], NDArray[np.bool_]]
    """From a frame's number to (H, W)."""
    times_s: NDArray[np.float64]  # (N,)
    areas: NDArray[np.float64]  # (N,) shares of the picture
    duration_s: float


def write_mask_overlay(
    path: Path, video: VideoInfo, lesion: Lesion, *, progress: Progress | None = None
) -> None:
    """Write the video with the lesion outlined and its area below, as H.264.

    The curve reaches from no area to the largest of the video, with a line at the present moment.

    Args:
        path: The ``.mp4`` file.
        video: What to draw on.
        lesion: What to draw.
        progress: Called with the number of drawn frames and of all.

    Raises:
        VideoError: A frame cannot be read, or the file not be written.
    """
    write_drawn(path, video, drawing(video, lesion), progress=progress)


def drawing(video: VideoInfo, lesion: Lesion) -> Draw:
    """What outlines the lesion of a frame and puts the panel under its picture."""
    largest = float(lesion.areas.max())
    heights = lesion.areas / largest if largest else lesion.areas
    curves = TimeCurves(
        [Curve(OUTLINE, lesion.times_s, heights)],
        duration_s=lesion.duration_s,
        width_px=drawn_size_hw(video)[1],
        top_px=ROW_PX + MARGIN_PX,
    )
    font = usual_font()

    def draw(picture: NDArray[np.uint8], index: int, time_s: float) -> NDArray[np.uint8]:
        area = float(lesion.areas[index])
        panel = curves.panel.copy()
        ImageDraw.Draw(panel).text(
            (MARGIN_PX, MARGIN_PX // 2),
            f"lesion: {_percent(area)} % of the picture" if area else "no lesion seen",
            fill=BRIGHT if area else DIM,
            font=font,
        )
        below = np.array(panel)
        curves.mark(below, time_s)
        outlined = outline(picture, lesion.mask(index)) if area else picture
        return np.concatenate([outlined, below])  # (H + panel, W, 3)

    return draw


def _percent(area: float) -> str:
    """One decimal, or of small areas two digits."""
    return f"{100 * area:.1f}" if area >= 0.001 else f"{100 * area:.2g}"


def outline(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A copy of a picture (h, w, 3) with the border of a mask (H, W) of any size drawn."""
    height, width = picture.shape[:2]
    resized = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(resized, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    drawn = picture.copy()
    for colour, thickness_px in ((EDGE, EDGE_PX), (OUTLINE, OUTLINE_PX)):
        ink = ImageColor.getrgb(colour)[:3]
        cv2.drawContours(drawn, contours, -1, ink, thickness_px, lineType=cv2.LINE_AA)
    return drawn
