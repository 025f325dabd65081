"""Writing files so that a kill at any instant leaves the old one or the new one, never half."""

import csv
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from endofm.errors import DataError

_DRAFT = re.compile(r"\..*\.\d+\.part(\..*)?", re.DOTALL)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; what is written there takes its place at the end.

    Works for a file and for a folder. If the body fails, nothing is left behind and an older
    ``path`` stays as it was. The temporary name keeps the suffix, which writers go by.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    _remove(draft)
    try:
        yield draft
        _give_usual_mode(draft)
        _flush_to_disk(draft)
        if draft.is_dir() and path.exists():
            _remove(path)  # a folder cannot be replaced in one step
        draft.replace(path)
    except BaseException as error:
        _remove(draft)
        if isinstance(error, OSError):
            name_file(error, path)
        raise


def draft_of(path: Path) -> Path:
    """Where this process writes what becomes ``path``."""
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")


@contextmanager
def working_alone(folder: Path, *, lock: str) -> Iterator[None]:
    """Keep other processes from a folder; drafts that a killed one left in it are removed.

    Args:
        folder: Where this process alone is to write.
        lock: Name of a file there.

    Raises:
        DataError: Another process is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = FileLock(folder / lock, blocking=False)
    try:
        held.acquire()
    except Timeout:
        raise DataError(
            f"{folder}: another process is at work there", "wait for it, or write elsewhere"
        ) from None
    try:
        _remove_drafts(folder)
        yield
    finally:
        held.release()
        (folder / lock).unlink(missing_ok=True)


def _remove_drafts(root: Path) -> None:
    for folder, inside, names in os.walk(root):
        for name in filter(_DRAFT.fullmatch, [*inside, *names]):
            _remove(Path(folder, name))
        inside[:] = [name for name in inside if not _DRAFT.fullmatch(name)]


def append_text(path: Path, text: str) -> None:
    """Append ``text`` as UTF-8; a kill or a full disk may leave its beginning."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        name_file(error, path)
        raise


def name_file(error: OSError, path: Path) -> None:
    """Say which file an error is about, where the system did not: a full disk shows in writes."""
    if error.errno is not None and error.filename is None:
        error.filename = str(path)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 in one step; odd file names in it stay as they are."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write rows, the header first, as CSV in one step; odd file names stay as they are."""
    with (
        replacing(path) as draft,
        draft.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        csv.writer(file).writerows(rows)


def _give_usual_mode(path: Path) -> None:
    """Let others read what they may usually read: safetensors writes for its owner alone."""
    probe = path.with_name(f"{path.name}.mode")
    probe.touch()
    mode = stat.S_IMODE(probe.stat().st_mode)
    probe.unlink()
    for part in _files_of(path):
        part.chmod(mode)


def _files_of(path: Path) -> Iterator[Path]:
    inside = [path, *path.rglob("*")] if path.is_dir() else [path]
    yield from (part for part in inside if part.is_file() and not part.is_symlink())


def _flush_to_disk(path: Path) -> None:
    for part in [path, *path.rglob("*")] if path.is_dir() else [path]:
        descriptor = os.open(part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
