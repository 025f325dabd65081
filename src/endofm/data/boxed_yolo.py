"""Boxes as YOLO has them: a text file for each picture, and the names of classes in a YAML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from endofm.data.boxed import Skipped
from endofm.data.boxed_found import (
    FoundBox,
    FoundFrame,
    FoundSequence,
    FoundSet,
    inside,
    read_small,
)
from endofm.data.boxed_pictures import (
    first_folder,
    notes_on,
    pictures_below,
    sequences_by_folder,
    split_folders,
)
from endofm.data.label_sources import SPLITS
from endofm.errors import DataError

_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_PICTURES, _LABELS = "images", "labels"


def yolo_file(root: Path) -> Path | None:
    """The YAML file of a set in YOLO's layout."""
    return next((root / name for name in _FILES if (root / name).is_file()), None)


def read_yolo(root: Path, file: Path) -> FoundSet:
    """Read ``images/`` with ``labels/`` beside them, of the whole set or of each split.

    A line is ``class x y width height``, shares of the frame from its centre, or the corners of a
    polygon, around which the box is drawn. Pictures without a text file show no lesion. The
    pictures of a video are in a folder of their own.

    Args:
        root: The set.
        file: Its YAML file with ``names``; ``train``, ``val`` and ``test`` may name folders, else
            they are looked for.

    Raises:
        DataError: The YAML file cannot be used, or leads to nothing or out of the set.
    """
    settings = _settings(file)
    reader = _Reader(_names(file, settings))
    sequences: list[FoundSequence] = []
    num_alone = 0
    for split, base in _folders(root, file, settings).items():
        pictures = pictures_below(base)
        reader.check_orphans(base, pictures)
        num_alone += sum(one.parent == base for one in pictures)
        sequences += sequences_by_folder(pictures, base, split=split, frame=reader.frame)
    return FoundSet(
        root,
        tuple(reader.names.values()),
        tuple(sequences),
        notes_on(num_alone, reader.num_bare),
        tuple(reader.lost_boxes),
        tuple(reader.lost_frames),
    )


class _Reader:
    """Reads the text files one after the other."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = names
        self.lost_boxes: list[Skipped] = []
        self.lost_frames: list[Skipped] = []
        self.num_bare = 0

    def check_orphans(self, base: Path, pictures: Sequence[Path]) -> None:
        """List the text files whose picture is missing."""
        folder = _labels_of(base / "x").parent
        if folder == base or not folder.is_dir():  # beside pictures, a text may be anything
            return
        known = {_labels_of(picture) for picture in pictures}
        for path in sorted(set(folder.rglob("*.txt")) - known):
            self.lost_frames.append(Skipped(str(path), "its picture is missing"))

    def frame(self, picture: Path) -> FoundFrame | None:
        labels = _labels_of(picture)
        if not labels.is_file():
            self.num_bare += 1
            return FoundFrame(str(picture), picture)
        try:
            lines = read_small(labels).decode("utf-8").splitlines()
        except (DataError, UnicodeDecodeError) as error:
            self.lost_frames.append(Skipped(str(labels), str(error)))
            return None
        boxes = tuple(self._boxes(labels, lines))
        return FoundFrame(str(labels), picture, boxes, relative=True)

    def _boxes(self, path: Path, lines: Sequence[str]) -> Iterator[FoundBox]:
        from supervision.dataset.formats.yolo import (  # noqa: PLC0415 - slow to import
            yolo_annotations_to_detections,
        )

        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                found = yolo_annotations_to_detections([line], (1, 1), with_masks=False)
            except ValueError as error:
                reason = str(error).splitlines()[0]
                self.lost_boxes.append(Skipped(f"{path} line {number}", f"is no box: {reason}"))
                continue
            assert found.class_id is not None
            left, top, right, bottom = found.xyxy[0].tolist()
            label = int(found.class_id[0])
            yield FoundBox((left, top, right, bottom), self.names.get(label, str(label)))


def _labels_of(picture: Path) -> Path:
    """Where YOLO looks: the last ``images`` of the path is ``labels``; else beside the picture."""
    parts = list(picture.parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place] == _PICTURES:
            parts[place] = _LABELS
            break
    return Path(*parts).with_suffix(".txt")


def _settings(file: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(read_small(file))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{file}: is no YAML ({reason})") from None
    if not isinstance(settings, dict):
        raise DataError(f"{file}: is no list of settings", "it takes names, train, val and test")
    return settings


def _names(file: Path, settings: Mapping[str, Any]) -> dict[int, str]:
    names = settings.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or not all(isinstance(k, int) for k in names):
        raise DataError(f"{file}: has no names of classes", "write names: [polyp], for example")
    return {number: str(names[number]) for number in sorted(names)}


def _folders(root: Path, file: Path, settings: Mapping[str, Any]) -> dict[str, Path]:
    """The pictures of each split."""
    found = {}
    for split in SPLITS:
        given = settings.get(split) or (settings.get("valid") if split == "val" else None)
        if given is not None:
            found[split] = _folder(root, file, given, split=split)
    if found:
        return found
    inner = {
        split: first_folder(folder, (_PICTURES,)) for split, folder in split_folders(root).items()
    }
    found = {split: folder for split, folder in inner.items() if folder}
    pictures = root / _PICTURES
    found = found or (split_folders(pictures) if pictures.is_dir() else {})
    if not found and not pictures.is_dir():
        raise DataError(f"{file}: names no train folder, and there is no {_PICTURES}/ beside it")
    return found or {"": pictures}


def _folder(root: Path, file: Path, given: object, *, split: str) -> Path:
    """A folder that the YAML file names; many lead up and down again, to where they are beside."""
    if not isinstance(given, str):
        raise DataError(f"{file}: {split} is no folder", f"write {split}: images/{split}")
    name = given
    while name.startswith("../"):
        name = name[3:]
    folder = inside(root, name, where=f"{file} {split}")
    if not folder.is_dir():
        raise DataError(f"{file}: {split} names {given!r}, which is no folder in {root}")
    return folder
