"""What a page says about the classes of one video, from the files in its folder.

Axes: N windows, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from endofm.report.charts import COLOURS
from endofm.report.pictures import attention_strip, frame_strip
from endofm.report.prediction_record import (
    Curve,
    PredictionRecord,
    SpanRow,
    Telling,
    curve_points,
    duration_of,
    finite_arrays,
)
from endofm.runfolder import PredictionFolder


def read_classes(files: PredictionFolder, found: Mapping[str, Any]) -> PredictionRecord:
    """The record of a classifier's prediction; for what is raised see ``report.prediction``."""
    asked, thresholds = found["asked"], found["thresholds"]
    colours = {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(asked)}
    places = [found["classes"].index(label) for label in asked]
    return PredictionRecord(
        files=files,
        found=found,
        curves=tuple(_curves(found, colours)),
        top=1.0,
        levels=tuple(map(float, thresholds.values())) if len(thresholds) == 1 else (),
        spans=tuple(SpanRow(colour=colours[span["label"]], **span) for span in found["spans"]),
        telling=tuple(_telling(files, found, colours)),
        times_s=[round(window["time_s"], 3) for window in found["windows"]],
        values=[[round(window["scores"][k], 4) for k in places] for window in found["windows"]],
    )


def _curves(found: Mapping[str, Any], colours: Mapping[str, str]) -> Iterator[Curve]:
    times_s = np.array([window["time_s"] for window in found["windows"]], float)
    scores = np.array([window["scores"] for window in found["windows"]], float)  # (N, K)
    duration_s = duration_of(found)
    for label, colour in colours.items():
        k = found["classes"].index(label)
        yield Curve(
            label=label,
            colour=colour,
            points=curve_points(times_s, scores[:, k], duration_s=duration_s),
            mean=float(found["mean"][label]),
            highest=float(found["highest"][label]),
            highest_s=float(times_s[scores[:, k].argmax()]),
            answered_s=float(found["answered_s"][label]),
        )


def _telling(
    files: PredictionFolder, found: Mapping[str, Any], colours: Mapping[str, str]
) -> Iterator[Telling]:
    arrays = finite_arrays(files.telling) if found["telling"] else {}
    for i, item in enumerate(found["telling"]):
        frame, attention = arrays[f"frame{i}"][None], arrays[f"attention{i}"][None]
        yield Telling(
            label=item["label"],
            colour=colours[item["label"]],
            score=float(item["score"]),
            time_s=float(item["time_s"]),
            frame=frame_strip(frame, "").frames[0],
            over=attention_strip(frame, attention, "").frames[0],
            drawn="attention",
        )
