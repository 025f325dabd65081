"""Bytes of files on disk or far away, through fsspec: sizes, whole files, parts of them."""

from __future__ import annotations

import os
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from endofm.errors import DataError

RETRY_AFTER_S = (0.5, 2.0, 8.0)
"""Pauses between attempts to read from afar: a run of days meets a server that is busy."""

# A server that says nothing for this long is taken for dead; a long answer may take longer.
_SILENCE_S = 60

_NO_RETRY = (FileNotFoundError, PermissionError, ImportError)


@dataclass(frozen=True)
class StoredBytes:
    """Where the bytes of one file lie within a larger one."""

    address: str
    """Path or URL of the larger file."""
    offset: int
    size: int
    crc32: int

    def read(self) -> bytes:
        """The bytes, by one ranged read.

        Raises:
            DataError: They cannot be read, or are not those that were written.
        """
        data = read_range(self.address, self.offset, self.size)
        if zlib.crc32(data) != self.crc32:
            raise DataError(
                f"{self.address}: the {self.size} bytes at {self.offset} are not those that were "
                "packed",
                "copy the shard again from its source, or pack it anew",
            )
        return data


def is_url(address: str) -> bool:
    """Whether an address is a URL rather than a path."""
    return "://" in address


def join(address: str, name: str) -> str:
    """The address of a file in a folder."""
    return f"{address.rstrip('/')}/{name}" if is_url(address) else str(Path(address) / name)


def read_range(address: str, offset: int, size: int) -> bytes:
    """Part of a file; reading from afar is tried several times.

    Raises:
        DataError: The file cannot be read, or gives another number of bytes.
    """
    with _telling(address):
        data = _read_patiently(address, offset, size)
    if len(data) != size:
        raise DataError(
            f"{address}: gave {len(data)} bytes where {size} at {offset} were asked for",
            "a server must support range requests; a file may be cut short: copy it again",
        )
    return data


def file_sizes(addresses: Sequence[str]) -> list[int]:
    """Bytes of each of some files of one folder; those far away are asked for at once.

    Raises:
        DataError: A file is missing or cannot be read; the message names the first.
    """
    if not addresses:
        return []
    if not is_url(addresses[0]):
        return [_local_size(address) for address in addresses]
    with _telling(addresses[0]):
        files, _ = _locate(addresses[0])
        return [int(size or 0) for size in files.sizes(list(addresses))]


@contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """A file on disk: itself, or a copy for as long as the context lasts.

    Raises:
        DataError: The file is missing or cannot be read.
    """
    if not is_url(address):
        _local_size(address)
        yield Path(address)
        return
    with tempfile.TemporaryDirectory(prefix="endofm-") as folder:
        copy = Path(folder) / "copy"
        with _telling(address):
            files, path = _locate(address)
            files.get_file(path, str(copy))
        yield copy


def _local_size(address: str) -> int:
    with _telling(address):
        return Path(address).stat().st_size


def _read_patiently(address: str, offset: int, size: int) -> bytes:
    for pause_s in RETRY_AFTER_S if is_url(address) else ():
        try:
            return _read(address, offset, size)
        except Exception as error:
            if isinstance(error, _NO_RETRY):
                raise
            time.sleep(pause_s)
    return _read(address, offset, size)


def _read(address: str, offset: int, size: int) -> bytes:
    files, path = _locate(address)
    return files.cat_file(path, start=offset, end=offset + size) if size else b""


def _locate(address: str) -> tuple[Any, str]:
    """The file system of an address, made or recalled by fsspec, and the path in it.

    Asked for at each use: what fsspec recalls is right for this process, also after a fork.
    """
    if not is_url(address):
        return fsspec.filesystem("file"), os.path.abspath(address)  # noqa: PTH100  keeps links
    options: dict[str, Any] = {}
    if address.startswith(("http://", "https://")):
        import aiohttp  # noqa: PLC0415  an extra

        silence = aiohttp.ClientTimeout(total=None, sock_connect=_SILENCE_S, sock_read=_SILENCE_S)
        options["client_kwargs"] = {"timeout": silence}
    files, path = fsspec.url_to_fs(address, **options)
    return files, path


@contextmanager
def _telling(address: str) -> Iterator[None]:
    """Whatever goes wrong inside is an error of one line about the address."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{address}: is missing", "check the address; copy it again") from None
    except ImportError as error:
        raise DataError(
            f"{address}: reading from there needs a package ({error})",
            "pip install 'endofm[remote]'",
        ) from None
    except Exception as error:
        # Each kind of storage has errors of its own, whose packages may not be installed.
        told = str(error) or type(error).__name__
        raise DataError(
            f"{address}: cannot be read ({told})", "check the address and your permissions"
        ) from error
