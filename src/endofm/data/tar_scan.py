"""Indexing the tar shards of others: every video is found and opened; nothing is unpacked."""

from __future__ import annotations

import json
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from endofm.data.clip_list import TEXT_COLUMNS, Video
from endofm.data.manifests import Skipped
from endofm.data.shard_index import PackedVideo, ShardIndex, is_shard_name
from endofm.data.tar_headers import TAR_ERRORS, StrictTarInfo
from endofm.data.video_reader import VideoReader
from endofm.data.video_search import VIDEO_SUFFIXES, natural_key
from endofm.errors import DataError, VideoError

_MAX_JSON_BYTES = 1 << 20


@dataclass(frozen=True)
class IndexedShards:
    """The index of some shards, and the videos in them that cannot be used."""

    index: ShardIndex
    skipped: tuple[Skipped, ...]


def index_shards(
    folder: Path, *, progress: Callable[[int, int], None] | None = None
) -> IndexedShards:
    """Index the ``.tar`` files of a folder, in natural order; all of each is read.

    A member with a video's suffix is a video. ``label``, ``split`` and ``group`` are taken from the
    ``.json`` of the same key where they are text or whole numbers; the rest from the video itself.

    Args:
        folder: Where the shards are.
        progress: Called with (shards done, shards altogether) after each shard.

    Raises:
        DataError: There is no shard or no usable video, or a shard is damaged, holds what a
            shard of videos has no need for, such as links, or two files of one name.
    """
    paths = sorted(folder.glob("*.tar"), key=lambda path: natural_key(path.name))
    if not paths:
        raise DataError(f"{folder}: holds no shard (.tar)", "name another folder")
    packed: list[PackedVideo] = []
    skipped: list[Skipped] = []
    for number, path in enumerate(paths):
        if not is_shard_name(path.name):
            raise DataError(
                f"{path}: has a name that an address cannot hold",
                "use letters without accents, digits, '-', '_' and '.' alone",
            )
        for item in _videos_of(path, number):
            if isinstance(item, Skipped):
                skipped.append(item)
            else:
                packed.append(item)
        if progress:
            progress(number + 1, len(paths))
    if not packed:
        told = f"; the first: {skipped[0].reason}" if skipped else ""
        raise DataError(f"{folder}: its shards hold no usable video{told}")
    sizes = [path.stat().st_size for path in paths]
    index = ShardIndex.of([path.name for path in paths], sizes, packed)
    return IndexedShards(index, tuple(skipped))


def _videos_of(path: Path, shard: int) -> Iterator[PackedVideo | Skipped]:
    members = _members(path)
    by_name = {member.name: member for member in members}
    with path.open("rb") as file:

        def read(member: tarfile.TarInfo) -> bytes:
            file.seek(member.offset_data)
            return file.read(member.size)

        for member in members:
            name = PurePosixPath(member.name)
            if name.suffix.lower() not in VIDEO_SUFFIXES:
                continue
            about = by_name.get(f"{_key(name)}.json")
            data = read(member)
            try:
                facts = _facts(about, read) if about else {}
                video = _check(Path(name), data, facts)
            except VideoError as error:
                yield Skipped(path / name, f"{path}: {error}")
                continue
            yield PackedVideo(video, shard, member.offset_data, member.size, zlib.crc32(data))


def _members(path: Path) -> Sequence[tarfile.TarInfo]:
    """The files in a shard, whose place and size are sound."""
    if not path.is_file():
        raise DataError(f"{path}: is not a regular file", "remove it, or mend the link")
    num_bytes = path.stat().st_size
    members = []
    try:
        with tarfile.open(path, "r:", tarinfo=StrictTarInfo) as shard:
            for member in shard:
                if not member.isdir():
                    _check_member(path, member, num_bytes=num_bytes)
                    members.append(member)
    except (*TAR_ERRORS, OSError) as error:
        raise DataError(
            f"{path}: cannot be read as an uncompressed tar file ({error})",
            "copy it again from its source, or decompress it",
        ) from None
    times = Counter(member.name for member in members)
    if twice := next((name for name, num in times.items() if num > 1), None):
        raise DataError(f"{path}: holds {twice!r} twice", "pack the shard anew, each name once")
    return members


def _check_member(path: Path, member: tarfile.TarInfo, *, num_bytes: int) -> None:
    if not member.isfile() or member.issparse():
        raise DataError(
            f"{path}: {member.name!r} is a link or a special file", "pack plain files alone"
        )
    if member.name.startswith("/") or ".." in PurePosixPath(member.name).parts:
        raise DataError(
            f"{path}: {member.name!r} leads out of the shard", "pack with relative names"
        )
    if not 0 <= member.size <= num_bytes - member.offset_data:
        raise DataError(
            f"{path}: is cut short: {member.name!r} claims {member.size} bytes",
            "copy it again from its source",
        )


def _key(name: PurePosixPath) -> str:
    """What the members about one sample share: all up to the first dot of the file's name."""
    return str(name.with_name(name.name.split(".")[0])) if name.name.split(".")[0] else str(name)


def _facts(about: tarfile.TarInfo, read: Callable[[tarfile.TarInfo], bytes]) -> dict[str, str]:
    """Label, split and group in the file about a video."""
    if about.size > _MAX_JSON_BYTES:
        return {}
    try:
        facts = json.loads(read(about))
    except (ValueError, RecursionError):
        raise VideoError(f"{about.name} is not JSON", hint="mend it in its source") from None
    known = facts if isinstance(facts, dict) else {}
    found = ((name, known.get(name)) for name in TEXT_COLUMNS)
    return {
        name: _writable(str(value))
        for name, value in found
        if isinstance(value, str | int) and not isinstance(value, bool)
    }


def _writable(text: str) -> str:
    """The text, without the halves of characters that JSON can write and no file can hold."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _check(path: Path, data: bytes, facts: dict[str, str]) -> Video:
    """What a video is, after the check that a file gets too."""
    with VideoReader(path, data=data) as reader:
        info = reader.info
        reader.frames([info.num_frames - 1])  # the first was read on opening
    label, split, group = (facts.get(name, "") for name in TEXT_COLUMNS)
    return Video(path, info.num_frames, info.fps, info.height, info.width, label, split, group)
