"""Which videos there are: clip lists on disk, folders of videos, and the clips cut out of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from endofm.data.clip_list import Video, overlap, read_clip_list, write_clip_list
from endofm.data.storage import StoredBytes
from endofm.data.video import check_video, find_videos
from endofm.data.video_info import playing_fps
from endofm.errors import DataError, VideoError
from endofm.files import write_table

__all__ = [
    "CLIP_LIST",
    "Clip",
    "Scan",
    "Skipped",
    "Video",
    "check_videos",
    "read_clip_list",
    "scan",
    "split_into_clips",
    "video_paths",
    "whole_clip",
    "write_clip_list",
    "write_skipped",
]

CLIP_LIST = "clips.csv"
"""A folder that holds a list of this name is what the list says, not what lies around in it."""


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
    stored: StoredBytes | None = None
    """Where a shard holds the video, whose path is then but a name; None if it is a file."""


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


def write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    """Write which videos are left out, and why, as CSV in one step."""
    write_table(path, [("path", "reason"), *((str(item.path), item.reason) for item in skipped)])


def split_into_clips(
    video: Video, *, clip_frames: int = 150, target_fps: float = 30.0
) -> list[Clip]:
    """Cut a video into clips of equal length without touching it (METHOD: 5 s at 30 fps).

    Only the part that ``video`` is about is cut. The last clip takes the remainder, so it has up
    to ``2 * clip_frames - 1`` frames; a video shorter than two clips is one. A slow video keeps its
    own rate (``playing_fps``), so that its clips last longer.
    """
    target_fps = playing_fps(video.fps, wanted_fps=target_fps)
    first, end = _ticks(video, target_fps)
    starts = [first + clip_frames * k for k in range(max((end - first) // clip_frames, 1))]
    return [
        _cut(video, start, stop, fps=target_fps)
        for start, stop in zip(starts, [*starts[1:], end], strict=True)
    ]


def whole_clip(video: Video, *, target_fps: float | None = None) -> Clip:
    """All of the part that ``video`` is about, at its own frame rate unless another is given."""
    fps = target_fps or video.fps
    return _cut(video, *_ticks(video, fps), fps=fps)


def _ticks(video: Video, fps: float) -> tuple[int, int]:
    """First tick of the video's part on a timeline of ``fps``, and the one after its last."""
    start_s, end_s = video.part_s
    num_ticks = max(round(video.num_frames / video.fps * fps), 1)
    first = min(round(start_s * fps), num_ticks - 1)
    return first, min(max(round(end_s * fps), first + 1), num_ticks)


def _cut(video: Video, start: int, end: int, *, fps: float) -> Clip:
    return Clip(
        path=video.path,
        source_fps=video.fps,
        start_frame=start,
        num_frames=end - start,
        fps=fps,
        label=video.label,
        split=video.split,
        group=video.origin,
    )


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
    its ends decoded, several at a time. A video found twice counts once, but all the parts of it
    that a list names do.

    Args:
        paths: Where to look, in the order that the result keeps.
        folder_fps: Frame rate of folders of frames.
        min_frames: Videos with fewer frames are skipped.
        num_workers: Threads that open videos.
        progress: Called with (videos done, videos altogether) after each video.

    Raises:
        DataError: A path is missing, a folder holds no video, or a clip list is wrong.
    """
    return check_videos(
        list(_without_repeats(paths)),
        folder_fps=folder_fps,
        min_frames=min_frames,
        num_workers=num_workers,
        progress=progress,
    )


def check_videos(
    found: Sequence[Path | Video],
    *,
    folder_fps: float = 30.0,
    min_frames: int = 8,
    num_workers: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Open videos as ``scan`` does, which see; those on a list keep what the list says of them."""

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
    """The videos of a folder, a clip list, or a single video, each once; unopened.

    Raises:
        DataError: The path is missing, the folder holds no video, or the clip list is wrong.
    """
    paths = [item.path if isinstance(item, Video) else item for item in _candidates(path)]
    return list(dict.fromkeys(paths))


def _without_repeats(paths: Sequence[Path]) -> Iterator[Path | Video]:
    seen: dict[Path, list[tuple[float, float]]] = {}
    for path in paths:
        for candidate in _candidates(path):
            if isinstance(candidate, Video):
                video_path, part_s = candidate.path, candidate.part_s
            else:
                video_path, part_s = candidate, (0.0, math.inf)
            parts_s = seen.setdefault(video_path.resolve(), [])
            if not any(overlap(part_s, other_s) for other_s in parts_s):
                parts_s.append(part_s)
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
    num_frames = whole_clip(video).num_frames
    if num_frames < min_frames:
        return Skipped(path, f"{path}: has {num_frames} frames, at least {min_frames} needed")
    return video
