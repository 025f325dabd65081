"""Kvasir-Capsule: 117 videos of capsules in the small bowel, and stills with boxes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.catalog.fixed_split import split_of
from endofm.catalog.hyper_kvasir import TERMS
from endofm.catalog.layout import folders, pictures, table, videos
from endofm.data.boxed_found import FoundBox
from endofm.data.video_search import natural_key
from endofm.errors import DataError

NAME = "kvasir-capsule"
CLASSES = (
    "Ampulla of Vater",
    "Angiectasia",
    "Blood - fresh",
    "Blood - hematin",
    "Erosion",
    "Erythema",
    "Foreign Body",
    "Ileocecal valve",
    "Lymphangiectasia",
    "Normal clean mucosa",
    "Polyp",
    "Pylorus",
    "Reduced mucosal view",
    "Ulcer",
)

_VIDEO = re.compile(r"[0-9a-f]{16}", re.IGNORECASE)
_STILL = re.compile(r"([0-9a-f]{16})_(\d+)", re.IGNORECASE)
_CORNERS = [f"{axis}{number}" for number in (1, 2, 3, 4) for axis in "xy"]


def find_kvasir_capsule(root: Path) -> Found:
    """Videos named by 16 hexadecimal digits, and stills called ``<video>_<frame>``.

    Raises:
        DataError: The table of boxes cannot be read.
    """
    stills = tuple(_stills(root))
    return Found((*_videos(root), *stills), classes=CLASSES if stills else ())


def _videos(root: Path) -> Iterator[Source]:
    for folder, _, files in folders(root):
        for path in videos(folder, files):
            if _VIDEO.fullmatch(path.stem):
                kind = "unlabelled" if "unlabel" in folder.name.casefold() else "labelled"
                group = path.stem.casefold()
                yield Source(
                    name=f"{kind}/{group}",
                    files=(path,),
                    split=split_of(NAME, group),
                    group=group,
                )


def _stills(root: Path) -> Iterator[Source]:
    """Those of which the table gives corners; each by itself, since they lie apart in time."""
    boxes = _boxes(root)
    for folder, _, files in folders(root) if boxes else ():
        for path in pictures(folder, files):
            still = _STILL.fullmatch(path.stem)
            box = boxes.get(path.stem.casefold())
            if still and box:
                group = still[1].casefold()
                yield Source(
                    name=f"stills/{path.stem.casefold()}",
                    files=(path,),
                    picture_fps=1.0,
                    label=box[0].name,
                    split=split_of(NAME, group),
                    group=group,
                    boxes=(box,),
                )


def _boxes(root: Path) -> dict[str, tuple[FoundBox, ...]]:
    """By stem of the still, upright boxes around the four corners that ``metadata.csv`` gives."""
    boxes: dict[str, tuple[FoundBox, ...]] = {}
    for folder, _, files in folders(root):
        for name in sorted(files, key=natural_key):
            if name.casefold() != "metadata.csv":
                continue
            for number, row in enumerate(table(folder / name), start=2):
                box = _box(row, where=f"{folder / name} row {number}")
                stem = Path(row.get("filename", "")).stem.casefold()
                if box and stem:
                    boxes[stem] = (*boxes.get(stem, ()), box)
    return boxes


def _box(row: Mapping[str, str], *, where: str) -> FoundBox | None:
    cells = [row.get(name, "").strip() for name in _CORNERS]
    if not any(cells):  # most stills have none
        return None
    try:
        corners = [float(cell) for cell in cells]
    except ValueError:
        corners = [math.nan]
    if not all(map(math.isfinite, corners)):
        raise DataError(
            f"{where}: {', '.join(cells)} are not four corners",
            "copy the file again from its source",
        )
    x, y = corners[::2], corners[1::2]
    return FoundBox((min(x), min(y), max(x), max(y)), row.get("finding_class", ""))


CARD = Card(
    name=NAME,
    title="Kvasir-Capsule",
    find=find_kvasir_capsule,
    layout="labelled_videos/<16 digits>.mp4, unlabelled_videos/, labelled_images/ and metadata.csv",
    citation=(
        "Smedsrud et al.: Kvasir-Capsule, a video capsule endoscopy dataset. Scientific Data 8 "
        "(2021), 142"
    ),
    page="https://datasets.simula.no/kvasir-capsule",
    terms=TERMS,
    modality="video capsule endoscopy",
    organ="small bowel",
    expected={"videos": 117},
    splits="ours, by video; its official ones are of labelled stills",
)
