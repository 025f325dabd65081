"""What the files of a data set say of its boxes, before any of it is checked against pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from endofm.data.boxed import BoxXYXY, Skipped
from endofm.errors import DataError

MAX_FILE_BYTES = 1_000_000
"""Of a file about one frame, or a list of settings; who has more is damaged or up to mischief."""
MAX_LIST_BYTES = 100_000_000
"""Of a list of frames."""


@dataclass(frozen=True)
class FoundBox:
    """A box as a file has it."""

    xyxy: BoxXYXY
    """Left, top, right and bottom edge; it may be anything that numbers can be."""
    name: str
    """Of its class."""
    lesion: str = ""
    """Names its lesion within the sequence, if that is known."""


@dataclass(frozen=True)
class FoundFrame:
    """A frame as a file has it."""

    where: str
    """File and entry, for messages."""
    path: Path
    """A picture; or the video whose frame ``index`` it is. It need not exist."""
    boxes: tuple[FoundBox, ...] = ()
    index: int | None = None
    time: int | None = None
    """Place in the video in frames, from any start; none where only the order is known."""
    size_hw: tuple[int, int] | None = None
    """As the file says."""
    relative: bool = False
    """The edges are shares of the frame's width and height, not px."""


@dataclass(frozen=True)
class FoundSequence:
    """Frames of one video in order of time."""

    name: str
    frames: tuple[FoundFrame, ...]
    split: str = ""
    group: str = ""
    fps: float | None = None
    """Of the video, in which ``time`` counts."""


@dataclass(frozen=True)
class FoundSet:
    """All that the files of a set say."""

    root: Path
    classes: tuple[str, ...]
    sequences: tuple[FoundSequence, ...]
    notes: tuple[str, ...] = ()
    lost_boxes: tuple[Skipped, ...] = ()
    """What cannot be read as a box."""
    lost_frames: tuple[Skipped, ...] = ()
    """Frames of which the boxes are not known."""


def inside(folder: Path, name: str, *, where: str) -> Path:
    """The file that ``where`` calls ``name``, which need not exist.

    Raises:
        DataError: It would lie outside the folder, or no file can be called so.
    """
    try:
        path = folder / name
        inner = path.resolve().is_relative_to(folder.resolve())
        path.is_file()
    except (OSError, RuntimeError, ValueError):  # too long, a loop of links, a null character
        inner = False
    if not name or not inner or Path(name).is_absolute():
        raise DataError(f"{where}: {name[:99]!r} is no path inside {folder}", "write it from there")
    return path


def read_small(path: Path, *, most_bytes: int = MAX_FILE_BYTES) -> bytes:
    """A file of at most ``most_bytes``.

    Raises:
        DataError: It cannot be read, or is larger.
    """
    try:
        if not path.is_file() and path.exists():  # a pipe would be waited for
            raise DataError(f"{path}: is not a regular file", "leave it out")
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > most_bytes:
        raise DataError(
            f"{path}: has more than {most_bytes:,} bytes", "is it the right file? leave it out"
        )
    return data
