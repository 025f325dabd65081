"""Your own videos: files and folders of frames, at any nesting."""

from __future__ import annotations

from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.data.clip_list import Video, read_clip_list
from endofm.data.manifests import CLIP_LIST
from endofm.data.video_search import find_videos, frame_files

FPS = 30.0


def find_own_videos(root: Path) -> Found:
    """What ``clips.csv`` lists; without one all videos and folders of frames.

    A video in a folder of its own, such as one of a patient, belongs to the group of that name.

    Raises:
        DataError: The list is wrong, or a folder cannot be listed.
    """
    if (listed := root / CLIP_LIST).is_file():
        return Found(tuple(_listed(video, root) for video in read_clip_list(listed)))
    paths = find_videos(root)
    return Found(tuple(_source(path, root) for path in paths))


def _source(path: Path, root: Path) -> Source:
    relative = path.relative_to(root) if path != root else Path(path.name)
    name = (relative.with_suffix("") if path.is_file() else relative).as_posix()
    group = relative.parts[0] if len(relative.parts) > 1 else name
    return Source(name, _files(path), picture_fps=None if path.is_file() else FPS, group=group)


def _listed(video: Video, root: Path) -> Source:
    relative = video.path.relative_to(root)
    name = (relative.with_suffix("") if video.path.is_file() else relative).as_posix()
    return Source(
        name,
        _files(video.path),
        picture_fps=None if video.path.is_file() else video.fps,
        label=video.label,
        split=video.split,
        group=video.group or name,
        is_one_clip=bool(video.label),
    )


def _files(path: Path) -> tuple[Path, ...]:
    return (path,) if path.is_file() else tuple(frame_files(path))


CARD = Card(
    name="own",
    title="Your own videos",
    find=find_own_videos,
    layout="videos or folders of frames; with clips.csv also their labels, splits and patients",
    terms="yours to know: consent, anonymisation and contracts of your hospital",
    splits="those of clips.csv",
)
