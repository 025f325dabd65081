"""Boxes as COCO JSON, in which ``video_id`` and ``frame_index`` say what is one video."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from endofm.data.boxed import Skipped
from endofm.data.boxed_found import FoundBox, FoundFrame, FoundSequence, FoundSet, inside
from endofm.data.label_sources import SPLITS
from endofm.data.video_search import VIDEO_SUFFIXES, natural_key
from endofm.errors import DataError

_SPLIT_FILE = re.compile(rf"(?:instances_)?({'|'.join(SPLITS)})(?:\d{{4}})?\.json")
_SOLE_FILES = ("boxes.json", "annotations.json", "instances.json", "_annotations.coco.json")
_FOLDERS = ("", "images", "frames", "videos")

_Id = int | str
_Patient = Annotated[_Id | None, Field(validation_alias=AliasChoices("group", "patient"))]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Source(_Entry):
    id: _Id
    file_name: str = ""
    split: str | None = None
    group: _Patient = None


class _Video(_Source):
    name: str = ""
    fps: PositiveFloat | None = None


class _Image(_Source):
    width: PositiveInt | None = None
    height: PositiveInt | None = None
    video_id: _Id | None = None
    frame_index: NonNegativeInt | None = None


class _Annotation(_Entry):
    image_id: _Id
    category_id: _Id
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    iscrowd: bool = False
    lesion: Annotated[_Id | None, Field(validation_alias=AliasChoices("track_id", "lesion_id"))] = (
        None
    )


class _Category(_Entry):
    id: _Id
    name: str


_E = TypeVar("_E", _Video, _Image, _Category)


class _Coco(_Entry):
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]
    categories: tuple[_Category, ...]
    videos: tuple[_Video, ...] = ()


def coco_files(root: Path) -> dict[str, Path]:
    """The COCO files of a folder or of its ``annotations/`` by split; ``""`` for one for all.

    Raises:
        DataError: Two are of one split.
    """
    for folder in (root, root / "annotations"):
        found: dict[str, Path] = {}
        for path in sorted(folder.glob("*.json")):
            named = _SPLIT_FILE.fullmatch(path.name)
            if named and found.setdefault(named[1], path) != path:
                raise DataError(f"{folder}: has {found[named[1]].name} and {path.name}", "keep one")
        for name in _SOLE_FILES if not found else ():
            if (folder / name).is_file():
                return {"": folder / name}
        if found:
            return found
    return {}


def read_coco(root: Path, files: dict[str, Path]) -> FoundSet:
    """Read COCO files, one a split or, under ``""``, one for all.

    Boxes are ``x, y, width, height`` in px from the frame's corner. A ``track_id`` or ``lesion_id``
    names a lesion within its video. Images and videos may have a ``split`` and a ``group`` or
    ``patient``. A video whose ``file_name`` is that of a video file is read from it, frame
    ``frame_index`` for each image; where an image has a file of its own, from that.

    Args:
        root: The set; paths start from the folder of the file, from its parent if that is
            ``annotations``, or from ``images/``, ``frames/``, ``videos/`` or the split's name
            there.
        files: As ``coco_files`` finds them.

    Raises:
        DataError: Naming the file, if it is not COCO or contradicts itself.
    """
    readers = [_Reader(path, split, prefix=len(files) > 1) for split, path in files.items()]
    classes = dict.fromkeys(name for reader in readers for name in reader.name_of.values())
    sequences = [sequence for reader in readers for sequence in reader.sequences()]
    num_alone = sum(reader.num_alone for reader in readers)
    notes: tuple[str, ...] = ()
    if num_alone:
        notes = (
            f"{num_alone} images name no video: each is a sequence of its own, and those of one "
            "patient may be divided between splits",
        )
    lost = tuple(one for reader in readers for one in reader.lost_boxes)
    return FoundSet(root, tuple(classes), tuple(sequences), notes, lost)


@dataclass
class _Group:
    """Images of one video."""

    name: str
    video: _Video | None
    images: list[_Image] = field(default_factory=list)


class _Reader:
    """One file."""

    def __init__(self, path: Path, split: str, *, prefix: bool) -> None:
        self._path = path
        self._split = split
        self._prefix = f"{split}/" if prefix else ""
        self._coco = _parse(path)
        self._folder = path.parent.parent if path.parent.name == "annotations" else path.parent
        categories = _by_id(path, "category", self._coco.categories)
        order = sorted(categories, key=lambda key: natural_key(str(key)))
        self.name_of = {key: categories[key].name for key in order}
        self.num_alone = 0
        self.lost_boxes: list[Skipped] = []

    def sequences(self) -> list[FoundSequence]:
        """The videos in the order of their first images."""
        boxes_of = self._boxes()
        videos = _by_id(self._path, "video", self._coco.videos)
        images = [image.file_name for image in self._coco.images if image.file_name]
        base = self._base(images)
        video_base = self._base([v.file_name for v in self._coco.videos if _is_video(v.file_name)])
        groups: dict[_Id, _Group] = {}
        for image in self._coco.images:
            if image.video_id is None:
                self.num_alone += 1
                group = _Group(f"{self._prefix}{image.file_name or image.id}", None)
                groups[f"image {image.id}"] = group
            else:
                video = videos.get(image.video_id)
                given = (video.name or video.file_name) if video else ""
                name = given or f"{self._prefix}{image.video_id}"
                group = groups.setdefault(image.video_id, _Group(name, video))
            group.images.append(image)
        _check_unique(self._path, [group.name for group in groups.values()])
        return [self._sequence(group, boxes_of, base, video_base) for group in groups.values()]

    def _sequence(
        self, group: _Group, boxes_of: dict[_Id, list[FoundBox]], base: Path, video_base: Path
    ) -> FoundSequence:
        where = f"{self._path}: video {group.name!r}"
        frames = []
        for image in _in_order(group.images, where=where):
            path, index = self._source(image, group.video, base, video_base)
            frames.append(
                FoundFrame(
                    f"{self._path} image {image.id}",
                    path,
                    tuple(boxes_of.get(image.id, ())),
                    index,
                    image.frame_index,
                    (image.height, image.width) if image.height and image.width else None,
                )
            )
        entries: list[_Source] = [*group.images, *([group.video] if group.video else [])]
        return FoundSequence(
            group.name,
            tuple(frames),
            self._split or _common([entry.split for entry in entries], where, "splits"),
            _common([entry.group for entry in entries], where, "groups"),
            group.video.fps if group.video else None,
        )

    def _source(
        self, image: _Image, video: _Video | None, base: Path, video_base: Path
    ) -> tuple[Path, int | None]:
        """The picture of an image, or its video and place in it."""
        where = f"{self._path} image {image.id}"
        file = inside(base, image.file_name, where=where) if image.file_name else None
        if file and not _is_video(image.file_name) and (file.is_file() or not _video_name(video)):
            return file, None
        if video and _video_name(video):
            file = inside(video_base, video.file_name, where=f"{self._path} video {video.id}")
        if file is None:
            raise DataError(f"{where}: has no file_name, and its video neither", "name a file")
        if image.frame_index is None:
            raise DataError(f"{where}: has no frame_index", "count frames of a video from 0")
        return file, image.frame_index

    def _boxes(self) -> dict[_Id, list[FoundBox]]:
        images = _by_id(self._path, "image", self._coco.images)
        boxes_of: dict[_Id, list[FoundBox]] = {}
        for number, one in enumerate(self._coco.annotations):
            reason = ""
            if one.image_id not in images:
                reason = f"is of image {one.image_id!r}, which is not in the file"
            elif one.category_id not in self.name_of:
                reason = f"is of category {one.category_id!r}, which is not in the file"
            elif one.iscrowd:
                reason = "marks a crowd, not one lesion"
            if reason:
                where = f"{self._path} annotations[{number}]"
                self.lost_boxes.append(Skipped(where, f"box {reason}"))
                continue
            x, y, width, height = one.bbox
            lesion = "" if one.lesion is None else str(one.lesion)
            box = FoundBox((x, y, x + width, y + height), self.name_of[one.category_id], lesion)
            boxes_of.setdefault(one.image_id, []).append(box)
        return boxes_of

    def _base(self, names: Sequence[str]) -> Path:
        """The folder in which the first of some files are."""
        stem = self._path.stem.removeprefix("instances_")
        splits = dict.fromkeys(name for name in (self._split, stem) if name)
        inner = [*_FOLDERS, *splits, *(f"images/{name}" for name in splits)]
        folders = [self._folder / name for name in inner]
        holds = (one for one in folders if one.is_dir() and _any_file(one, names))
        return next(holds, self._folder)


def _parse(path: Path) -> _Coco:
    try:
        return _Coco.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            reason = f"is not JSON ({first['ctx']['error']})"
        else:
            parts = [f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"]]
            reason = f"is not COCO: {''.join(parts).lstrip('.')}: {first['msg']}"
        raise DataError(
            f"{path}: {reason}", "it takes images, annotations and categories, and may have videos"
        ) from None


def _by_id(path: Path, kind: str, entries: Iterable[_E]) -> dict[_Id, _E]:
    found: dict[_Id, _E] = {}
    for entry in entries:
        if entry.id in found:
            raise DataError(f"{path}: has two of the {kind} id {entry.id!r}", "ids must differ")
        found[entry.id] = entry
    return found


def _in_order(images: Sequence[_Image], *, where: str) -> list[_Image]:
    """By frame_index; by name where no image has one."""
    places = [image.frame_index for image in images if image.frame_index is not None]
    if not places:
        return sorted(images, key=lambda image: natural_key(image.file_name))
    if len(places) < len(images):
        raise DataError(f"{where}: has images without frame_index", "write it for all or none")
    if len(set(places)) < len(places):
        raise DataError(f"{where}: repeats a frame_index", "give every frame its own")
    return sorted(images, key=lambda image: image.frame_index or 0)


def _common(values: Iterable[_Id | None], where: str, kind: str) -> str:
    """What all entries say that say anything."""
    said = sorted({str(value) for value in values if value is not None} - {""})
    if len(said) > 1:
        raise DataError(f"{where}: is of the {kind} {said[0]!r} and {said[1]!r}", "keep it in one")
    return said[0] if said else ""


def _check_unique(path: Path, names: Sequence[str]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise DataError(f"{path}: has two videos {name!r}", "give each a name of its own")
        seen.add(name)


def _is_video(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def _video_name(video: _Video | None) -> bool:
    return video is not None and _is_video(video.file_name)


def _any_file(folder: Path, names: Sequence[str]) -> bool:
    return any((folder / name).is_file() for name in names)
