"""One self-contained page about what a classifier says of one video.

Axes: N windows, K classes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from jinja2 import UndefinedError

from endofm.errors import RunError
from endofm.files import write_text
from endofm.report import wording
from endofm.report.charts import COLOURS
from endofm.report.html import page_environment
from endofm.report.pictures import attention_strip, frame_strip, read_arrays
from endofm.runfolder import PredictionFolder

MAX_EMBEDDED_BYTES = 48 * 2**20
"""A longer video stays beside the page, which browsers would take long to open."""
MAX_SPANS_SHOWN = 200
MAX_TILES = 4
"""Of many classes, those with the highest scores have their numbers at the top."""
DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    UndefinedError,
)
"""What comes of a file with something else in it."""
WIDTH, HEIGHT = 1000, 200
"""Of the timeline, in its own units."""


@dataclass(frozen=True)
class Curve:
    """The scores of a class over time."""

    label: str
    colour: str
    points: str  # of an SVG polyline
    mean: float
    highest: float
    highest_s: float
    answered_s: float


@dataclass(frozen=True)
class SpanRow:
    """A stretch in which a class is answered."""

    label: str
    colour: str
    start_s: float
    end_s: float
    highest: float


@dataclass(frozen=True)
class Telling:
    """A frame, and the attention over it."""

    label: str
    colour: str
    score: float
    time_s: float
    frame: str  # data URI
    attention: str  # data URI


@dataclass(frozen=True)
class PredictionRecord:
    """All that a page says about one predicted video."""

    files: PredictionFolder
    found: Mapping[str, Any]
    """What ``prediction.json`` holds."""
    curves: tuple[Curve, ...]
    spans: tuple[SpanRow, ...]
    telling: tuple[Telling, ...]

    @property
    def name(self) -> str:
        """The video's file name."""
        return Path(self.found["video"]).name

    @property
    def tiles(self) -> list[Curve]:
        """The classes whose numbers stand at the top, in order."""
        highest = sorted(self.curves, key=lambda curve: -curve.highest)[:MAX_TILES]
        return [curve for curve in self.curves if curve in highest]


def write_prediction_page(folder: Path) -> Path:
    """Write the page about one predicted video, from nothing but the files in its folder.

    Returns:
        Where the page is.

    Raises:
        RunError: The folder holds no prediction, or a damaged one.
    """
    record = read_prediction(folder)
    with _told_in_one_line(record.files):
        page = _render(record)
    write_text(record.files.page, page)
    return record.files.page


def read_prediction(folder: Path) -> PredictionRecord:
    """Read the folder of a prediction.

    Raises:
        RunError: It holds none, or a damaged one.
    """
    files = PredictionFolder(folder)
    with _told_in_one_line(files):
        text = files.prediction.read_text(encoding="utf-8")
        found = json.loads(text, parse_constant=_refuse)
        colours = _colours(found["asked"])
        return PredictionRecord(
            files=files,
            found=found,
            curves=tuple(_curves(found, colours)),
            spans=tuple(SpanRow(colour=colours[span["label"]], **span) for span in found["spans"]),
            telling=tuple(_telling(files, found, colours)),
        )


@contextmanager
def _told_in_one_line(files: PredictionFolder) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise RunError(
            f"{files.prediction}: missing or damaged ({error})", "run endofm predict again"
        ) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _render(record: PredictionRecord) -> str:
    found, video = record.found, record.files.video
    return (
        page_environment()
        .get_template("prediction.html")
        .render(
            record=record,
            found=found,
            max_spans=MAX_SPANS_SHOWN,
            video=_embedded(video),
            video_file=video.name if video.is_file() else "",
            moments={
                "duration_s": found["duration_s"],
                "times_s": [round(window["time_s"], 3) for window in found["windows"]],
                "scores": [_asked_scores(found, window) for window in found["windows"]],
            },
            width=WIDTH,
            height=HEIGHT,
            say=wording,
        )
    )


def _colours(asked: list[str]) -> dict[str, str]:
    return {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(asked)}


def _asked_scores(found: Mapping[str, Any], window: Mapping[str, Any]) -> list[float]:
    return [round(window["scores"][found["classes"].index(label)], 4) for label in found["asked"]]


def _curves(found: Mapping[str, Any], colours: Mapping[str, str]) -> list[Curve]:
    times_s = np.array([window["time_s"] for window in found["windows"]], float)
    scores = np.array([window["scores"] for window in found["windows"]], float)  # (N, K)
    if found["duration_s"] <= 0:
        raise ValueError("the video has no length")
    return [
        Curve(
            label=label,
            colour=colour,
            points=_points(times_s, scores[:, k], found["duration_s"]),
            mean=float(found["mean"][label]),
            highest=float(found["highest"][label]),
            highest_s=float(times_s[scores[:, k].argmax()]),
            answered_s=float(found["answered_s"][label]),
        )
        for label, colour in colours.items()
        for k in [found["classes"].index(label)]
    ]


def _points(times_s: np.ndarray, scores: np.ndarray, duration_s: float) -> str:
    """The curve, held level before the first window's middle and after the last one's."""
    x = WIDTH * np.concatenate([[0.0], times_s / duration_s, [1.0]])
    y = HEIGHT * (1 - np.concatenate([scores[:1], scores, scores[-1:]]))
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _telling(
    files: PredictionFolder, found: Mapping[str, Any], colours: Mapping[str, str]
) -> list[Telling]:
    arrays = read_arrays(files.telling) if found["telling"] else {}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("attention is not finite")
    return [
        Telling(
            label=item["label"],
            colour=colours[item["label"]],
            score=float(item["score"]),
            time_s=float(item["time_s"]),
            frame=frame_strip(arrays[f"frame{i}"][None], "").frames[0],
            attention=attention_strip(
                arrays[f"frame{i}"][None], arrays[f"attention{i}"][None], ""
            ).frames[0],
        )
        for i, item in enumerate(found["telling"])
    ]


def _embedded(video: Path) -> str:
    """The video in base64, or nothing if it is too large or missing."""
    if not video.is_file() or video.stat().st_size > MAX_EMBEDDED_BYTES:
        return ""
    return base64.b64encode(video.read_bytes()).decode("ascii")
