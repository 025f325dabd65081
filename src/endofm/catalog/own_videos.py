"""Your own videos: files and folders of frames, at any nesting."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.data.clip_list import Video, read_clip_list, read_rows
from endofm.data.manifests import CLIP_LIST
from endofm.data.video_search import find_videos, frame_files
from endofm.errors import DataError

FPS = 30.0
_NUMBER = re.compile(r"\d+(?=\D*$)", re.ASCII)
"""The last number of a name."""


def find_own_videos(root: Path) -> Found:
    """What ``clips.csv`` lists; without one all videos and folders of frames.

    A video in a folder of its own, such as one of a patient, belongs to the group of that name.

    Raises:
        DataError: The list is wrong, or a folder cannot be listed.
    """
    if (listed := root / CLIP_LIST).is_file():
        return Found(tuple(_listed(video, root) for video in read_clip_list(listed)))
    sources = [_source(path, root) for path in find_videos(root)]
    times = Counter(source.name for source in sources)
    return Found(
        tuple(one if times[one.name] == 1 else _with_suffix(one) for one in sources),
        tuple(_gaps(sources)),
    )


def _source(path: Path, root: Path) -> Source:
    relative = path.relative_to(root) if path != root else Path(path.name)
    # What is neither, such as a link to nothing, is a video that cannot be read: told, not fatal.
    is_folder = path.is_dir()
    name = (relative if is_folder else relative.with_suffix("")).as_posix()
    group = relative.parts[0] if len(relative.parts) > 1 else name
    return Source(name, _files(path), picture_fps=FPS if is_folder else None, group=group)


def _gaps(sources: Sequence[Source]) -> Iterator[str]:
    """What to know of pictures whose numbers leave some out."""
    gapped = [one for one in sources if not one.is_video_file and _has_gap(one.files)]
    if gapped:
        yield (
            f"frames with gaps in their numbers, which clips run across: {len(gapped)} of "
            f"{len(sources)} videos, the first {gapped[0].files[0].parent}"
        )


def _has_gap(pictures: Sequence[Path]) -> bool:
    found = [_NUMBER.search(path.stem) for path in pictures]
    numbers = [int(one[0]) for one in found if one]
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) == len(pictures) and len(steps) > 1


def _with_suffix(source: Source) -> Source:
    """A video by all of its file's name, as another differs in the suffix alone."""
    suffix = source.files[0].suffix if source.is_video_file else ""
    return replace(source, name=source.name + suffix)


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
    return tuple(frame_files(path)) if path.is_dir() else (path,)


def _find_whole(root: Path) -> Found:
    """As ``find_own_videos``; lists of parts are refused, since clips of whole videos are made."""
    if (listed := root / CLIP_LIST).is_file():
        for row, video in read_rows(listed).items():
            if video.start_s is not None or video.end_s is not None:
                raise DataError(
                    f"{listed} row {row}: is about a part of a video, and clips are made of all "
                    "of it",
                    "cut the parts into files of their own, and list these",
                )
    return find_own_videos(root)


CARD = Card(
    name="own",
    title="Your own videos",
    find=_find_whole,
    layout="videos or folders of frames; with clips.csv also their labels, splits and patients",
    terms="yours to know: consent, anonymisation and contracts of your hospital",
    splits="those of clips.csv",
)
