"""What a page says about the lesions of one video, from the files in its folder.

Axes: N frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from endofm.report.charts import thinned
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

LABEL, COLOUR = "lesion", "#1a8f7a"
TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Areas that the timeline can end with: the least that is not below the largest."""


def read_masks(files: PredictionFolder, found: Mapping[str, Any]) -> PredictionRecord:
    """The record of a segmenter's prediction; for what is raised see ``report.prediction``."""
    arrays = finite_arrays(files.telling)
    times_s, areas = arrays["times_s"], arrays["areas"]
    if not times_s.shape == areas.shape == (found["num_frames"],):
        raise ValueError(f"{areas.shape} areas of {found['num_frames']} frames")
    top = next(top for top in TOPS if found["largest_area"] <= top)
    spans = tuple(SpanRow(colour=COLOUR, **span) for span in found["spans"])
    curve = Curve(
        label=LABEL,
        colour=COLOUR,
        points=curve_points(*thinned(times_s, areas), duration_s=duration_of(found), top=top),
        mean=float(found["mean_area"]),
        highest=float(found["largest_area"]),
        highest_s=float(found["largest_s"]),
        answered_s=sum(span.end_s - span.start_s for span in spans),
    )
    return PredictionRecord(
        files=files,
        found=found,
        curves=(curve,),
        top=top,
        levels=(),
        spans=spans,
        telling=tuple(_telling(arrays, found)),
        times_s=[round(time_s, 3) for time_s in times_s.tolist()],
        values=[[round(area, 5)] for area in areas.tolist()],
    )


def _telling(arrays: Mapping[str, np.ndarray], found: Mapping[str, Any]) -> Iterator[Telling]:
    for i, item in enumerate(found["largest"]):
        yield Telling(
            label=LABEL,
            colour=COLOUR,
            score=float(item["area"]),
            time_s=float(item["time_s"]),
            frame=frame_strip(arrays[f"frame{i}"][None], "").frames[0],
            over=frame_strip(arrays[f"outlined{i}"][None], "").frames[0],
            drawn="outline",
        )
