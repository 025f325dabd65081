"""Pictures with a file of boxes each: which belong to one video, and to which split."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from endofm.data.boxed_found import FoundFrame, FoundSequence
from endofm.data.video_search import frame_files, natural_key
from endofm.errors import DataError

SPLIT_FOLDERS = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def split_folders(root: Path) -> dict[str, Path]:
    """The folders of a set that are called like splits.

    Raises:
        DataError: Two are of one split.
    """
    found: dict[str, Path] = {}
    for name, split in SPLIT_FOLDERS.items():
        if (root / name).is_dir() and found.setdefault(split, root / name) != root / name:
            raise DataError(f"{root}: has {found[split].name}/ and {name}/", "keep one")
    return found


def first_folder(root: Path, names: Iterable[str]) -> Path | None:
    """The first of several folders that is there."""
    return next((root / name for name in names if (root / name).is_dir()), None)


def pictures_below(folder: Path) -> list[Path]:
    """All pictures at and below a folder, folder by folder, each in natural order.

    Hidden folders and links to folders are passed over.

    Raises:
        DataError: A folder cannot be listed.
    """
    found: list[Path] = []

    def cannot_list(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be listed ({error.strerror})")

    for current, subfolders, _ in os.walk(folder, onerror=cannot_list):
        subfolders[:] = sorted((s for s in subfolders if not s.startswith(".")), key=natural_key)
        found += frame_files(Path(current))
    return found


def sequences_by_folder(
    pictures: Sequence[Path],
    base: Path,
    *,
    split: str,
    frame: Callable[[Path], FoundFrame | None],
) -> list[FoundSequence]:
    """The pictures of each folder below ``base`` are a video; one in ``base`` itself is alone.

    Args:
        pictures: In order of time within a folder.
        base: Where they are.
        split: Of all of them; if not empty, it stands before their sequences' names.
        frame: What is known of a picture; nothing if its boxes cannot be told.
    """
    videos: dict[str, list[FoundFrame]] = {}
    for picture in pictures:
        known = frame(picture)
        if known is None:
            continue
        folder = picture.parent.relative_to(base)
        name = picture.name if folder == Path() else folder.as_posix()
        videos.setdefault(f"{split}/{name}" if split else name, []).append(known)
    return [FoundSequence(name, tuple(frames), split) for name, frames in videos.items()]


def notes_on(num_alone: int, num_bare: int) -> tuple[str, ...]:
    """What must be told of pictures without a video, and of those without a file of boxes."""
    notes = []
    if num_alone:
        notes.append(
            f"{num_alone} pictures lie in no folder of a video: each is a sequence of its own, and "
            "those of one patient may be divided between splits"
        )
    if num_bare:
        have = "picture has" if num_bare == 1 else "pictures have"
        notes.append(f"{num_bare} {have} no file of boxes: counted as lesion-free")
    return tuple(notes)
