"""The masks of a video as files: a picture a frame, or run lengths; and their areas as a table.

Axes: N frames, H and W pixels.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from endofm.data.video_search import frame_files
from endofm.files import replacing
from endofm.prediction.saving import AREA_COLUMNS


def mask_names(video: Path, num_frames: int) -> tuple[str, ...]:
    """What the mask of each frame is called: as the frame's file, else its number of six digits.

    The suffix of the frame's file stays where two differ in nothing else.
    """
    if not video.is_dir():
        return tuple(f"{number:06d}" for number in range(num_frames))
    files = frame_files(video)
    stems = tuple(file.stem for file in files)
    unique = len({stem.casefold() for stem in stems}) == len(stems)  # some disks know no upper case
    return stems if unique else tuple(file.name for file in files)


def write_pictures(folder: Path, names: Sequence[str], masks: Iterable[NDArray[np.bool_]]) -> None:
    """Write masks (H, W) as 8-bit grey PNG files of 0 and 255 into a folder of their own."""
    with replacing(folder) as draft:
        draft.mkdir()
        for name, mask in zip(names, masks, strict=True):
            Image.fromarray(mask.astype(np.uint8) * 255).save(draft / f"{name}.png")


def write_run_lengths(
    path: Path, masks: Iterable[NDArray[np.int32]], size_hw: tuple[int, int]
) -> None:
    """Write masks as COCO does: run lengths, column by column, a frame a line.

    Args:
        path: A JSON file: ``{"size": [H, W], "counts": [[...], ...]}``.
        masks: As from ``data.rle.encode``.
        size_hw: H and W.
    """
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        file.write(f'{{"size": {json.dumps(size_hw)}, "counts": [')
        for number, counts in enumerate(masks):
            row = json.dumps(counts.tolist(), separators=(",", ":"))
            file.write(f"{',' if number else ''}\n{row}")
        file.write("\n]}\n")


def write_areas(
    path: Path,
    names: Sequence[str],
    times_s: NDArray[np.float64],
    areas_px: NDArray[np.int64],
    *,
    num_px: int,
    confidence: NDArray[np.float64],
) -> None:
    """Write one row a frame; the columns are ``AREA_COLUMNS``.

    Args:
        path: A CSV file.
        names: Of the frames' masks.
        times_s: (N,).
        areas_px: (N,).
        num_px: Pixels of a frame.
        confidence: (N,).
    """
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(AREA_COLUMNS)
        for name, time_s, area_px, highest in zip(
            names, times_s.tolist(), areas_px.tolist(), confidence.tolist(), strict=True
        ):
            share = area_px / num_px
            rows.writerow([name, f"{time_s:.3f}", area_px, f"{share:.6f}", f"{highest:.6f}"])
