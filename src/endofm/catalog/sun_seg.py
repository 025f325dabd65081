"""SUN-SEG: the frames of SUN cut into clips, with masks, boxes and a class for each clip."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from endofm.catalog import sun
from endofm.catalog.card import Card, Found, Source
from endofm.catalog.layout import folders, lines_of, pictures
from endofm.data.boxed_found import MAX_LIST_BYTES, FoundBox, read_small
from endofm.data.video_search import natural_key
from endofm.errors import DataError

_SPLITS = {"traindataset": "train", "testeasydataset": "test", "testharddataset": "test"}
_CLIP = re.compile(r"(case\d+)(?:_\d+)?", re.IGNORECASE)


class _Image(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)
    id: str
    case_name: str = ""
    file_name: str


class _Annotation(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)
    id: str
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class _Boxes(BaseModel):
    """As published: ``annotation`` in the singular, joined to ``images`` by one ``id``."""

    model_config = ConfigDict(extra="ignore")
    images: list[_Image]
    annotation: list[_Annotation]


def find_sun_seg(root: Path) -> Found:
    """Folders ``Frame/<clip>`` below ``TrainDataset``, ``TestEasyDataset`` or ``TestHardDataset``.

    Raises:
        DataError: A list of classes or boxes cannot be read.
    """
    sources: list[Source] = []
    for folder, inside, _ in folders(root):
        if folder.name.casefold() == "frame":
            parts = [part.casefold() for part in folder.relative_to(root.parent).parts]
            if set(parts) & set(_SPLITS):
                inside.clear()
                sources += _part(folder, parts)
    return Found(tuple(sources), classes=(sun.LESION,))


def _part(frames: Path, parts: list[str]) -> list[Source]:
    """The clips of one folder of the set, such as ``TestEasyDataset/Unseen``."""
    base = frames.parent
    split_folder = next(part for part in reversed(parts) if part in _SPLITS)
    # A case that is seen in training is no test of what is new, and no group may be on two sides.
    split = "" if "seen" in parts else _SPLITS[split_folder]
    kind = "-".join(
        [split_folder.removesuffix("dataset"), *parts[parts.index(split_folder) + 1 : -1]]
    )
    classes = _classes(base / "Classification" / "classification.txt")
    boxes = _boxes(base / "Detection" / "bbox_annotation.json")
    sources = []
    for folder, _, files in folders(frames):
        clip = _CLIP.fullmatch(folder.name)
        found = pictures(folder, files)
        if clip is None or not found:
            continue
        ordered = tuple(sorted(found, key=_time_key))
        masks = tuple(_mask(base / "GT" / folder.name, path) for path in ordered)
        sources.append(
            Source(
                name=f"{kind}/{folder.name}",
                files=ordered,
                picture_fps=sun.FPS,
                label=next((classes[one.name] for one in ordered if one.name in classes), ""),
                split=split,
                group=clip[1].casefold(),
                masks=masks if any(masks) else (),
                boxes=tuple(boxes.get((folder.name, one.stem)) for one in ordered) if boxes else (),
            )
        )
    return sources


def _time_key(path: Path) -> tuple[int, tuple[int, int, int], object]:
    try:
        return 0, sun.time_key(path.name), natural_key(path.name)
    except ValueError:  # renamed
        return 1, (0, 0, 0), natural_key(path.name)


def _mask(folder: Path, picture: Path) -> Path | None:
    names = (picture.with_suffix(suffix).name for suffix in (".png", picture.suffix))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _classes(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        return {}
    cells = [line.split() for line in lines_of(path)]
    return {words[0]: words[1] for words in cells if len(words) > 1}


def _boxes(path: Path) -> dict[tuple[str, str], tuple[FoundBox, ...]]:
    """By clip and stem of the picture; empty where there is no file."""
    if not path.is_file():
        return {}
    try:
        read = _Boxes.model_validate_json(read_small(path, most_bytes=MAX_LIST_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{path}: {where}: {first['msg']}", "copy the file again from its source"
        ) from None
    of_id: dict[str, tuple[FoundBox, ...]] = {}
    for one in read.annotation:
        x, y, width, height = one.bbox
        box = FoundBox((x, y, x + width, y + height), sun.LESION)
        of_id[one.id] = (*of_id.get(one.id, ()), box)
    # Ids are unique in a clip only where they repeat the file's name: so both are asked for.
    return {(one.case_name, Path(one.file_name).stem): of_id.get(one.id, ()) for one in read.images}


CARD = Card(
    name="sun-seg",
    title="SUN-SEG",
    find=find_sun_seg,
    layout="TrainDataset/Frame/case1_1/*.jpg and GT/case1_1/*.png, TestEasyDataset/Seen/Frame/...",
    citation=(
        "Ji et al.: Video polyp segmentation: A deep learning perspective. Machine Intelligence "
        "Research 19(6) (2022), 531-549"
    ),
    page="https://github.com/GewelsJI/VPS",
    terms=sun.TERMS,
    modality="colonoscopy, white light",
    organ="colon",
    expected={"videos": 1013, "pictures": 158690},
    splits="official, by folder; Seen is in none, as train has its cases too",
    overlaps={"sun": "the same frames"},
)
