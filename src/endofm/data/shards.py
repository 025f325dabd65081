"""Clip stores: videos in tar shards (WebDataset), read by clip number from disk, HTTP or S3.

The index says where each video's bytes are, so a clip is one ranged read and the sampler's order,
resuming and sharing among processes are the same as for single files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from endofm.data.manifests import Clip, Skipped, split_into_clips
from endofm.data.shard_index import INDEX, ShardIndex, blocks, read_index
from endofm.data.storage import file_sizes, is_url, join, local_copy, read_range
from endofm.data.video_info import SLOW
from endofm.errors import DataError


@dataclass(frozen=True)
class ClipStore:
    """An open clip store."""

    address: str
    """Folder or URL."""
    index: ShardIndex
    sha256: str
    """Of the index file: two stores that share it hold the same."""


def is_store(address: str) -> bool:
    """Whether an address is that of a clip store: a URL, or a folder with an index.

    Raises:
        DataError: A folder holds shards without an index.
    """
    if is_url(address) or (Path(address) / INDEX).is_file():
        return True
    if Path(address).is_dir() and any(Path(address).glob("*.tar")):
        raise DataError(
            f"{address}: holds shards but no {INDEX}",
            f"if packing was interrupted, go on with the same command; index the shards of others "
            f"with: endofm data index {address}",
        )
    return False


def open_store(address: str, *, check_shards: bool = True) -> ClipStore:
    """Read the index of a store and hold it against the shards.

    Args:
        address: Folder, or URL of any kind that fsspec knows (``https://``, ``s3://``).
        check_shards: Look whether all shards are there in full, and can be read in part.

    Raises:
        DataError: The store or a shard is missing, damaged or cut short.
    """
    index_address = join(address, INDEX)
    with local_copy(index_address) as path:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        index = read_index(path, called=index_address)
    if check_shards:
        _check_shards(address, index)
    return ClipStore(address, index, sha256)


def _check_shards(address: str, index: ShardIndex) -> None:
    shards = [join(address, name) for name in index.shards]
    for shard, size, stated in zip(shards, file_sizes(shards), index.shard_sizes, strict=True):
        if size != stated:
            raise DataError(
                f"{shard}: has {size} bytes, its index says {stated}",
                "copy it again from its source, or pack the videos anew",
            )
    read_range(shards[0], 0, 512)  # not every server gives a part of a file


class StoredClips(Sequence[Clip]):
    """The clips of a store, made when they are asked for: a million take little memory.

    They are those that ``split_into_clips`` cuts out of the videos, in the order of the index.

    Args:
        store: Where the videos are.
        clip_frames: As in ``split_into_clips``.
        target_fps: As in ``split_into_clips``.
        min_frames: Videos with fewer frames give no clip.
    """

    def __init__(
        self, store: ClipStore, *, clip_frames: int, target_fps: float, min_frames: int = 1
    ) -> None:
        self._store = store
        self._clip_frames = clip_frames
        self._target_fps = target_fps
        num_clips = np.maximum(num_ticks(store.index, target_fps) // clip_frames, 1)
        num_clips[too_short(store.index, min_frames=min_frames)] = 0
        self._ends = np.cumsum(num_clips)

    def __len__(self) -> int:
        """The number of clips."""
        return int(self._ends[-1])

    @overload
    def __getitem__(self, index: int) -> Clip: ...

    @overload
    def __getitem__(self, index: slice) -> list[Clip]: ...

    def __getitem__(self, index: int | slice) -> Clip | list[Clip]:
        """One clip by number, or several."""
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        number = range(len(self))[index]
        video = int(np.searchsorted(self._ends, number, side="right"))
        first = int(self._ends[video - 1]) if video else 0
        clips = split_into_clips(
            self._store.index.video(video),
            clip_frames=self._clip_frames,
            target_fps=self._target_fps,
        )
        stored = self._store.index.stored_bytes(video, address=self._store.address)
        return replace(clips[number - first], stored=stored)


class JoinedClips(Sequence[Clip]):
    """Several sequences of clips as one."""

    def __init__(self, parts: Sequence[Sequence[Clip]]) -> None:
        self._parts = [part for part in parts if part]
        self._ends = np.cumsum([len(part) for part in self._parts], dtype=np.int64)

    def __len__(self) -> int:
        """The number of clips."""
        return int(self._ends[-1]) if self._parts else 0

    @overload
    def __getitem__(self, index: int) -> Clip: ...

    @overload
    def __getitem__(self, index: slice) -> list[Clip]: ...

    def __getitem__(self, index: int | slice) -> Clip | list[Clip]:
        """One clip by number, or several."""
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        number = range(len(self))[index]
        part = int(np.searchsorted(self._ends, number, side="right"))
        return self._parts[part][number - (int(self._ends[part - 1]) if part else 0)]


def num_ticks(index: ShardIndex, fps: float | None) -> NDArray[np.int64]:
    """Length of each video's part in frames, int64, shape (N,); as that of its ``whole_clip``.

    Args:
        index: The videos.
        fps: Frame rate wanted, see ``playing_fps``; each video's own, unless given.
    """
    lengths = np.empty(len(index), np.int64)
    for rows in blocks(len(index)):
        columns = {name: column[rows] for name, column in index.numbers.items()}
        own = columns["fps"]
        rate = own if fps is None else np.where(own * SLOW > fps, fps, own)  # as playing_fps
        duration_s = columns["num_frames"] / columns["fps"]
        start_s = np.nan_to_num(columns["start_s"], nan=0.0)
        end_s = np.where(np.isnan(columns["end_s"]), duration_s, columns["end_s"])
        ticks = np.maximum(np.rint(duration_s * rate), 1)
        first = np.minimum(np.rint(start_s * rate), ticks - 1)
        lengths[rows] = np.minimum(np.maximum(np.rint(end_s * rate), first + 1), ticks) - first
    return lengths


def too_short(index: ShardIndex, *, min_frames: int) -> NDArray[np.int64]:
    """Numbers of the videos with fewer frames, ascending."""
    return np.flatnonzero(num_ticks(index, None) < min_frames)


def skipped_videos(store: ClipStore, *, min_frames: int) -> list[Skipped]:
    """The videos of a store with too few frames, as ``scan`` tells of those in a folder."""
    lengths = num_ticks(store.index, None)
    found = []
    for number in too_short(store.index, min_frames=min_frames).tolist():
        path = Path(store.index.names[number])
        reason = f"{path}: has {lengths[number]} frames, at least {min_frames} needed"
        found.append(Skipped(path, reason))
    return found
