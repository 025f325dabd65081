"""Which videos there are: clip lists on disk, folders of videos, and the clips cut out of them.

A clip list is a CSV file with a header. Its paths are relative to the list, use ``/`` on every
system and never lead out of the list's folder, so that a data set can be moved as a whole.
"""

import csv
import difflib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from endofm.data.video import check_video, find_videos
from endofm.errors import DataError, VideoError
from endofm.files import replacing

REQUIRED_COLUMNS = ("path", "num_frames", "fps", "height", "width")
OPTIONAL_COLUMNS = ("label", "split", "group")
CLIP_LIST = "clips.csv"
"""A folder that holds a list of this name is what the list says, not what lies around in it."""


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


@dataclass(frozen=True)
class Clip:
    """A part of a video on a timeline of ``fps`` frames a second."""

    path: Path
    source_fps: float
    """Frame rate of the video itself, which a folder of frames cannot tell."""
    start_frame: int
    num_frames: int
    fps: float
    label: str = ""
    split: str = ""
    group: str = ""
    """As in ``Video``; the video's path where the list says nothing."""


@dataclass(frozen=True)
class Skipped:
    """A video that cannot be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Scan:
    """What was found: usable videos in order, and the others."""

    videos: tuple[Video, ...]
    skipped: tuple[Skipped, ...]


def split_into_clips(
    video: Video, *, clip_frames: int = 150, target_fps: float = 30.0
) -> list[Clip]:
    """Cut a video into clips of equal length without touching it (METHOD: 5 s at 30 fps).

    The last clip takes the remainder, so it has up to ``2 * clip_frames - 1`` frames; a video
    shorter than two clips is one.
    """
    total = max(round(video.num_frames / video.fps * target_fps), 1)
    starts = [clip_frames * k for k in range(max(total // clip_frames, 1))]
    return [
        Clip(
            path=video.path,
            source_fps=video.fps,
            start_frame=start,
            num_frames=end - start,
            fps=target_fps,
            label=video.label,
            split=video.split,
            group=video.group or video.path.as_posix(),
        )
        for start, end in zip(starts, [*starts[1:], total], strict=True)
    ]


def write_clip_list(path: Path, videos: Sequence[Video]) -> None:
    """Write a clip list in one step; optional columns that are empty throughout are left out.

    Raises:
        DataError: A video lies outside the list's folder, where no list may point.
    """
    root = path.parent.resolve()
    columns = [
        *REQUIRED_COLUMNS,
        *(name for name in OPTIONAL_COLUMNS if any(getattr(video, name) for video in videos)),
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
    with (
        replacing(path) as draft,
        draft.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        csv.writer(file).writerows([columns, *rows])


def read_clip_list(path: Path) -> list[Video]:
    """Read a clip list; rows keep their order.

    Raises:
        DataError: The list cannot be read, has a wrong or missing column, or one of its rows is
            incomplete, has a bad number, repeats a video, or points to a missing file or out of
            the list's folder. Rows are counted as a spreadsheet does, the header being row 1.
    """
    rows = _read_rows(path)
    columns = next(rows, [])
    _check_columns(path, columns)
    root = path.parent.resolve()
    row_of: dict[Path, int] = {}
    videos = []
    for row, cells in enumerate(rows, start=2):
        if not cells:
            continue
        where = f"{path} row {row}"
        if len(cells) != len(columns):
            raise DataError(
                f"{where}: has {len(cells)} cells where the header has {len(columns)}",
                "put quotes around a name with a comma",
            )
        values = dict(zip(columns, cells, strict=True))
        resolved = _resolve(values["path"], root, where)
        if resolved in row_of:
            raise DataError(
                f"{where}: repeats the video of row {row_of[resolved]}", "remove one of the rows"
            )
        row_of[resolved] = row
        videos.append(_parse_video(values, path.parent / values["path"], where))
    return videos


def scan(
    paths: Sequence[Path],
    *,
    folder_fps: float = 30.0,
    min_frames: int = 8,
    num_workers: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Find the usable videos among folders, single videos and clip lists (``.csv``).

    Folders are searched to the bottom, unless they hold a ``clips.csv``. Each video is opened and
    its ends decoded, several at a time. A video found twice counts once.

    Args:
        paths: Where to look, in the order that the result keeps.
        folder_fps: Frame rate of folders of frames.
        min_frames: Videos with fewer frames are skipped.
        num_workers: Threads that open videos.
        progress: Called with (videos done, videos altogether) after each video.

    Raises:
        DataError: A path is missing, a folder holds no video, or a clip list is wrong.
    """
    found = list(_without_repeats(paths))

    def check(candidate: Path | Video) -> Video | Skipped:
        return _check(candidate, folder_fps=folder_fps, min_frames=min_frames)

    videos: list[Video] = []
    skipped: list[Skipped] = []
    with ThreadPoolExecutor(num_workers) as pool:
        for done, result in enumerate(pool.map(check, found), start=1):
            if isinstance(result, Video):
                videos.append(result)
            else:
                skipped.append(result)
            if progress:
                progress(done, len(found))
    return Scan(tuple(videos), tuple(skipped))


def video_paths(path: Path) -> list[Path]:
    """The videos of a folder, a clip list, or a single video, as ``scan`` finds them; unopened.

    Raises:
        DataError: The path is missing, the folder holds no video, or the clip list is wrong.
    """
    return [item.path if isinstance(item, Video) else item for item in _candidates(path)]


def _without_repeats(paths: Sequence[Path]) -> Iterator[Path | Video]:
    seen: set[Path] = set()
    for path in paths:
        for candidate in _candidates(path):
            video_path = candidate.path if isinstance(candidate, Video) else candidate
            if (resolved := video_path.resolve()) not in seen:
                seen.add(resolved)
                yield candidate


def _candidates(path: Path) -> Sequence[Path | Video]:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder", "check the spelling")
    if path.suffix.lower() == ".csv":
        return read_clip_list(path)
    if not path.is_dir():
        return [path]
    if (path / CLIP_LIST).is_file():
        return read_clip_list(path / CLIP_LIST)
    videos = find_videos(path)
    if not videos:
        raise DataError(f"{path}: holds no video and no folder of frames", "name another folder")
    return videos


def _check(candidate: Path | Video, *, folder_fps: float, min_frames: int) -> Video | Skipped:
    """Open a video; one on a clip list keeps what the list says of it."""
    listed = candidate if isinstance(candidate, Video) else None
    path = listed.path if listed else candidate
    assert isinstance(path, Path)
    try:
        info = check_video(path, folder_fps=listed.fps if listed else folder_fps)
    except VideoError as error:
        return Skipped(path, str(error))
    video = listed or Video(path, info.num_frames, info.fps, info.height, info.width)
    if info.num_frames < video.num_frames:
        return Skipped(
            path, f"{path}: has {info.num_frames} frames, its list says {video.num_frames}"
        )
    if video.num_frames < min_frames:
        return Skipped(path, f"{path}: has {video.num_frames} frames, at least {min_frames} needed")
    return video


def _read_rows(path: Path) -> Iterator[list[str]]:
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


def _resolve(name: str, root: Path, where: str) -> Path:
    try:
        resolved = (root / name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # missing, a loop of links, a null character
        raise DataError(f"{where}: {name!r} is missing", f"paths start from {root}") from None
    if not name or not resolved.is_relative_to(root) or Path(name).is_absolute():
        raise DataError(
            f"{where}: {name!r} leads out of the list's folder", f"paths start from {root}"
        )
    return resolved


def _parse_video(values: dict[str, str], video_path: Path, where: str) -> Video:
    def number(name: str, parse: Callable[[str], float]) -> float:
        try:
            value = parse(values[name])
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise DataError(f"{where}: {name} is {values[name]!r}", "give a number above 0")
        return value

    return Video(
        path=video_path,
        num_frames=int(number("num_frames", int)),
        fps=number("fps", float),
        height=int(number("height", int)),
        width=int(number("width", int)),
        **{name: values.get(name, "") for name in OPTIONAL_COLUMNS},
    )
