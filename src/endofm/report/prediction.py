"""One self-contained page about what a trained network says of one video."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from endofm.errors import RunError
from endofm.files import write_text
from endofm.report import wording
from endofm.report.html import page_environment
from endofm.report.prediction_boxes import read_boxes
from endofm.report.prediction_classes import read_classes
from endofm.report.prediction_masks import read_masks
from endofm.report.prediction_record import HEIGHT, WIDTH, PredictionRecord, read_json
from endofm.runfolder import PredictionFolder

MAX_EMBEDDED_BYTES = 48 * 2**20
"""A longer video stays beside the page, which browsers would take long to open."""
MAX_SPANS_SHOWN = 200
DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    StopIteration,
    UndefinedError,
)
"""What comes of a file with something else in it."""

Read = Callable[[PredictionFolder, Mapping[str, Any]], PredictionRecord]
TASKS: dict[str, tuple[Read, str]] = {
    "classify": (read_classes, "prediction_classes.html"),
    "segment": (read_masks, "prediction_masks.html"),
    "detect": (read_boxes, "prediction_boxes.html"),
}
"""How a task's prediction is read, and the template of its page."""


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
        found = read_json(files)
        read, _ = TASKS[found["task"]]
        return read(files, found)


@contextmanager
def _told_in_one_line(files: PredictionFolder) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise RunError(
            f"{files.prediction}: missing or damaged ({error})", "run endofm predict again"
        ) from None


def _render(record: PredictionRecord) -> str:
    video = record.files.video
    _, template = TASKS[record.found["task"]]
    return (
        page_environment()
        .get_template(template)
        .render(
            record=record,
            found=record.found,
            max_spans=MAX_SPANS_SHOWN,
            video=_embedded(video),
            video_file=video.name if video.is_file() else "",
            moments={
                "duration_s": record.found["duration_s"],
                "times_s": record.times_s,
                "scores": record.values,
            },
            width=WIDTH,
            height=HEIGHT,
            say=wording,
        )
    )


def _embedded(video: Path) -> str:
    """The video in base64, or nothing if it is too large or missing."""
    if not video.is_file() or video.stat().st_size > MAX_EMBEDDED_BYTES:
        return ""
    return base64.b64encode(video.read_bytes()).decode("ascii")
