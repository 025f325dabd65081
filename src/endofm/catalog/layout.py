"""Finding a data set's folders at any nesting, and reading the small lists in them."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from endofm.data.boxed_found import MAX_LIST_BYTES, read_small
from endofm.data.video_search import IMAGE_SUFFIXES, VIDEO_SUFFIXES, natural_key
from endofm.errors import DataError


def folders(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder at or below ``root``, with its subfolders and files in natural order.

    Hidden ones are passed over, and so are links to folders: a set does not reach out of itself.

    Raises:
        DataError: A folder cannot be listed.
    """
    for folder, inside, files in os.walk(root, onerror=_cannot_list):
        inside[:] = sorted(_visible(inside), key=natural_key)
        yield Path(folder), inside, sorted(_visible(files), key=natural_key)


def pictures(folder: Path, files: list[str]) -> list[Path]:
    """The pictures among a folder's files, in the order given."""
    return [folder / name for name in files if Path(name).suffix.lower() in IMAGE_SUFFIXES]


def videos(folder: Path, files: list[str]) -> list[Path]:
    """The video files among a folder's files, in the order given."""
    return [folder / name for name in files if Path(name).suffix.lower() in VIDEO_SUFFIXES]


def named(root: Path, test: Callable[[str], bool]) -> Iterator[Path]:
    """The folders at or below ``root`` whose lower-case name passes a test."""
    for folder, _, _ in folders(root):
        if test(folder.name.casefold()):
            yield folder


def lines_of(path: Path) -> list[str]:
    """The lines of a small text file that are not blank, without their ends.

    Raises:
        DataError: It cannot be read or is absurdly large.
    """
    text = read_small(path, most_bytes=MAX_LIST_BYTES).decode("utf-8-sig", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def table(path: Path) -> list[dict[str, str]]:
    """A table with a header, its columns divided by commas or semicolons; names in lower case.

    Raises:
        DataError: It cannot be read, is absurdly large, or a row has too many cells.
    """
    lines = lines_of(path)
    if not lines:
        return []
    divider = max(",;\t", key=lines[0].count)
    try:
        rows = list(csv.reader(lines, delimiter=divider))
    except csv.Error as error:
        raise DataError(
            f"{path}: is no table ({error})", "copy the file again from its source"
        ) from None
    header = [name.strip().casefold() for name in rows[0]]
    result = []
    for number, cells in enumerate(rows[1:], start=2):
        if len(cells) > len(header):
            raise DataError(
                f"{path} row {number}: has {len(cells)} cells where the header has {len(header)}",
                "copy the file again from its source",
            )
        result.append(dict(zip(header, map(str.strip, cells), strict=False)))
    return result


def _visible(names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith((".", "__MACOSX"))]


def _cannot_list(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be listed ({error.strerror})", "check its access")
