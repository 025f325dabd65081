"""SUN Colonoscopy Video Database: 100 cases with a polyp and 13 without, frame by frame."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.catalog.fixed_split import split_of
from endofm.catalog.layout import folders, lines_of, pictures
from endofm.data.boxed_found import FoundBox
from endofm.errors import DataError

NAME = "sun"
FPS = 30.0
LESION = "polyp"
TERMS = (
    "non-commercial research and education only, by request with an address of an institution; no "
    "passing on"
)

_ORDER = re.compile(r"(\d+)-\d+_a(\d+)_.*?image(\d+)", re.IGNORECASE)
_CASE = re.compile(r"case_?\d+", re.IGNORECASE)


def time_key(name: str) -> tuple[int, int, int]:
    """When a frame was taken: the numbers before ``-``, after ``_a`` and after ``image``.

    Names in order of the alphabet are not in order of time.

    Raises:
        ValueError: It is no name of SUN.
    """
    found = _ORDER.search(name)
    if found is None:
        raise ValueError(name)
    return int(found[1]), int(found[2]), int(found[3])


def find_sun(root: Path) -> Found:
    """Folders ``case<N>`` of frames named as SUN names them; below ``negative`` they are without.

    Raises:
        DataError: A list of boxes cannot be read.
    """
    annotations = dict(_annotations(root))
    sources = []
    for folder, _, files in folders(root):
        frames = [path for path in pictures(folder, files) if _ORDER.search(path.name)]
        if frames and _CASE.fullmatch(folder.name):
            where = folder.relative_to(root.parent).as_posix().casefold()
            is_negative = "negative" in where
            boxes = None if is_negative else annotations.get(folder.name.casefold())
            sources.append(_source(folder.name, frames, boxes, is_negative=is_negative))
    return Found(tuple(sources), classes=(LESION,))


def _source(
    case: str,
    frames: list[Path],
    boxes: Mapping[str, tuple[FoundBox, ...]] | None,
    *,
    is_negative: bool,
) -> Source:
    frames = sorted(frames, key=lambda path: time_key(path.name))
    kind = "negative" if is_negative else "positive"
    group = case.casefold()
    known: tuple[tuple[FoundBox, ...] | None, ...] = ()
    if is_negative:
        known = ((),) * len(frames)
    elif boxes is not None:
        known = tuple(boxes.get(path.name) for path in frames)
    return Source(
        name=f"{kind}/{group}",
        files=tuple(frames),
        picture_fps=FPS,
        label=LESION if not is_negative else "normal",
        split=split_of(NAME, f"{kind}/{group}"),
        group=f"{kind}/{group}",
        boxes=known,
    )


def _annotations(root: Path) -> Iterator[tuple[str, dict[str, tuple[FoundBox, ...]]]]:
    """Of each case the boxes by the name of the picture."""
    for folder, _, files in folders(root):
        if folder.name.casefold() != "annotation_txt":
            continue
        for name in files:
            if name.casefold().endswith(".txt") and _CASE.fullmatch(Path(name).stem):
                yield Path(name).stem.casefold(), _boxes(folder / name)


def _boxes(path: Path) -> dict[str, tuple[FoundBox, ...]]:
    boxes: dict[str, tuple[FoundBox, ...]] = {}
    for number, line in enumerate(lines_of(path), start=1):
        picture, *rest = line.split()
        for words in rest:
            try:
                x1, y1, x2, y2 = map(float, words.split(",")[:4])
            except ValueError:
                raise DataError(
                    f"{path} line {number}: {words!r} is no box",
                    "write xmin,ymin,xmax,ymax,class, or copy the file again from its source",
                ) from None
            box = FoundBox((x1, y1, x2, y2), LESION)
            boxes[picture] = (*boxes.get(picture, ()), box)
    return boxes


CARD = Card(
    name=NAME,
    title="SUN Colonoscopy Video Database",
    find=find_sun,
    layout="sundatabase_positive_part1/case1/*.jpg, annotation_txt/case1.txt, and so on",
    citation=(
        "Misawa et al.: Development of a computer-aided detection system for colonoscopy and a "
        "publicly accessible large colonoscopy video database. Gastrointestinal Endoscopy 93(4) "
        "(2021), 960-967"
    ),
    page="http://amed8k.sundatabase.org",
    terms=TERMS,
    modality="colonoscopy, white light",
    organ="colon",
    expected={"videos": 113, "pictures": 158690},
    splits="ours, by case",
    overlaps={"sun-seg": "the same frames, with masks"},
)
