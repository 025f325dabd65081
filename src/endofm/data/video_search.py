"""Finding videos below a folder, in the order in which people number files."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from endofm.errors import DataError

VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"}
)
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key by which frame 2 comes before frame 10, whatever the case of letters."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if part.isdecimal() else part for part in parts], name


def find_videos(root: Path | str) -> list[Path]:
    """Video files and folders of frames at and below a path, in natural order.

    A folder that itself holds two or more pictures is one folder of frames. Hidden files and
    folders are passed over; links are followed, each folder being visited once.

    Args:
        root: A folder, or one video file.

    Raises:
        DataError: The path does not exist, or a folder cannot be listed.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(f"{root} does not exist", hint="check the name")
    if root.is_file():
        return [root] if root.suffix.lower() in VIDEO_SUFFIXES else []
    return sorted(_videos_below(root), key=lambda path: [natural_key(part) for part in path.parts])


def frame_files(folder: Path) -> list[Path]:
    """The pictures that a folder itself holds, in natural order.

    Raises:
        OSError: The folder cannot be listed.
    """
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not is_folder(entry)]
    return [folder / name for name in sorted(_visible(names, IMAGE_SUFFIXES), key=natural_key)]


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link that leads in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _videos_below(root: Path) -> Iterator[Path]:
    visited: set[tuple[int, int]] = set()
    for folder, subfolders, names in os.walk(root, onerror=_cannot_list, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in visited:  # reached by a link before
            subfolders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        # The order decides by which of several ways a folder is named.
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        if len(_visible(names, IMAGE_SUFFIXES)) >= 2:
            yield Path(folder)
        for name in _visible(names, VIDEO_SUFFIXES):
            yield Path(folder, name)


def _visible(names: list[str], suffixes: frozenset[str]) -> list[str]:
    return [
        name for name in names if not name.startswith(".") and Path(name).suffix.lower() in suffixes
    ]


def _cannot_list(error: OSError) -> None:
    raise DataError(
        f"{error.filename} cannot be listed: {error.strerror}", hint="check its permissions"
    ) from error
