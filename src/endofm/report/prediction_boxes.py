"""What a page says about the boxes in one video, from the files in its folder.

Axes: N frames, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from endofm.report.charts import COLOURS, thinned
from endofm.report.pictures import frame_strip
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


def read_boxes(files: PredictionFolder, found: Mapping[str, Any]) -> PredictionRecord:
    """The record of a detector's prediction; for what is raised see ``report.prediction``."""
    arrays = finite_arrays(files.telling)
    times_s, scores = arrays["times_s"], arrays["scores"]
    classes = [str(label) for label in found["classes"]]
    if scores.shape != (found["num_frames"], len(classes)) or times_s.shape != scores.shape[:1]:
        raise ValueError(f"{scores.shape} scores of {found['num_frames']} frames")
    colours = {label: COLOURS[k % len(COLOURS)] for k, label in enumerate(classes)}
    spans = tuple(
        SpanRow(colour=_colour(span["label"], colours), **span) for span in found["spans"]
    )
    return PredictionRecord(
        files=files,
        found=found,
        curves=tuple(_curves(found, colours, times_s, scores)),
        top=1.0,
        levels=(float(found["threshold"]),),
        spans=spans,
        telling=tuple(_telling(arrays, found, colours)),
        times_s=[round(time_s, 3) for time_s in times_s.tolist()],
        values=[[round(score, 4) for score in row] for row in scores.tolist()],
    )


def _curves(
    found: Mapping[str, Any],
    colours: Mapping[str, str],
    times_s: np.ndarray,
    scores: np.ndarray,
) -> Iterator[Curve]:
    duration_s = duration_of(found)
    for (label, colour), own in zip(colours.items(), scores.T, strict=True):
        yield Curve(
            label=label,
            colour=colour,
            points=curve_points(*thinned(times_s, own), duration_s=duration_s),
            mean=float(own.mean()),
            highest=float(own.max()),
            highest_s=float(times_s[own.argmax()]),
            answered_s=float((own >= found["threshold"]).mean()) * duration_s,
        )


def _telling(
    arrays: Mapping[str, np.ndarray], found: Mapping[str, Any], colours: Mapping[str, str]
) -> Iterator[Telling]:
    for i, item in enumerate(found["sightings"]):
        yield Telling(
            label=str(item["label"]),
            colour=colours[item["label"]],
            score=float(item["score"]),
            time_s=float(item["time_s"]),
            frame=frame_strip(arrays[f"frame{i}"][None], "").frames[0],
            over=frame_strip(arrays[f"boxed{i}"][None], "").frames[0],
            drawn="boxes",
        )


def _colour(label: str, colours: Mapping[str, str]) -> str:
    """Of a class, or of a track, whose number stands before its class."""
    return colours[label] if label in colours else colours[label.partition(" ")[2]]
