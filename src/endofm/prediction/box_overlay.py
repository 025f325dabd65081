"""A video with boxes drawn, and the surest score over time under the picture.

Axes: N frames, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from endofm.boxes import Detections
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
    lightened,
    usual_font,
    write_drawn,
)
from endofm.prediction.saving import Progress
from endofm.prediction.tracks import NO_TRACK
from endofm.report.charts import COLOURS

BOX_PX, EDGE_PX = 2, 4
LABEL_PX = 20


@dataclass(frozen=True)
class Found:
    """What is shown of each frame."""

    boxes: Callable[[int], tuple[Detections, NDArray[np.int64]]]
    """From a frame's number to its boxes and their tracks, ``NO_TRACK`` where there is none."""
    classes: Sequence[str]
    times_s: NDArray[np.float64]  # (N,)
    scores: NDArray[np.float64]  # (N, K), of the surest box of each class; 0 without one
    duration_s: float
    frame_hw: tuple[int, int]


def write_box_overlay(
    path: Path, video: VideoInfo, found: Found, *, progress: Progress | None = None
) -> None:
    """Write the video with its boxes drawn and the scores below, as H.264.

    Args:
        path: The ``.mp4`` file.
        video: What to draw on.
        found: What to draw.
        progress: Called with the number of drawn frames and of all.

    Raises:
        VideoError: A frame cannot be read, or the file not be written.
    """
    write_drawn(path, video, drawing(video, found), progress=progress)


def drawing(video: VideoInfo, found: Found) -> Draw:
    """What draws the boxes of a frame and puts the panel under its picture."""
    curves = TimeCurves(
        [
            Curve(lightened(colour_of(k)), found.times_s, found.scores[:, k])
            for k in range(len(found.classes))
        ],
        duration_s=found.duration_s,
        width_px=drawn_size_hw(video)[1],
        top_px=ROW_PX + MARGIN_PX,
    )
    font = usual_font()

    def draw(picture: NDArray[np.uint8], index: int, time_s: float) -> NDArray[np.uint8]:
        boxes, tracks = found.boxes(index)
        panel = curves.panel.copy()
        ImageDraw.Draw(panel).text(
            (MARGIN_PX, MARGIN_PX // 2),
            ", ".join(_told(boxes, found.classes)) or "no lesion found",
            fill=BRIGHT if len(boxes) else DIM,
            font=font,
        )
        below = np.array(panel)
        curves.mark(below, time_s)
        marked = draw_boxes(picture, boxes, tracks, classes=found.classes, frame_hw=found.frame_hw)
        return np.concatenate([marked, below])  # (H + panel, W, 3)

    return draw


def draw_boxes(
    picture: NDArray[np.uint8],
    found: Detections,
    tracks: NDArray[np.int64],
    *,
    classes: Sequence[str],
    frame_hw: tuple[int, int],
) -> NDArray[np.uint8]:
    """A copy of a picture (h, w, 3) with boxes, given in px of ``frame_hw``, and their scores."""
    height, width = picture.shape[:2]
    scale = np.array([width / frame_hw[1], height / frame_hw[0]] * 2)
    drawn = picture.copy()
    corners = np.round(found.boxes_xyxy.numpy() * scale).astype(int)  # (N, 4)
    labels = found.labels.tolist()
    for (x1, y1, x2, y2), label in zip(corners.tolist(), labels, strict=True):
        for colour, thickness_px in ((BACK, EDGE_PX), (lightened(colour_of(label - 1)), BOX_PX)):
            ink = ImageColor.getrgb(colour)[:3]
            cv2.rectangle(drawn, (x1, y1), (x2, y2), ink, thickness_px, lineType=cv2.LINE_AA)
    page = Image.fromarray(drawn)
    pen, font = ImageDraw.Draw(page), usual_font()
    table = zip(corners.tolist(), labels, found.scores.tolist(), tracks.tolist(), strict=True)
    for (x1, y1, _, _), label, score, number in table:
        text = f"{classes[label - 1]} {100 * score:.0f} %"
        if number != NO_TRACK:
            text = f"#{number} {text}"
        top = y1 - LABEL_PX if y1 >= LABEL_PX else y1 + BOX_PX
        left = max(min(x1, width - int(pen.textlength(text, font)) - 6), 0)
        box = (left, top, left + pen.textlength(text, font) + 6, top + LABEL_PX - 2)
        pen.rectangle(box, fill=BACK)
        pen.text((left + 3, top), text, fill=lightened(colour_of(label - 1)), font=font)
    return np.array(page)


def colour_of(k: int) -> str:
    """The page's colour of a class, from 0."""
    return COLOURS[k % len(COLOURS)]


def _told(found: Detections, classes: Sequence[str]) -> list[str]:
    return [
        f"{classes[label - 1]} {100 * score:.0f} %"
        for label, score in zip(found.labels.tolist(), found.scores.tolist(), strict=True)
    ]
