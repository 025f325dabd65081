"""The boxes of a video as files: a table, and COCO's JSON.

Axes: N frames.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endofm.boxes import Detections
from endofm.data.video import VideoInfo
from endofm.files import replacing
from endofm.prediction.tracks import NO_TRACK

COLUMNS = ("frame", "time_s", "track", "label", "score", "x1", "y1", "x2", "y2")


def write_boxes(
    path: Path,
    frames: Sequence[Detections],
    *,
    times_s: NDArray[np.float64],
    classes: Sequence[str],
    tracks: Sequence[NDArray[np.int64]] | None,
) -> None:
    """Write one row a box, by frame and falling score; px of the video's frames.

    Args:
        path: A CSV file.
        frames: N.
        times_s: (N,).
        classes: Names of the labels 1, 2, ... .
        tracks: Of each frame's boxes, if there are any; an empty cell is no track.
    """
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for index, found in enumerate(frames):
            ids = tracks[index] if tracks else [NO_TRACK] * len(found)
            boxes = found.boxes_xyxy.tolist()
            table = zip(ids, found.labels.tolist(), found.scores.tolist(), boxes, strict=True)
            for number, label, score, box in table:
                edges = [f"{edge:.2f}" for edge in box]
                shown = "" if number == NO_TRACK else str(number)
                time_s = f"{times_s[index]:.3f}"
                rows.writerow([index, time_s, shown, classes[label - 1], f"{score:.6f}", *edges])


def write_coco(
    path: Path,
    frames: Sequence[Detections],
    video: VideoInfo,
    *,
    classes: Sequence[str],
    tracks: Sequence[NDArray[np.int64]] | None,
) -> None:
    """Write boxes as COCO does, with ``video_id``, ``frame_index`` and each box's ``score``."""
    images = [
        {
            "id": index + 1,
            "video_id": 1,
            "frame_index": index,
            "file_name": f"{video.path.stem}/{index:06d}.png",
            "width": video.width,
            "height": video.height,
        }
        for index in range(len(frames))
    ]
    annotations: list[dict[str, Any]] = []
    for index, found in enumerate(frames):
        ids = tracks[index].tolist() if tracks else [NO_TRACK] * len(found)
        table = zip(
            ids,
            found.labels.tolist(),
            found.scores.tolist(),
            found.boxes_xyxy.tolist(),
            strict=True,
        )
        for number, label, score, (x1, y1, x2, y2) in table:
            sides = [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index + 1,
                    "category_id": label,
                    "bbox": sides,
                    "area": round((x2 - x1) * (y2 - y1), 3),
                    "iscrowd": 0,
                    "score": round(score, 6),
                    **({} if number == NO_TRACK else {"track_id": number}),
                }
            )
    plain = {
        "videos": [{"id": 1, "file_name": video.path.name, "fps": video.fps}],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": k, "name": name} for k, name in enumerate(classes, start=1)],
    }
    with replacing(path) as draft:
        draft.write_text(json.dumps(plain), encoding="utf-8")
