"""Clip lists: which videos there are and what is known of them, as a CSV file with a header.

Its paths are relative to the list, use ``/`` on every system and never lead out of the list's
folder, so that a data set can be moved as a whole.
"""

import csv
import difflib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from endofm.data.video_info import MAX_SIDE_PX
from endofm.errors import DataError
from endofm.files import write_table

REQUIRED_COLUMNS = ("path", "num_frames", "fps", "height", "width")
TEXT_COLUMNS = ("label", "split", "group")
TIME_COLUMNS = ("start_s", "end_s")
OPTIONAL_COLUMNS = (*TEXT_COLUMNS, *TIME_COLUMNS)
LIMITS: dict[str, tuple[float, float]] = {
    "num_frames": (1, (1 << 32) - 1),
    "fps": (1e-12, 1e9),
    "height": (1, MAX_SIDE_PX),
    "width": (1, MAX_SIDE_PX),
}
"""Least and most of the numbers, all of which a clip store can hold."""


@dataclass(frozen=True)
class Video:
    """A video file or folder of frames with what is known of it; one row of a clip list."""

    path: Path
    num_frames: int
    fps: float
    height: int
    width: int
    label: str = ""
    split: str = ""
    group: str = ""
    """Patient or video of origin: what must not be divided between splits."""
    start_s: float | None = None
    """Where the part of the video begins that this is about; at its start, unless given."""
    end_s: float | None = None
    """Where that part ends; at the video's end, unless given."""

    @property
    def part_s(self) -> tuple[float, float]:
        """Start and end of the part that this is about, in seconds from the video's start."""
        end_s = self.num_frames / self.fps if self.end_s is None else self.end_s
        return self.start_s or 0.0, end_s

    @property
    def origin(self) -> str:
        """The group; the path where there is none."""
        return self.group or self.path.as_posix()


def write_clip_list(path: Path, videos: Sequence[Video]) -> None:
    """Write a clip list in one step; optional columns that are empty throughout are left out.

    Raises:
        DataError: A video lies outside the list's folder, where no list may point.
    """
    root = path.parent.resolve()
    columns = [
        *REQUIRED_COLUMNS,
        *(
            name
            for name in OPTIONAL_COLUMNS
            if any(getattr(video, name) not in ("", None) for video in videos)
        ),
    ]
    rows = []
    for video in videos:
        resolved = video.path.resolve()
        if not resolved.is_relative_to(root):
            raise DataError(
                f"{path}: {video.path} lies outside the list's folder",
                f"write the list to a folder above both, or move the video below {root}",
            )
        relative = resolved.relative_to(root).as_posix()
        rows.append([relative, *(getattr(video, name) for name in columns[1:])])
    write_table(path, [columns, *rows])


def read_clip_list(path: Path) -> list[Video]:
    """Read a clip list; rows keep their order. See ``read_rows``."""
    return list(read_rows(path).values())


def read_rows(
    path: Path, *, on_wrong_row: Callable[[DataError], None] | None = None
) -> dict[int, Video]:
    """Read a clip list as videos by row, counted as a spreadsheet does, the header being row 1.

    A video may have several rows about different parts of it.

    Args:
        path: The list.
        on_wrong_row: Called with what is wrong with a row, which is then left out; without it the
            first is raised.

    Raises:
        DataError: The list cannot be read, has a wrong or missing column, or one of its rows is
            incomplete, has a bad number, repeats a video or a part of it, or points to a missing
            file or out of the list's folder.
    """
    rows = _read_cells(path)
    columns = next(rows, [])
    _check_columns(path, columns)
    root = path.parent.resolve()
    rows_of: dict[Path, list[int]] = {}
    videos: dict[int, Video] = {}
    for row, cells in enumerate(rows, start=2):
        if not cells:
            continue
        where = f"{path} row {row}"
        try:
            values = _values(columns, cells, where=where)
            resolved = resolve_inside(values["path"], root, where=where)
            video = _parse_video(values, path.parent / values["path"], where)
            for earlier in rows_of.setdefault(resolved, []):
                _check_parts(video, videos[earlier], where=where, earlier=earlier)
        except DataError as error:
            if on_wrong_row is None:
                raise
            on_wrong_row(error)
            continue
        videos[row] = video
        rows_of[resolved].append(row)
    return videos


def _values(columns: Sequence[str], cells: Sequence[str], *, where: str) -> dict[str, str]:
    if len(cells) != len(columns):
        raise DataError(
            f"{where}: has {len(cells)} cells where the header has {len(columns)}",
            "put quotes around a name with a comma",
        )
    return dict(zip(columns, cells, strict=True))


def overlap(part_s: tuple[float, float], other_s: tuple[float, float]) -> bool:
    """Whether two parts of a video, (start, end) in seconds, share more than an instant."""
    return part_s[0] < other_s[1] and other_s[0] < part_s[1]


def resolve_inside(
    name: str, root: Path, *, where: str, root_name: str = "the list's folder"
) -> Path:
    """The file or folder that a list calls ``name``, without links.

    Args:
        name: Relative to ``root``.
        root: What the name must not lead out of, without links.
        where: List and row, for the message.
        root_name: What the message calls ``root``.

    Raises:
        DataError: It is missing, or lies elsewhere.
    """
    try:
        resolved = (root / name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # missing, a loop of links, a null character
        raise DataError(f"{where}: {name!r} is missing", f"paths start from {root}") from None
    if not name or not resolved.is_relative_to(root) or Path(name).is_absolute():
        raise DataError(f"{where}: {name!r} leads out of {root_name}", f"paths start from {root}")
    return resolved


def _read_cells(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from csv.reader(file, strict=True)
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a clip list ({error})") from None


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    known = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
    for number, name in enumerate(columns):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known columns: {', '.join(known)}"
            raise DataError(f"{path}: has an unknown column {name!r}", hint)
        if name in columns[:number]:
            raise DataError(f"{path}: has the column {name!r} twice", "remove one of them")
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if missing:
        raise DataError(
            f"{path}: has no column {', '.join(missing)}",
            f"the first row must be a header with {','.join(REQUIRED_COLUMNS)}",
        )


def _check_parts(video: Video, other: Video, *, where: str, earlier: int) -> None:
    """Rows about one video must be about different parts of it and agree on its group."""
    if video.part_s == other.part_s:
        raise DataError(f"{where}: repeats the video of row {earlier}", "remove one of the rows")
    if overlap(video.part_s, other.part_s):
        raise DataError(
            f"{where}: overlaps in time with row {earlier}",
            "let start_s and end_s of a video's rows leave no moment in two of them",
        )
    if video.group != other.group:
        raise DataError(
            f"{where}: names the group {video.group!r} for the video of row {earlier}, which names "
            f"{other.group!r}",
            "give all parts of a video one group",
        )


def _parse_video(values: dict[str, str], video_path: Path, where: str) -> Video:
    def number(name: str, parse: Callable[[str], float]) -> float:
        try:
            value = parse(values[name])
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise DataError(f"{where}: {name} is {values[name]!r}", "give a number above 0")
        least, most = LIMITS[name]
        if not least <= value <= most:
            raise DataError(
                f"{where}: {name} is {values[name][:20]!r}",
                f"no video has that: give {least:g} to {most:g}",
            )
        return value

    def seconds(name: str) -> float | None:
        try:
            return float(values[name]) if values.get(name) else None
        except ValueError:
            raise DataError(f"{where}: {name} is {values[name]!r}", "give seconds") from None

    video = Video(
        path=video_path,
        num_frames=int(number("num_frames", int)),
        fps=number("fps", float),
        height=int(number("height", int)),
        width=int(number("width", int)),
        start_s=seconds("start_s"),
        end_s=seconds("end_s"),
        **{name: values.get(name, "") for name in TEXT_COLUMNS},
    )
    start_s, end_s = video.part_s
    # Half a frame more, since durations are given rounded.
    if not 0 <= start_s < end_s <= (video.num_frames + 0.5) / video.fps:
        raise DataError(
            f"{where}: is about {start_s:g} to {end_s:g} s of a video of "
            f"{video.num_frames / video.fps:g} s",
            "let start_s be 0 or more and below end_s, and end_s be in the video",
        )
    return video
