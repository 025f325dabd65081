"""What the shards of a clip store hold and where, in one small file of columns beside them.

The file is safetensors: plain arrays that nothing can execute. About 130 bytes a video.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from endofm.data.clip_list import LIMITS, TEXT_COLUMNS, Video
from endofm.data.storage import StoredBytes, join
from endofm.data.text_columns import Categories, Texts
from endofm.errors import DataError
from endofm.files import replacing

INDEX = "index.safetensors"
"""The name of the file; a folder that holds it is a clip store."""

_FORMAT = {"format": "endofm-shards-1"}

_NUMBERS: dict[str, type[np.generic]] = {
    "shard": np.uint32,
    "offset": np.uint64,
    "size": np.uint64,
    "crc32": np.uint32,
    "num_frames": np.uint32,
    "fps": np.float64,
    "height": np.uint16,
    "width": np.uint16,
    "start_s": np.float64,
    "end_s": np.float64,
}

_BLOCK_ROWS = 1 << 16

# A shard's name is joined to the store's address, so it must not lead elsewhere.
_SHARD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.tar")


def is_shard_name(name: str) -> bool:
    """Whether a file name may be that of a shard: one that needs no care in a path or a URL."""
    return bool(_SHARD_NAME.fullmatch(name))


class PackedVideo(NamedTuple):
    """One video, and where its bytes are."""

    video: Video
    """Its path is the one that it had where it was packed from, relative to that folder."""
    shard: int
    offset: int
    size: int
    crc32: int


@dataclass(frozen=True)
class ShardIndex:
    """The videos of a clip store, N of them in S shards.

    Attributes:
        shards: File names of the shards.
        shard_sizes: Their bytes, uint64, shape (S,).
        names: Paths of the videos where they were packed from.
        numbers: Columns of shape (N,): ``shard`` (which of ``shards``), ``offset`` and ``size`` of
            the video's bytes in it, their ``crc32``, and the columns of a clip list; ``start_s``
            and ``end_s`` are NaN where the list says nothing.
        texts: The columns ``label``, ``split`` and ``group`` of a clip list.
    """

    shards: Texts
    shard_sizes: NDArray[np.uint64]
    names: Texts
    numbers: Mapping[str, NDArray[Any]]
    texts: Mapping[str, Categories]

    @classmethod
    def of(
        cls, shards: Sequence[str], shard_sizes: Sequence[int], packed: Sequence[PackedVideo]
    ) -> ShardIndex:
        """Arrange what was packed as columns."""
        videos = [item.video for item in packed]
        rows: dict[str, list[Any]] = {
            **{name: [getattr(item, name) for item in packed] for name in PackedVideo._fields[1:]},
            **{
                name: [getattr(video, name) for video in videos]
                for name in ("num_frames", "fps", "height", "width", "start_s", "end_s")
            },
        }
        return cls(
            shards=Texts.of(shards),
            shard_sizes=np.array(shard_sizes, np.uint64),
            names=Texts.of(video.path.as_posix() for video in videos),
            numbers={name: np.array(rows[name], dtype) for name, dtype in _NUMBERS.items()},
            texts={
                name: Categories.of([getattr(video, name) for video in videos])
                for name in TEXT_COLUMNS
            },
        )

    def __len__(self) -> int:
        """The number of videos."""
        return len(self.names)

    @property
    def num_bytes(self) -> int:
        """Memory that the columns take."""
        return sum(column.nbytes for column in self._columns().values())

    def video(self, number: int) -> Video:
        """What is known of one video, counted from 0."""
        row = {name: self.numbers[name][number].item() for name in _NUMBERS}
        return Video(
            path=Path(self.names[number]),
            num_frames=row["num_frames"],
            fps=row["fps"],
            height=row["height"],
            width=row["width"],
            start_s=None if math.isnan(row["start_s"]) else row["start_s"],
            end_s=None if math.isnan(row["end_s"]) else row["end_s"],
            **{name: column[number] for name, column in self.texts.items()},
        )

    def stored_bytes(self, number: int, *, address: str) -> StoredBytes:
        """Where the bytes of one video are, in a store at ``address``."""
        place = {name: int(self.numbers[name][number]) for name in ("offset", "size", "crc32")}
        return StoredBytes(join(address, self.shards[int(self.numbers["shard"][number])]), **place)

    def write(self, path: Path) -> None:
        """Write the file in one step; the same index gives the same bytes."""
        with replacing(path) as draft:
            save_file(self._columns(), draft, metadata=_FORMAT)

    def _columns(self) -> dict[str, NDArray[Any]]:
        texts = {"shards": self.shards, "names": self.names}
        texts |= {f"{name}.names": column.names for name, column in self.texts.items()}
        return {
            "shard_sizes": self.shard_sizes,
            **self.numbers,
            **{f"{name}.codes": column.codes for name, column in self.texts.items()},
            **{f"{name}.utf8": column.data for name, column in texts.items()},
            **{f"{name}.ends": column.ends for name, column in texts.items()},
        }


def read_index(path: Path, *, called: str) -> ShardIndex:
    """Read and check the file.

    Args:
        path: Where it is on disk.
        called: What messages call it.

    Raises:
        DataError: It is damaged, of another kind, or contradicts itself.
    """
    try:
        with safe_open(path, framework="np") as file:
            if file.metadata() != _FORMAT:
                raise DataError(
                    f"{called}: is no index of a clip store that this version reads",
                    "pack the videos anew: endofm data pack",
                )
            columns = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no dict
        index = _from_columns(columns)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(called, str(error)) from None
    if contradiction := _contradiction(index):
        raise _damaged(called, contradiction)
    return index


def _damaged(called: str, told: str) -> DataError:
    return DataError(f"{called}: is damaged ({told})", "copy it again, or pack the videos anew")


def _from_columns(columns: dict[str, NDArray[Any]]) -> ShardIndex:
    def take(name: str, dtype: type[np.generic]) -> NDArray[Any]:
        column = columns[name]
        if column.dtype != dtype or column.ndim != 1:
            raise ValueError(f"column {name} is {column.dtype}, {column.ndim} axes")
        return column

    def texts(name: str) -> Texts:
        return Texts(take(f"{name}.utf8", np.uint8), take(f"{name}.ends", np.uint64))

    return ShardIndex(
        shards=texts("shards"),
        shard_sizes=take("shard_sizes", np.uint64),
        names=texts("names"),
        numbers={name: take(name, dtype) for name, dtype in _NUMBERS.items()},
        texts={
            name: Categories(texts(f"{name}.names"), take(f"{name}.codes", np.uint32))
            for name in TEXT_COLUMNS
        },
    )


def _contradiction(index: ShardIndex) -> str:
    """What cannot be true of an index; empty where all fits."""
    columns = [*index.numbers.values(), *(column.codes for column in index.texts.values())]
    if {len(column) for column in columns} != {len(index)}:
        return "its columns differ in length"
    if len(index.shards) != len(index.shard_sizes) or len(index) == 0:
        return "it lists no videos, or not the size of each shard"
    are_sound = [texts.is_sound for texts in (index.shards, index.names)]
    if not all(are_sound + [column.is_sound for column in index.texts.values()]):
        return "its texts do not end where it says"
    names = list(index.shards)
    if len(set(names)) < len(names) or not all(map(is_shard_name, names)):
        return "a shard has no proper name"
    return _wrong_place(index) or _wrong_numbers(index)


def _wrong_place(index: ShardIndex) -> str:
    shard, offset, size = (index.numbers[name] for name in ("shard", "offset", "size"))
    if (shard >= len(index.shards)).any():
        return "a video lies in a shard that is not listed"
    room = index.shard_sizes[shard]
    if (size == 0).any() or (size > room).any() or (offset > room - size).any():
        return "a video lies outside its shard"
    return ""


def blocks(num_rows: int) -> Iterator[slice]:
    """Parts of columns, so that what is computed on the way takes little memory."""
    return (slice(first, first + _BLOCK_ROWS) for first in range(0, num_rows, _BLOCK_ROWS))


def _wrong_numbers(index: ShardIndex) -> str:
    for rows in blocks(len(index)):
        if told := _wrong_rows({name: column[rows] for name, column in index.numbers.items()}):
            return told
    return ""


def _wrong_rows(columns: Mapping[str, NDArray[Any]]) -> str:
    fps, num_frames = columns["fps"], columns["num_frames"]
    if not (np.isfinite(fps) & (fps >= LIMITS["fps"][0])).all():
        return "a frame rate is not above 0"
    if any((columns[name] == 0).any() for name in ("num_frames", "height", "width")):
        return "a video has no frames"
    duration_s = num_frames / fps
    start_s = np.nan_to_num(columns["start_s"], nan=0.0)
    end_s = np.where(np.isnan(columns["end_s"]), duration_s, columns["end_s"])
    if not ((start_s >= 0) & (start_s < end_s) & (end_s <= (num_frames + 0.5) / fps)).all():
        return "a part of a video lies outside it"
    return ""
