"""Unpacking archives that strangers made: nothing leaves the folder or grows without bound."""

from __future__ import annotations

import errno
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from endofm.data.tar_headers import TAR_ERRORS, StrictTarInfo
from endofm.errors import DataError
from endofm.files import replacing

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
FOREIGN_SUFFIXES = (".rar", ".7z", ".zst")
"""Kinds that need a program of their own."""

MOST_GROWTH = 100
"""Times its own size that an archive may hold; pictures and videos hardly shrink."""
FREE_GROWTH_BYTES = 1 << 30
"""What any archive may hold."""
UNPACKED = ".unpacked"
"""An empty file in each folder that an archive was unpacked to."""
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
        if name.endswith(suffix) and name.removesuffix(suffix).strip("."):  # not "..", a folder
            return path.name[: -len(suffix)]
    return None


def unpack(archive: Path, folder: Path) -> int:
    """Unpack to a folder that appears when all of it is there; how many files were written.

    A folder that an earlier call finished stays as it is.

    Raises:
        DataError: It is damaged, encrypted, or holds a link, a device, a name that leads out of
            the folder, two names that are one file on some systems, or absurdly much; or the
            folder is there and comes from elsewhere.
        OSError: The files cannot be written, for example because the disk is full.
    """
    if not archive.is_file():
        raise DataError(f"{archive}: is not a regular file", "leave it out, or mend the link")
    if folder.exists():
        if (folder / UNPACKED).is_file():
            return 0
        raise DataError(
            f"{archive}: is to be unpacked to {folder}, which is there already",
            "rename the archive or that folder",
        )
    names: dict[str, str] = {}
    most_bytes = MOST_GROWTH * archive.stat().st_size + FREE_GROWTH_BYTES
    with replacing(folder) as draft, _damage(archive):
        draft.mkdir()
        for member in _members(archive, most_bytes=most_bytes):
            path = _inside(archive, member.name)
            other = names.setdefault(str(path).casefold(), member.name)
            if other != member.name or _is_taken(draft, path):
                raise DataError(
                    f"{archive}: holds {other!r} and {member.name!r}, which are one file on some "
                    "systems",
                    "unpack it by hand and rename one of them",
                )
            most_bytes -= _copy(archive, member, draft / path, most_bytes=most_bytes)
        (draft / UNPACKED).touch()
    return len(names)


def _is_taken(draft: Path, path: Path) -> bool:
    """Whether a file is to lie where something is, or below what is a file."""
    parents = (draft / parent for parent in path.parents)
    return (draft / path).exists() or any(parent.is_file() for parent in parents)


def _members(archive: Path, *, most_bytes: int) -> Iterator[_Member]:
    if archive.suffix.casefold() == ".zip":
        yield from _of_zip(archive)
    else:
        yield from _of_tar(archive, most_bytes=most_bytes)


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


def _of_tar(archive: Path, *, most_bytes: int) -> Iterator[_Member]:
    with tarfile.open(archive, tarinfo=StrictTarInfo) as file:
        for info in file:
            if info.isdir():
                continue
            if not info.isreg():
                raise _strange(archive, info.name)
            stream = file.extractfile(info)
            assert stream is not None, "a regular file has contents"
            yield _Member(info.name, info.size, lambda stream=stream: stream)  # type: ignore[misc]  # the one of now
        _read_to_end(archive, file, most_bytes=most_bytes)


def _read_to_end(archive: Path, file: tarfile.TarFile, *, most_bytes: int) -> None:
    """Read what follows the end mark: compressed files have their checksum there."""
    assert file.fileobj is not None, "it is open"
    while chunk := file.fileobj.read(_CHUNK_BYTES):
        most_bytes -= len(chunk)
        if most_bytes < 0:
            raise _bomb(archive)


def _strange(archive: Path, name: str) -> DataError:
    return DataError(
        f"{archive}: {name!r} is a link or a device, not a file",
        "do not unpack it, or do so by hand once you know what it is",
    )


def _bomb(archive: Path) -> DataError:
    return DataError(
        f"{archive}: holds more than {MOST_GROWTH} times its own size",
        "if you trust it, unpack it by hand",
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
        raise _bomb(archive)
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
        *TAR_ERRORS,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        EOFError,
        MemoryError,
        NotImplementedError,
        OSError,
    ) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            raise DataError(
                f"{archive}: holds a name that is too long for this disk", "unpack it by hand"
            ) from None
        # gzip and bz2 raise an OSError without a number; a wrong offset leads before the file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        told = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{archive}: is damaged or cut short ({told})", "copy it again from its source"
        ) from None
