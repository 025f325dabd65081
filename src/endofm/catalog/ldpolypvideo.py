"""LDPolypVideo: 160 colonoscopy videos with a box around each polyp, and 103 with a label only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.catalog.fixed_split import split_of
from endofm.catalog.layout import folders, lines_of, pictures, videos
from endofm.data.boxed_found import FoundBox
from endofm.errors import DataError

NAME = "ldpolypvideo"
LESION = "polyp"
FPS = 25.0
"""Of the frames; the set does not say, so its short videos' own rate is taken."""

_SPLITS = {"trainvalid": "train", "test": "test"}
_LABELS = {"videos with polyps": "polyp", "videos without polyps": "normal"}


def find_ldpolypvideo(root: Path) -> Found:
    """``Images/<N>/<frame>.jpg`` beside ``Annotations``, and videos in the two labelled folders.

    Raises:
        DataError: A file of boxes cannot be read.
    """
    return Found((*_annotated(root), *_labelled(root)), classes=(LESION,))


def _annotated(root: Path) -> Iterator[Source]:
    for base, inside, _ in folders(root):
        if not {"Images", "Annotations"} <= set(inside):
            continue
        inside.clear()
        split = _SPLITS.get(base.name.casefold(), "")
        for folder, _, files in folders(base / "Images"):
            frames = tuple(pictures(folder, files))
            if frames:
                number = folder.name
                notes = base / "Annotations" / folder.relative_to(base / "Images")
                yield Source(
                    name=f"annotated/{number}",
                    files=frames,
                    picture_fps=FPS,
                    label=LESION,
                    split=split,
                    group=f"annotated/{number}",
                    boxes=tuple(_boxes(notes / f"{frame.stem}.txt") for frame in frames),
                )


def _labelled(root: Path) -> Iterator[Source]:
    for folder, _, files in folders(root):
        parts = [part.casefold() for part in folder.relative_to(root.parent).parts]
        label = next((_LABELS[part] for part in parts if part in _LABELS), None)
        for path in videos(folder, files) if label else ():
            name = f"{label}/{path.stem}"
            yield Source(
                name=name,
                files=(path,),
                label=label or "",
                split=split_of(NAME, name),
                group=name,
            )


def _boxes(path: Path) -> tuple[FoundBox, ...] | None:
    """The number of boxes, then a line each; None where the file is missing."""
    if not path.is_file():
        return None
    lines = lines_of(path)
    try:
        (num,) = map(int, lines[0].split())
        edges = [tuple(map(float, line.split()[:4])) for line in lines[1:]]
        boxes = tuple(FoundBox((x1, y1, x2, y2), LESION) for x1, y1, x2, y2 in edges)
    except (ValueError, IndexError):
        num, boxes = -1, ()
    if num != len(boxes):
        raise DataError(
            f"{path}: does not hold a number of boxes and as many lines of four edges",
            "copy the file again from its source",
        )
    return boxes


CARD = Card(
    name=NAME,
    title="LDPolypVideo",
    find=find_ldpolypvideo,
    layout="TrainValid/Images/1/0001.jpg, TrainValid/Annotations/1/0001.txt, Test/Images/101/...",
    citation=(
        "Ma et al.: LDPolypVideo benchmark: A large-scale colonoscopy video dataset of diverse "
        "polyps. MICCAI 2021, 387-396"
    ),
    page="https://github.com/dashishi/LDPolypVideo-Benchmark",
    terms="none stated by its makers: ask them before you use it for more than research",
    modality="colonoscopy, white light",
    organ="colon",
    expected={"videos": 263, "pictures": 40266},
    splits="official, by folder; of the labelled videos ours, by video",
    overlaps={"polypdiag": "PolypDiag was made from it and from Hyper-Kvasir"},
)
