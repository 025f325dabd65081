"""One Pascal VOC file: what is said of a frame. No entity is expanded and nothing is loaded."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from endofm.data.boxed_found import FoundBox, read_small
from endofm.errors import DataError

MAX_DEPTH = 16
"""Of elements in elements; VOC needs five."""
_EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class VocFile:
    """A file as it is; names are empty where there are none."""

    folder: str
    filename: str
    path: str
    size_hw: tuple[int, int] | None
    """None where the file gives none, or a zero."""
    boxes: tuple[FoundBox, ...]
    """From the file's first pixel, 1, to the half-open edges of a frame that starts at 0."""
    lost: tuple[str, ...]
    """Why each object is left out that cannot be read."""


def read_voc_file(path: Path) -> VocFile:
    """Read a file; blanks around its texts do not matter.

    Raises:
        DataError: It cannot be read, is too large, is no XML, or declares entities or a document
            type.
    """
    root = _parse(path)
    if root.tag != "annotation":
        raise DataError(f"{path}: is no Pascal VOC: its root is <{root.tag}>, not <annotation>")
    boxes: list[FoundBox] = []
    lost: list[str] = []
    for number, item in enumerate(root.findall("object"), start=1):
        try:
            boxes.append(_box(item))
        except ValueError as error:
            lost.append(f"object {number} {error}")
    return VocFile(
        folder=_text(root, "folder"),
        filename=_text(root, "filename"),
        path=_text(root, "path"),
        size_hw=_size_hw(root),
        boxes=tuple(boxes),
        lost=tuple(lost),
    )


def _box(item: ET.Element) -> FoundBox:
    """The devkit counts pixels from 1 and includes the last one."""
    name = _text(item, "name")
    if not name:
        raise ValueError("has no name")
    edges = []
    for edge in _EDGES:
        text = _text(item, f"bndbox/{edge}")
        try:
            edges.append(float(text))
        except ValueError:
            raise ValueError(f"has no number as {edge}: {text[:20]!r}") from None
    left, top, right, bottom = edges
    return FoundBox((left - 1, top - 1, right, bottom), name, _text(item, "trackid"))


def _size_hw(root: ET.Element) -> tuple[int, int] | None:
    height, width = (_text(root, f"size/{name}") for name in ("height", "width"))
    if not (height.isdecimal() and width.isdecimal()):
        return None
    return (int(height), int(width)) if int(height) and int(width) else None


def _text(element: ET.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _parse(path: Path) -> ET.Element:
    builder = ET.TreeBuilder()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise DataError(f"{path}: has elements nested more than {MAX_DEPTH} deep")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def declares(*_: object) -> None:
        raise DataError(
            f"{path}: declares a document type or entities", "nothing of it is read; remove that"
        )

    parser, is_last = expat.ParserCreate(), True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = declares
    data = read_small(path)
    try:
        parser.Parse(data, is_last)
    except (expat.ExpatError, ValueError, LookupError) as error:  # or an encoding it cannot read
        raise DataError(f"{path}: is damaged XML ({error})") from None
    return builder.close()
