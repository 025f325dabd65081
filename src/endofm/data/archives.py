"""Unpacking archives that strangers made: nothing leaves the folder or grows without bound."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from endofm.errors import DataError
from endofm.files import replacing

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
FOREIGN_SUFFIXES = (".rar", ".7z")
"""Kinds that need a program of their own."""

MOST_GROWTH = 100
"""Times its own size that an archive may hold; pictures and videos hardly shrink."""
FREE_GROWTH_BYTES = 1 << 30
"""What any archive may hold."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class _Member:
    name: str
    num_bytes: int
    open: Callable[[], IO[bytes]]


def archive_stem(path: Path) -> str | None:
    """What an archive's folder is called: its name without the suffix; None of another file."""
    name = path.name.casefold()
    for suffix in sorted((".zip", *TAR_SUFFIXES), key=len, reverse=True):
        if name.endswith(suffix) and len(name) > len(suffix):
            return path.name[: -len(suffix)]
    return None


def unpack(archive: Path, folder: Path) -> int:
    """Unpack to a folder that appears when all of it is there; how many files it holds.

    Raises:
        DataError: It is damaged, encrypted, or holds a link, a device, a name that leads out of
            the folder, two names that differ by case alone, or absurdly much.
        OSError: The files cannot be written, for example because the disk is full.
    """
    names: dict[str, str] = {}
    most_bytes = MOST_GROWTH * archive.stat().st_size + FREE_GROWTH_BYTES
    with replacing(folder) as draft, _damage(archive):
        draft.mkdir()
        for member in _members(archive):
            path = _inside(archive, member.name)
            other = names.setdefault(str(path).casefold(), member.name)
            if other != member.name or (draft / path).exists():
                raise DataError(
                    f"{archive}: holds {other!r} and {member.name!r}, which are one file on some "
                    "systems",
                    "unpack it by hand and rename one of them",
                )
            most_bytes -= _copy(archive, member, draft / path, most_bytes=most_bytes)
    return len(names)


def _members(archive: Path) -> Iterator[_Member]:
    if archive.suffix.casefold() == ".zip":
        yield from _of_zip(archive)
    else:
        yield from _of_tar(archive)


def _of_zip(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if info.flag_bits & 1:
                raise DataError(
                    f"{archive}: needs a password",
                    f"unpack it by hand: 7z x -p'PASSWORD' {archive}",
                )
            kind = info.external_attr >> 28  # of Unix, 0 where there is none
            if info.is_dir() or kind == 0o4:
                continue
            if kind not in (0, 0o10):
                raise _strange(archive, info.filename)
            yield _Member(info.filename, info.file_size, lambda info=info: file.open(info))  # type: ignore[misc]  # the one of now


def _of_tar(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive) as file:
        for info in file:
            if info.isdir():
                continue
            if not info.isreg():
                raise _strange(archive, info.name)
            stream = file.extractfile(info)
            assert stream is not None, "a regular file has contents"
            yield _Member(info.name, info.size, lambda stream=stream: stream)  # type: ignore[misc]  # the one of now


def _strange(archive: Path, name: str) -> DataError:
    return DataError(
        f"{archive}: {name!r} is a link or a device, not a file",
        "do not unpack it, or do so by hand once you know what it is",
    )


def _inside(archive: Path, name: str) -> Path:
    """A member's place below the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = [part for part in path.parts if part != "."]
    if path.is_absolute() or not parts or ".." in parts or ":" in parts[0] or "\0" in name:
        raise DataError(
            f"{archive}: {name!r} leads out of the folder", "do not unpack it: it is no data set"
        )
    return Path(*parts)


def _copy(archive: Path, member: _Member, path: Path, *, most_bytes: int) -> int:
    """Write a member; how many bytes, whatever its header says."""
    if member.num_bytes > most_bytes:
        raise DataError(
            f"{archive}: holds more than {MOST_GROWTH} times its own size",
            "if you trust it, unpack it by hand",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with member.open() as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > member.num_bytes:
                raise DataError(
                    f"{archive}: {member.name!r} is larger than it says", "copy the archive again"
                )
            target.write(chunk)
    return written


@contextmanager
def _damage(archive: Path) -> Iterator[None]:
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        UnicodeError,
    ) as error:
        raise DataError(
            f"{archive}: is damaged or cut short ({error})", "copy it again from its source"
        ) from None
