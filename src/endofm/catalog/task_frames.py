"""The frames of a set that have masks or boxes, in the layouts that fine-tuning reads."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.catalog.card import Found, Source
from endofm.data.frame_scaler import PixelBox
from endofm.data.images import read_image
from endofm.data.masks import read_mask
from endofm.data.segmented_search import SEQUENCE_LIST
from endofm.errors import DataError
from endofm.files import replacing, write_table, write_text

FRAMES = "frames"
MASKS = "masks"
BOXES = "boxes.json"
_LESION, _OTHER = np.uint8(255), np.uint8(0)
_MOST_BYTES = 180
"""Of a name; file systems take 255, and what is being written has a longer one."""
_KEPT = frozenset({".jpg", ".jpeg", ".png"})
"""Files that every reader takes: copied, not written anew."""


def sequence_name(name: str) -> str:
    """What the folder of a source's frames is called: sequences lie side by side."""
    flat = name.replace("/", "+")  # which no safe name holds
    if len(flat.encode()) <= _MOST_BYTES:
        return flat
    cut = flat.encode()[:_MOST_BYTES].decode(errors="ignore")
    return f"{cut}-{hashlib.sha256(flat.encode()).hexdigest()[:8]}"


def takes_part(source: Source, found: Found) -> bool:
    """Whether a source's frames are for fine-tuning.

    Where splits are named, a source of none would be mixed with them, and is left out.
    """
    some_split = any(one.split for one in found.sources)
    return bool(source.masks or source.boxes) and (bool(source.split) or not some_split)


def write_task_frames(
    source: Source, root: Path, name: str, *, black_boxes: Sequence[PixelBox] = ()
) -> str:
    """Write a source's frames, and its masks, those without either left out.

    Args:
        source: The frames.
        root: Of the prepared set.
        name: Of the source there.
        black_boxes: What to blacken in each frame.

    Returns:
        Why some are missing: the first that cannot be used, and how many; empty if all are there.
    """
    lost: list[str] = []
    folder = sequence_name(name)
    with ExitStack() as stack:
        frames = stack.enter_context(replacing(root / FRAMES / folder))
        frames.mkdir()
        masks = frames
        if source.masks:  # a folder without any is taken for a mistake
            masks = stack.enter_context(replacing(root / MASKS / folder))
            masks.mkdir()
        for number, picture in _known(source):
            path = frames / _file_name(number, picture, is_changed=bool(black_boxes))
            try:
                _write_frame(picture, path, black_boxes)
                if mask := source.masks and source.masks[number]:
                    _write_png(
                        masks / f"{number:06d}.png", np.where(read_mask(mask), _LESION, _OTHER)
                    )
            except DataError as error:
                lost.append(str(error))
                path.unlink(missing_ok=True)
    return f"{lost[0]} ({len(lost)} frames in all)" if lost else ""


def write_task_lists(found: Found, names: Sequence[str], root: Path) -> list[str]:
    """Write ``sequences.csv`` and ``boxes.json`` where there is something to list; their names."""
    pairs = zip(map(sequence_name, names), found.sources, strict=True)
    listed = [(name, one) for name, one in pairs if takes_part(one, found)]
    written = []
    if masked := [(name, one) for name, one in listed if one.masks]:
        rows = [(name, one.split, one.group) for name, one in masked]
        write_table(root / SEQUENCE_LIST, [("sequence", "split", "group"), *rows])
        written.append(SEQUENCE_LIST)
    if boxed := [(name, one) for name, one in listed if one.boxes]:
        write_text(root / BOXES, json.dumps(_coco(boxed, found.classes, root)))
        written.append(BOXES)
    return written


def _known(source: Source) -> Iterable[tuple[int, Path]]:
    for number, picture in enumerate(source.files):
        has_mask = bool(source.masks) and source.masks[number] is not None
        has_boxes = bool(source.boxes) and source.boxes[number] is not None
        # A reader of masks takes a frame without one for a mistake.
        if has_mask if source.masks else has_boxes:
            yield number, picture


def _file_name(number: int, picture: Path, *, is_changed: bool) -> str:
    suffix = picture.suffix.lower()
    return f"{number:06d}{suffix if suffix in _KEPT and not is_changed else '.png'}"


def _write_frame(picture: Path, path: Path, black_boxes: Sequence[PixelBox]) -> None:
    rgb = read_image(picture)  # which also finds what is damaged
    for x1, y1, x2, y2 in black_boxes:
        rgb[y1:y2, x1:x2] = 0
    if not black_boxes and path.suffix == picture.suffix.lower():
        shutil.copyfile(picture, path)
    else:
        _write_png(path, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def _write_png(path: Path, picture: NDArray[Any]) -> None:
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def _coco(
    boxed: Sequence[tuple[str, Source]], classes: Sequence[str], root: Path
) -> dict[str, object]:
    category = {name: number for number, name in enumerate(classes, start=1)}
    videos: list[dict[str, object]] = []
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for video_id, (name, source) in enumerate(boxed, start=1):
        videos.append(
            {
                "id": video_id,
                "name": name,
                "split": source.split,
                "group": source.group,
                "fps": source.picture_fps,
            }
        )
        for number, picture in _known(source):
            written = (
                f"{FRAMES}/{name}/{_file_name(number, picture, is_changed=is_changed)}"
                for is_changed in (False, True)
            )
            file_name = next((one for one in written if (root / one).is_file()), None)
            if file_name is None:  # could not be read
                continue
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": file_name,
                    "video_id": video_id,
                    "frame_index": number,
                }
            )
            for box in source.boxes[number] or ():
                x1, y1, x2, y2 = box.xyxy
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": len(images),
                        "category_id": category[box.name],
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": (x2 - x1) * (y2 - y1),
                        "iscrowd": 0,
                    }
                )
    categories = [{"id": number, "name": name} for name, number in category.items()]
    return {
        "categories": categories,
        "videos": videos,
        "images": images,
        "annotations": annotations,
    }
