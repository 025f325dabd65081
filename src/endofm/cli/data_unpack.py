"""``endofm data unpack``: downloaded archives to folders, safely."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from endofm.catalog.layout import folders
from endofm.cli.arguments import parse
from endofm.config import Settings
from endofm.data.archives import FOREIGN_SUFFIXES, archive_stem, unpack
from endofm.errors import DataError
from endofm.files import working_alone
from endofm.progress import ProgressBar

MAX_DEPTH = 3
"""Of archives in archives."""
NOT_UNPACKED = 1


class Arguments(Settings):
    """Unpack the zip and tar archives below a folder; those inside them too."""

    origin: Annotated[Path, tyro.conf.Positional]
    """An archive, or a folder of archives; nothing in it is changed."""
    to: Path = Field(...)
    """Where each archive gets a folder. What is there already is kept, so repeat it to go on."""


def main(words: list[str]) -> int:
    """Run the command; 1 if an archive was not unpacked."""
    arguments = parse(Arguments, words, prog="endofm data unpack")
    waiting, foreign = _archives(arguments.origin)
    if not waiting and not foreign:
        raise DataError(f"{arguments.origin}: holds no archive", "name another folder")
    base = arguments.origin if arguments.origin.is_dir() else arguments.origin.parent
    queue = deque((path, arguments.to / path.relative_to(base).parent, 1) for path in waiting)
    too_deep: list[Path] = []
    refused: list[str] = []
    num_files = done = 0
    with (
        working_alone(arguments.to, lock=".unpack.lock"),
        ProgressBar("unpacking", total=len(queue), unit="archives") as bar,
    ):
        while queue:
            path, parent, depth = queue.popleft()
            folder = parent / (archive_stem(path) or path.name)
            done += 1
            bar.set(done, done + len(queue))
            try:
                num_files += unpack(path, folder)
            except DataError as error:
                refused.append(str(error))
                continue
            inner, more = _archives(folder)
            foreign += more
            if depth < MAX_DEPTH:
                queue += [(one, one.parent, depth + 1) for one in inner]
            else:
                too_deep += inner
    for path in foreign:
        print(f"left: {path}: unpack it with a program of its own, such as unar")
    for path in too_deep:
        print(f"left: {path}: lies in {MAX_DEPTH} archives; endofm data unpack {path} goes on")
    for line in refused:
        print(f"not unpacked: {line}")
    print(f"{arguments.to}: {num_files:,} files of {done - len(refused):,} archives")
    return NOT_UNPACKED if refused else 0


def _archives(origin: Path) -> tuple[list[Path], list[Path]]:
    """Those that can be unpacked, and those that cannot."""
    if not origin.exists():
        raise DataError(f"{origin}: no such file or folder", "check the spelling")
    if origin.is_file():
        paths = [origin]
    else:
        paths = [folder / name for folder, _, files in folders(origin) for name in files]
    known = [path for path in paths if archive_stem(path)]
    folder_of: dict[Path, Path] = {}
    for path in known:
        folder = path.with_name(str(archive_stem(path)))
        if (other := folder_of.setdefault(folder, path)) != path:
            raise DataError(
                f"{other} and {path}: would be unpacked to one folder, {folder.name!r}",
                "rename one of them",
            )
    return known, [path for path in paths if path.suffix.casefold() in FOREIGN_SUFFIXES]
