"""Packing videos into tar shards: the same input gives the same bytes, and a shard appears whole.

A shard is plain WebDataset: members ``<key>.<suffix>`` with the video's own bytes and
``<key>.json`` with what a clip list says of it, where the key is the video's number. Names, which
may be long or odd, stay in the JSON.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tarfile import BLOCKSIZE, GNU_FORMAT, RECORDSIZE, TarInfo
from typing import BinaryIO

from endofm.data.clip_list import Video
from endofm.data.packing_folder import PackingFolder
from endofm.data.shard_index import INDEX, PackedVideo, ShardIndex
from endofm.data.video_search import VIDEO_SUFFIXES
from endofm.errors import DataError
from endofm.files import replacing

_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class _Member:
    """A video, and where it is to lie in a shard."""

    video: Video
    """With the path that the store keeps."""
    source: Path
    key: str
    offset: int
    """Of the video's header."""
    size: int

    @property
    def data_offset(self) -> int:
        return self.offset + BLOCKSIZE

    @property
    def json_offset(self) -> int:
        return self.data_offset + _padded(self.size)

    @property
    def end(self) -> int:
        return self.json_offset + BLOCKSIZE + _padded(len(self.json(0)))

    def header(self) -> bytes:
        suffix = self.source.suffix.lower()
        return _header(self.key + (suffix if suffix in VIDEO_SUFFIXES else ".video"), self.size)

    def json_header(self) -> bytes:
        return _header(f"{self.key}.json", len(self.json(0)))

    def json(self, crc32: int) -> bytes:
        """What is known of the video; as long for one checksum as for another."""
        facts = vars(self.video) | {"path": self.video.path.as_posix(), "crc32": f"{crc32:08x}"}
        return json.dumps(facts).encode()


@dataclass(frozen=True)
class _Shard:
    name: str
    members: tuple[_Member, ...]

    @property
    def size(self) -> int:
        end = self.members[-1].end + 2 * BLOCKSIZE
        return end + -end % RECORDSIZE


def pack_videos(
    videos: Sequence[Video],
    to: Path,
    *,
    root: Path,
    shard_bytes: int = 1_000_000_000,
    progress: Callable[[int, int], None] | None = None,
) -> ShardIndex:
    """Copy videos into the shards of a clip store, and write its index last.

    Shards that an interrupted packing has finished are kept.

    Args:
        videos: Video files, in the order that the store keeps.
        to: A new or empty folder, or that of an interrupted packing of the same videos.
        root: Folder that the names kept are relative to.
        shard_bytes: Size of a shard at most.
        progress: Called with (videos done, videos altogether) after each video.

    Raises:
        DataError: A video is a folder of frames, is larger than a shard or changes meanwhile, the
            folder holds something else, or the disk has no room.
    """
    shards = list(_plan(videos, root, shard_bytes=shard_bytes))
    folder = PackingFolder(to)
    plan = [(m.source, m.json(0).decode()) for shard in shards for m in shard.members]
    folder.claim(plan, shard_bytes=shard_bytes)
    missing = [shard for shard in shards if not (to / shard.name).exists()]
    _check_room(to, sum(shard.size for shard in missing))
    packed: list[PackedVideo] = []
    for number, shard in enumerate(shards):
        path = to / shard.name
        checksums = _recall(path, shard) if path.exists() else None
        if checksums is None:
            checksums = _write(path, shard, _Told(progress, len(packed), len(plan)))
        packed += [
            PackedVideo(member.video, number, member.data_offset, member.size, crc32)
            for member, crc32 in zip(shard.members, checksums, strict=True)
        ]
        if progress:
            progress(len(packed), len(plan))
    index = ShardIndex.of([s.name for s in shards], [s.size for s in shards], packed)
    index.write(to / INDEX)
    folder.finish()
    return index


@dataclass(frozen=True)
class _Told:
    """Progress within a shard."""

    progress: Callable[[int, int], None] | None
    done: int
    total: int

    def __call__(self, written: int) -> None:
        if self.progress:
            self.progress(self.done + written, self.total)


def _plan(videos: Sequence[Video], root: Path, *, shard_bytes: int) -> Iterator[_Shard]:
    members: list[_Member] = []
    num_shards = 0
    for number, video in enumerate(videos):
        member = _member(video, root, key=f"{number:09}", offset=members[-1].end if members else 0)
        if members and _Shard("", (member,)).size > shard_bytes:
            yield _Shard(_shard_name(num_shards), tuple(members))
            num_shards += 1
            members, member = [], replace(member, offset=0)
        members.append(member)
        if (size := _Shard("", (member,)).size) > shard_bytes:
            raise DataError(
                f"{video.path}: needs a shard of {size / 1e6:.3g} MB, more than the "
                f"{shard_bytes / 1e6:.3g} MB allowed",
                "cut it into clips, or raise --shard-mb",
            )
    if members:
        yield _Shard(_shard_name(num_shards), tuple(members))


def _shard_name(number: int) -> str:
    return f"shard-{number:06}.tar"


def _member(video: Video, root: Path, *, key: str, offset: int) -> _Member:
    if video.path.is_dir():
        raise DataError(
            f"{video.path}: is a folder of frames, and shards hold video files",
            "make videos of the folders first: endofm data prepare",
        )
    name = video.path.relative_to(root)
    size = video.path.stat().st_size
    return _Member(replace(video, path=name), video.path, key, offset, size)


def _write(path: Path, shard: _Shard, told: _Told) -> list[int]:
    """Write a shard; the checksums of its videos."""
    checksums = []
    with replacing(path) as draft, draft.open("wb") as file:
        for written, member in enumerate(shard.members):
            file.write(member.header())
            crc32 = _copy(member, file)
            file.write(_pad(b"", member.size))
            file.write(member.json_header())
            file.write(_pad(data := member.json(crc32), len(data)))
            checksums.append(crc32)
            told(written)
        file.write(bytes(shard.size - file.tell()))
    return checksums


def _copy(member: _Member, file: BinaryIO) -> int:
    """Copy a video; its checksum."""
    crc32, left = 0, member.size
    with member.source.open("rb") as source:
        while chunk := source.read(_COPY_BYTES):
            left -= len(chunk)
            if left < 0:
                break
            crc32 = zlib.crc32(chunk, crc32)
            file.write(chunk)
    if left:
        raise DataError(
            f"{member.source}: has changed while it was packed", "pack again when nothing writes it"
        )
    return crc32


def _recall(path: Path, shard: _Shard) -> list[int] | None:
    """The checksums in a finished shard; None if it is not the one planned."""
    if path.stat().st_size != shard.size:
        return None
    checksums = []
    with path.open("rb") as file:
        for member in shard.members:
            crc32 = _recalled_checksum(file, member)
            if crc32 is None:
                return None
            checksums.append(crc32)
    return checksums


def _recalled_checksum(file: BinaryIO, member: _Member) -> int | None:
    file.seek(member.offset)
    header = file.read(BLOCKSIZE)
    file.seek(member.json_offset)
    json_header, data = file.read(BLOCKSIZE), file.read(len(member.json(0)))
    try:
        crc32 = int(json.loads(data)["crc32"], 16)
    except (ValueError, KeyError, TypeError):
        return None
    expected = (member.header(), member.json_header(), member.json(crc32))
    return crc32 if (header, json_header, data) == expected else None


def _check_room(to: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(to).free
    if free < num_bytes:
        raise DataError(
            f"{to}: {free / 1e6:,.0f} MB free, but the shards need {num_bytes / 1e6:,.0f} MB",
            "make room, or name a --to on another disk",
        )


def _header(name: str, size: int) -> bytes:
    info = TarInfo(name)
    info.size = size
    return info.tobuf(GNU_FORMAT)


def _pad(data: bytes, size: int) -> bytes:
    """Data, and zeros after ``size`` bytes to the end of the block."""
    return data + bytes(-size % BLOCKSIZE)


def _padded(size: int) -> int:
    return size + -size % BLOCKSIZE
