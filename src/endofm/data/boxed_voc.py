"""Boxes as Pascal VOC: an XML file for each picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from endofm.data.boxed import Skipped
from endofm.data.boxed_found import (
    MAX_LIST_BYTES,
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
from endofm.data.voc_xml import VocFile, read_voc_file
from endofm.errors import DataError

_PICTURES = ("JPEGImages", "images", "Image", "frames")
_ANNOTATIONS = ("Annotations", "Annotation", "annotations", "xmls")
_LISTS = ("ImageSets/Main", "ImageSets")
_LISTED = {"train": ("train", "trainval"), "val": ("val",), "test": ("test",)}


@dataclass(frozen=True)
class _Part:
    """Pictures and the files of their boxes, which lie in the same subfolders."""

    pictures: Path
    annotations: Path
    split: str = ""

    def annotation_of(self, picture: Path) -> Path:
        return self.annotations / picture.relative_to(self.pictures).with_suffix(".xml")


def is_voc(root: Path) -> bool:
    """Whether a folder is laid out as Pascal VOC."""
    return bool(_parts(root))


def read_voc(root: Path) -> FoundSet:
    """Read pictures with an XML file each.

    They lie in ``JPEGImages/`` and ``Annotations/``, or side by side; of the whole set or of each
    of ``train/``, ``val/`` and ``test/``. ``ImageSets/Main/train.txt`` and so on name the pictures
    of the splits of a whole set. The pictures of a video are in a folder of their own.

    Raises:
        DataError: There are no such files, or a list cannot be followed.
    """
    parts = _parts(root)
    reader = VocReader()
    sequences: list[FoundSequence] = []
    for part in parts:
        pictures = pictures_below(part.pictures)
        reader.check_orphans(part.annotations, {part.annotation_of(one) for one in pictures})
        listed = _lists(root) if not part.split else {}
        chosen = _chosen(part, pictures, listed, reader) if listed else {part.split: pictures}
        for split, own in chosen.items():
            sequences += sequences_by_folder(
                own,
                part.pictures,
                split=split,
                frame=lambda picture, part=part: reader.frame(  # type: ignore[misc]  # the part of now
                    picture, part.annotation_of(picture)
                ),
            )
            reader.num_alone += sum(one.parent == part.pictures for one in own)
    return FoundSet(
        root,
        tuple(sorted(reader.names)),
        tuple(sequences),
        notes_on(reader.num_alone, reader.num_bare),
        tuple(reader.lost_boxes),
        tuple(reader.lost_frames),
    )


class VocReader:
    """Reads files one after the other, and keeps what could not be read.

    Args:
        check_size: Believe the size in the files: a picture must have it.
    """

    def __init__(self, *, check_size: bool = True) -> None:
        self.names: set[str] = set()
        self.lost_boxes: list[Skipped] = []
        self.lost_frames: list[Skipped] = []
        self.num_alone = 0
        self.num_bare = 0
        self._check_size = check_size

    def frame(self, picture: Path, annotation: Path) -> FoundFrame | None:
        """A picture with its boxes, none without a file; nothing if the file is damaged."""
        found = self.read(annotation) if annotation.is_file() else None
        return self.frame_of(picture, annotation, found)

    def read(self, annotation: Path) -> VocFile | None:
        """A file; nothing if it is damaged."""
        try:
            return read_voc_file(annotation)
        except DataError as error:
            reason = str(error).removeprefix(f"{annotation}: ")
            self.lost_frames.append(Skipped(str(annotation), reason))
            return None

    def frame_of(self, picture: Path, annotation: Path, found: VocFile | None) -> FoundFrame | None:
        """A picture with the boxes of a file that was read."""
        if found is None:
            if annotation.is_file():
                return None
            self.num_bare += 1
            return FoundFrame(str(picture), picture)
        self.names.update(box.name for box in found.boxes)
        self.lost_boxes += [Skipped(str(annotation), reason) for reason in found.lost]
        size_hw = found.size_hw if self._check_size else None
        return FoundFrame(str(annotation), picture, found.boxes, size_hw=size_hw)

    def check_orphans(self, folder: Path, known: set[Path]) -> None:
        """List the files below a folder whose picture is missing."""
        for path in sorted(set(folder.rglob("*.xml")) - known):
            self.lost_frames.append(Skipped(str(path), "its picture is missing"))


def _parts(root: Path) -> list[_Part]:
    parts = []
    for split, folder in (split_folders(root) or {"": root}).items():
        pictures, annotations = (first_folder(folder, of) for of in (_PICTURES, _ANNOTATIONS))
        if pictures and annotations and next(annotations.rglob("*.xml"), None):
            parts.append(_Part(pictures, annotations, split))
        elif not pictures and next(folder.rglob("*.xml"), None):
            parts.append(_Part(folder, folder, split))
    return parts


def _lists(root: Path) -> dict[str, Path]:
    folder = first_folder(root, _LISTS)
    if folder is None:
        return {}
    found: dict[str, Path] = {}
    for split, names in _LISTED.items():
        for name in names:
            if (path := folder / f"{name}.txt").is_file():
                found.setdefault(split, path)
    return found


def _chosen(
    part: _Part, pictures: list[Path], lists: Mapping[str, Path], reader: VocReader
) -> dict[str, list[Path]]:
    """The pictures of each list, in order of time; what is listed and gone is counted."""
    by_name = {one.relative_to(part.pictures).with_suffix("").as_posix(): one for one in pictures}
    chosen: dict[str, list[Path]] = {}
    for split, path in lists.items():
        wanted: set[Path] = set()
        for where, names in _lines(path):
            name = next((name for name in names if name in by_name), None)
            if name is None:
                inside(part.pictures, names[-1], where=where)
                reader.lost_frames.append(Skipped(where, f"{names[-1]!r} is no picture"))
                continue
            wanted.add(by_name[name])
        chosen[split] = [one for one in pictures if one in wanted]
    return chosen


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """What each line may mean: all of it, ``video 0 frame length``, or its first word."""
    text = read_small(path, most_bytes=MAX_LIST_BYTES).decode("utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words:
            of_video = [f"{words[0]}/{words[2]}"] if len(words) == 4 else []
            yield f"{path} line {number}", [line.strip(), *of_video, words[0]]
