import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from endofm.data import storage
from endofm.data.storage import StoredBytes, file_sizes, join, local_copy, read_range
from endofm.errors import DataError
from tests.data.clip_stores import served

DATA = bytes(range(256))


@pytest.fixture(params=["disk", "memory", "http"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A folder with the file ``a.bin``, near or far."""
    (folder := tmp_path / "odd #1 ::name").mkdir()
    (folder / "a.bin").write_bytes(DATA)
    if request.param == "disk":
        yield str(folder)
    elif request.param == "memory":
        files = fsspec.filesystem("memory")
        files.pipe_file(f"{tmp_path}/a.bin", DATA)
        yield f"memory:/{tmp_path}"
        files.rm(str(tmp_path), recursive=True)
    else:
        pytest.importorskip("aiohttp", reason="pip install 'endofm[remote]'")
        with served(folder) as url:
            yield url


def test_parts_sizes_and_copies(address: str) -> None:
    name = join(address, "a.bin")
    assert read_range(name, 3, 7) == DATA[3:10]
    assert read_range(name, 0, 256) == DATA
    assert read_range(name, 9, 0) == b""
    assert file_sizes([name, name]) == [256, 256]
    with local_copy(name) as path:
        assert path.read_bytes() == DATA


def test_what_is_missing_or_short_is_one_line(address: str) -> None:
    missing = join(address, "b.bin")
    for read in (
        lambda: read_range(missing, 0, 1),
        lambda: file_sizes([missing]),
        lambda: local_copy(missing).__enter__(),
    ):
        with pytest.raises(DataError) as caught:
            read()
        assert str(caught.value).startswith(f"{missing}: is missing; ")
    with pytest.raises(DataError, match="gave 6 bytes where 9 at 250 were asked for"):
        read_range(join(address, "a.bin"), 250, 9)


def test_stored_bytes_are_those_that_were_packed(address: str) -> None:
    name = join(address, "a.bin")
    stored = StoredBytes(name, 5, 20, zlib.crc32(DATA[5:25]))
    assert stored.read() == DATA[5:25]
    with pytest.raises(DataError, match="the 20 bytes at 6 are not those that were packed"):
        StoredBytes(name, 6, 20, stored.crc32).read()


def test_a_server_without_ranges_is_told_of(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="pip install 'endofm[remote]'")
    (tmp_path / "a.bin").write_bytes(DATA)
    with (
        served(tmp_path, ranges=False) as url,
        pytest.raises(DataError, match="gave 256 bytes where 7 at 3 were asked for; a server must"),
    ):
        read_range(f"{url}/a.bin", 3, 7)


class Busy:
    """A store far away that fails some times before it answers."""

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = failures
        self.num_asked = 0

    def cat_file(self, path: str, *, start: int, end: int) -> bytes:
        self.num_asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return DATA[start:end]


def use(monkeypatch: pytest.MonkeyPatch, failures: list[Exception]) -> Busy:
    files = Busy(failures)
    monkeypatch.setattr(storage, "RETRY_AFTER_S", (0.0, 0.0))
    monkeypatch.setattr(fsspec, "url_to_fs", lambda address, **_: (files, address))
    return files


def test_reading_from_afar_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    files = use(monkeypatch, [TimeoutError(), ConnectionResetError("reset")])
    assert read_range("s3://bucket/a.bin", 1, 2) == DATA[1:3]
    assert files.num_asked == 3


@pytest.mark.parametrize(
    ("failures", "num_asked", "message"),
    [
        ([ValueError("odd\nanswer")] * 9, 3, "s3://b/a: cannot be read (odd answer); check"),
        ([TimeoutError()] * 9, 3, "s3://b/a: cannot be read (TimeoutError); check"),
        ([FileNotFoundError()] * 9, 1, "s3://b/a: is missing; check"),
        ([PermissionError("Forbidden")] * 9, 1, "s3://b/a: cannot be read (Forbidden); check"),
        ([ImportError("no s3fs")], 1, "s3://b/a: reading from there needs a package (no s3fs); "),
    ],
)
def test_what_stays_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, failures: list[Any], num_asked: int, message: str
) -> None:
    files = use(monkeypatch, failures)
    with pytest.raises(DataError) as caught:
        read_range("s3://b/a", 1, 2)
    assert str(caught.value).startswith(message)
    assert files.num_asked == num_asked


def test_an_unknown_kind_of_address_is_one_line() -> None:
    with pytest.raises(DataError, match=r"^'?gopher://x/a: cannot be read"):
        file_sizes(["gopher://x/a"])
