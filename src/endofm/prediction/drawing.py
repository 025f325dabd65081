"""A video drawn anew: each picture with what is said of it, and curves over time below.

Axes: N points of a curve, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from endofm.data.transforms import resize_short_side
from endofm.data.video import VideoInfo, open_video, resampled_indices, write_video
from endofm.errors import VideoError
from endofm.prediction.saving import Progress

SHORT_PX = (400, 480)
"""Smallest and largest short side of the picture: text must be readable, files small."""
MAX_FPS = 60.0
CRF = 23
ROW_PX, CURVES_PX, MARGIN_PX, TEXT_PX = 24, 64, 12, 15
BACK, TRACK, DIM, BRIGHT = "#10151c", "#2a323d", "#8b97a6", "#ffffff"

Draw = Callable[[NDArray[np.uint8], int, float], NDArray[np.uint8]]
"""From a picture (H, W, 3), the number of its frame and the moment in seconds to what is shown."""


@dataclass(frozen=True)
class Curve:
    """A line over time."""

    colour: str
    times_s: NDArray[np.float64]  # (N,)
    heights: NDArray[np.float64]  # (N,), 0 at the bottom and 1 at the top


class TimeCurves:
    """Curves over the length of a video, at the foot of a panel.

    Args:
        curves: Held level before their first point and after their last.
        duration_s: Length of the video.
        width_px: Width of the panel.
        top_px: Room above the curves.
    """

    def __init__(
        self, curves: Sequence[Curve], *, duration_s: float, width_px: int, top_px: int
    ) -> None:
        self._duration_s = duration_s
        self._top, self._bottom = top_px, top_px + CURVES_PX
        self._left, self._right = MARGIN_PX, width_px - MARGIN_PX
        self.panel = Image.new("RGB", (width_px, self._bottom + MARGIN_PX), BACK)
        draw = ImageDraw.Draw(self.panel)
        draw.rectangle((self._left, self._top, self._right, self._bottom), fill=TRACK)
        for curve in curves:
            ends_s = [0.0, *curve.times_s.tolist(), duration_s]
            held = np.concatenate([curve.heights[:1], curve.heights, curve.heights[-1:]])
            places = zip(map(self._place, ends_s), self._bottom - CURVES_PX * held, strict=True)
            draw.line([(x, float(y)) for x, y in places], fill=curve.colour, width=2)

    def mark(self, panel: NDArray[np.uint8], time_s: float) -> None:
        """Draw the line of the present moment into a panel (H, W, 3)."""
        column = round(self._place(time_s))
        panel[self._top : self._bottom, column - 1 : column + 1] = 255

    def _place(self, time_s: float) -> float:
        share = min(time_s / self._duration_s, 1.0)
        return self._left + share * (self._right - self._left)


def write_drawn(
    path: Path, video: VideoInfo, draw: Draw, *, progress: Progress | None = None
) -> None:
    """Write a video whose pictures are drawn on, as H.264 at a constant frame rate.

    Args:
        path: The ``.mp4`` file.
        video: What to draw on.
        draw: How; gets pictures of ``drawn_size_hw``.
        progress: Called with the number of drawn frames and of all.

    Raises:
        VideoError: A frame cannot be read, or the file not be written.
    """
    fps = min(video.fps, MAX_FPS)
    write_video(path, drawn_frames(video, draw, fps=fps, progress=progress), fps=fps, crf=CRF)


def drawn_frames(
    video: VideoInfo, draw: Draw, *, fps: float, progress: Progress | None
) -> Iterator[NDArray[np.uint8]]:
    """The pictures of ``write_drawn``, one at a time.

    Raises:
        VideoError: A frame cannot be read, or the video has changed.
    """
    short_px = min(drawn_size_hw(video))
    with open_video(video.path, folder_fps=video.fps) as reader:
        if reader.info.num_frames != video.num_frames:
            raise VideoError(
                f"{video.path} has {reader.info.num_frames} frames now, and had {video.num_frames}",
                "predict it again",
            )
        shown = resampled_indices(reader.times_s, reader.info.duration_s, fps).tolist()
        for tick, index in enumerate(shown):
            picture = resize_short_side(reader.frames([index])[0][None], short_px)[0]
            yield draw(picture, index, tick / fps)
            if progress is not None:
                progress(tick + 1, len(shown))


def drawn_size_hw(video: VideoInfo) -> tuple[int, int]:
    """Height and width of a video's pictures where they are drawn on."""
    short = min(video.height, video.width)
    short_px = min(max(short, SHORT_PX[0]), SHORT_PX[1])
    return video.height * short_px // short, video.width * short_px // short


def usual_font() -> ImageFont.FreeTypeFont:
    """What text is written in."""
    return ImageFont.truetype(
        Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", TEXT_PX
    )


def lightened(colour: str) -> str:
    """A colour of the page for a dark ground."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return "#" + "".join(
        f"{round(value + 0.35 * (255 - value)):02x}" for value in (red, green, blue)
    )
