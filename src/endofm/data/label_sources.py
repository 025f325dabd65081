"""Where labels of videos come from: PolypDiag's lists, a folder a class, or a clip list."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from endofm.data.clip_list import Video, read_rows, resolve_inside
from endofm.data.manifests import CLIP_LIST
from endofm.data.video import find_videos
from endofm.errors import DataError

SPLITS = ("train", "val", "test")
_LIKE_SPLITS = {
    "dev": "val",
    "test": "test",
    "testing": "test",
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
}
"""What folders of splits are called elsewhere; as names of classes they would pass unnoticed."""
_LAYOUTS = (
    "give a clip list (.csv) with labels, a folder with videos/ and splits/train.txt, "
    "or a folder with a folder of videos for each class"
)


@dataclass(frozen=True)
class LabelledVideo:
    """A video that has not been opened, with what its source says of it."""

    where: str
    """Where that is said, for messages."""
    video: Path | Video
    """``Video`` where a clip list describes it."""
    label: str
    split: str

    @property
    def origin(self) -> str:
        """As in ``Video``."""
        return self.video.origin if isinstance(self.video, Video) else self.video.as_posix()


def find_labelled(path: Path) -> list[LabelledVideo]:
    """The videos of a labelled set in the order of their source; each is there once.

    Three layouts are told apart: a clip list, or a folder that holds a ``clips.csv``; PolypDiag's
    ``videos/`` and ``splits/<split>.txt`` with lines ``name.mp4,label``; and ``<class>/`` or
    ``<split>/<class>/`` with videos or folders of frames at any depth.

    Raises:
        DataError: It is none of these, or some of it is wrong.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder", "check the spelling")
    if path.suffix.lower() == ".csv":
        found = _from_clip_list(path)
    elif not path.is_dir():
        raise DataError(f"{path}: is no labelled set of videos", _LAYOUTS)
    elif (path / CLIP_LIST).is_file():
        found = _from_clip_list(path / CLIP_LIST)
    elif lists := sorted((path / "splits").glob("[!.]*.txt")):
        found = _from_split_lists(path, lists)
    else:
        found = _from_class_folders(path)
    if not found:
        raise DataError(f"{path}: has no labelled videos", _LAYOUTS)
    _check_splits(found)
    return found


def _from_clip_list(path: Path) -> list[LabelledVideo]:
    return [
        LabelledVideo(f"{path} row {row}", video, video.label, video.split)
        for row, video in read_rows(path).items()
    ]


def _from_split_lists(path: Path, lists: list[Path]) -> list[LabelledVideo]:
    videos = path / "videos"
    if not videos.is_dir():
        raise DataError(f"{path}: has splits but no folder 'videos'", "put the videos there")
    for list_path in lists:
        if list_path.stem not in SPLITS:
            raise DataError(
                f"{list_path}: is no split", "name the lists train.txt, val.txt and test.txt"
            )
    root = videos.resolve()
    found: list[LabelledVideo] = []
    for list_path in lists:
        rows = list(_read_pairs(list_path))
        if not rows:
            raise DataError(f"{list_path}: lists no video", "fill or remove it")
        for where, name, label in rows:
            resolve_inside(name, root, where=where, root_name=str(videos))
            found.append(LabelledVideo(where, videos / name, label, list_path.stem))
    return _without_repeats(found)


def _read_pairs(path: Path) -> Iterator[tuple[str, str, str]]:
    """List and row, name, and label of each line ``name,label``; blank lines are passed over."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 ({error.reason})", "save it as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    for row, line in enumerate(lines, start=1):
        name, comma, label = line.strip().rpartition(",")
        if comma and "\t" not in line:
            yield f"{path} row {row}", name.strip(), label.strip()
        elif line.strip():
            raise DataError(
                f"{path} row {row}: {line.strip()!r} is not a name, a comma and a label",
                "write name.mp4,label",
            )


def _from_class_folders(path: Path) -> list[LabelledVideo]:
    names = _folder_names(path)
    splits = [name for name in SPLITS if name in names]
    for name in names:
        meant = _LIKE_SPLITS.get(name.casefold())
        if meant and name not in SPLITS:
            raise DataError(f"{path / name}: is no split", f"rename it to {meant!r}")
        if splits and name not in SPLITS:
            raise DataError(
                f"{path}: has the folder {name!r} beside {splits[0]!r}",
                "keep all folders of classes in train, val and test, or all outside",
            )
    if not splits:
        return _without_repeats(_classes_of(path, split=""))
    return _without_repeats(
        [item for split in splits for item in _classes_of(path / split, split=split)]
    )


def _classes_of(folder: Path, *, split: str) -> list[LabelledVideo]:
    found = []
    for video in find_videos(folder):
        below = video.relative_to(folder).parts
        if len(below) < 2:
            raise DataError(
                f"{video}: is a video outside the folders of classes",
                f"move it to {folder}/CLASS/NAME.mp4, or its frames to {folder}/CLASS/NAME/",
            )
        found.append(LabelledVideo(str(video), video, below[0], split))
    filled = {item.label for item in found}
    for name in _folder_names(folder):
        if name not in filled:
            raise DataError(f"{folder / name}: holds no video", "fill or remove the folder")
    if split and not found:
        raise DataError(f"{folder}: holds no video", "fill or remove the folder")
    return found


def _folder_names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _without_repeats(found: list[LabelledVideo]) -> list[LabelledVideo]:
    where_of: dict[Path, str] = {}
    for item in found:
        assert isinstance(item.video, Path)
        resolved = item.video.resolve()
        if resolved in where_of:
            raise DataError(
                f"{item.where}: repeats the video of {where_of[resolved]}",
                "keep each video once, in one split",
            )
        where_of[resolved] = item.where
    return found


def _check_splits(found: list[LabelledVideo]) -> None:
    """All videos or none must name a split, and those of a group the same."""
    some_split = any(item.split for item in found)
    first_of: dict[str, LabelledVideo] = {}
    for item in found:
        if item.split not in (SPLITS if some_split else ("",)):
            raise DataError(
                f"{item.where}: has the split {item.split!r}",
                "write train, val or test in every row, or nothing in any",
            )
        first = first_of.setdefault(item.origin, item)
        if first.split != item.split:
            raise DataError(
                f"{item.where}: puts group {item.origin!r} into {item.split!r}, but {first.where} "
                f"into {first.split!r}",
                "keep all videos of a patient in one split",
            )
