"""KUMC PolypsSet: colonoscopy frames with boxes around adenomatous and hyperplastic polyps.

The frames of ``train2019`` come flat and shuffled. What video each is from, and which frame of it,
stands in its XML file: ``path`` is the folder of the video, with or without the frame's name, and
``filename`` the frame. In ``val2019`` and ``test2019`` a folder is a video, and those entries are
not to be relied on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PureWindowsPath

from endofm.catalog.card import Card, Found, Source
from endofm.data.boxed import Skipped
from endofm.data.boxed_found import (
    MAX_LIST_BYTES,
    FoundFrame,
    FoundSequence,
    FoundSet,
    read_small,
)
from endofm.data.boxed_pictures import notes_on, pictures_below, sequences_by_folder
from endofm.data.boxed_voc import VocReader
from endofm.data.video_search import IMAGE_SUFFIXES, natural_key
from endofm.errors import DataError

CITATION = (
    "Li et al.: Colonoscopy polyp detection and classification: Dataset creation and comparative "
    "evaluations. PLOS ONE 16(8) (2021), e0255809"
)
SOURCE = "https://doi.org/10.7910/DVN/FCBUOR"
FPS = 30.0
CLASSES = ("adenomatous", "hyperplastic")

_FOLDERS = {"train": "train2019", "val": "val2019", "test": "test2019"}
_PICTURES, _ANNOTATIONS = "Image", "Annotation"
_MAX_DEPTH = 3


def is_kumc(root: Path) -> bool:
    """Whether a folder, or one up to three levels below it, has ``train2019/Image`` and so on."""
    return _find(root) is not None


def read_kumc(root: Path) -> FoundSet:
    """The videos of each split, frames in order of time.

    Raises:
        DataError: It is not there.
    """
    found = _find(root)
    if found is None:
        raise DataError(
            f"{root}: holds no KUMC PolypsSet",
            "give the folder with train2019/Image, train2019/Annotation, and so on",
        )
    reader = VocReader(check_size=False)
    sequences: list[FoundSequence] = []
    notes: list[str] = []
    for split, name in _FOLDERS.items():
        base = found / name / _PICTURES
        if not base.is_dir():
            continue
        annotations = found / name / _ANNOTATIONS
        pictures = pictures_below(base)
        files = {one: annotations / one.relative_to(base).with_suffix(".xml") for one in pictures}
        reader.check_orphans(annotations, set(files.values()))
        flat = {one: files.pop(one) for one in pictures if one.parent == base}
        if flat:
            rebuilt, note = _rebuilt(flat, reader, split=split)
            sequences += rebuilt
            notes.append(f"{name} is flat and shuffled: {note}")
        sequences += sequences_by_folder(
            list(files),
            base,
            split=split,
            frame=lambda picture, files=files: reader.frame(picture, files[picture]),  # type: ignore[misc]  # the files of now
        )
        notes += _compared_with_list(found / "ImageSets" / f"{split}.txt", base, files, reader)
    return FoundSet(
        root,
        CLASSES,
        tuple(sequences),
        (*notes, *notes_on(0, reader.num_bare)),
        tuple(reader.lost_boxes),
        tuple(reader.lost_frames),
    )


def _rebuilt(
    files: Mapping[Path, Path], reader: VocReader, *, split: str
) -> tuple[list[FoundSequence], str]:
    """The videos of a flat folder, by what the XML file of each picture says; and a note."""
    videos: dict[tuple[str, ...], list[tuple[str, FoundFrame]]] = {}
    alone: list[FoundFrame] = []
    for picture, annotation in files.items():
        voc = reader.read(annotation) if annotation.is_file() else None
        frame = reader.frame_of(picture, annotation, voc)
        if frame is None:
            continue
        video = _video(voc.path) if voc else ()
        if voc and video and voc.filename:
            videos.setdefault(video, []).append((voc.filename, frame))
        else:
            alone.append(frame)
    for video in list(videos):
        # Written after the frames were shuffled: the folder is no video, the names say no time.
        if len(videos[video]) > 1 and all(_echoes(*one) for one in videos[video]):
            alone += [frame for _, frame in videos.pop(video)]
    names = _short_names(list(videos))
    sequences = [
        FoundSequence(f"{split}/{names[video]}", _in_time(frames), split)
        for video, frames in videos.items()
    ]
    note = f"{sum(map(len, videos.values()))} frames were put back into {len(videos)} videos"
    if alone:
        note += f", {len(alone)} whose XML file does not tell are each a sequence of its own"
    sequences += [FoundSequence(f"{split}/{one.path.name}", (one,), split) for one in alone]
    return sequences, note


def _video(path: str) -> tuple[str, ...]:
    """The folders that lead to a video, from a path of any system, with or without the frame."""
    parts = PureWindowsPath(path).parts
    is_frame = PureWindowsPath(path).suffix.lower() in IMAGE_SUFFIXES
    return parts[:-1] if is_frame else parts


def _echoes(filename: str, frame: FoundFrame) -> bool:
    return PureWindowsPath(filename).stem == frame.path.stem


def _in_time(frames: Sequence[tuple[str, FoundFrame]]) -> tuple[FoundFrame, ...]:
    return tuple(frame for _, frame in sorted(frames, key=lambda one: natural_key(one[0])))


def _short_names(videos: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """As many folders from the end as tell the videos apart."""
    for num in range(1, max(map(len, videos), default=1) + 1):
        names = {video: "/".join(video[-num:]) for video in videos}
        if len(set(names.values())) == len(videos):
            break
    return names


def _compared_with_list(
    path: Path, base: Path, files: Mapping[Path, Path], reader: VocReader
) -> Iterator[str]:
    """Notes on a list of ``video 0 frame length`` lines; frames that are gone are counted.

    Frames that are not listed take part all the same: those lists pass over frames without a box.
    """
    if not path.is_file():
        return
    there = {one.relative_to(base).with_suffix("").as_posix() for one in files}
    listed = set()
    for line in read_small(path, most_bytes=MAX_LIST_BYTES).decode(errors="replace").splitlines():
        words = line.split()
        if words:
            listed.add(f"{words[0]}/{words[2]}" if len(words) > 2 else words[0])
    for name in sorted(listed - there, key=natural_key):
        reader.lost_frames.append(Skipped(f"{path}: {name}", "is listed, but its picture is gone"))
    if there - listed:
        yield f"{len(there - listed)} frames take part that {path.name} does not list"


def _find(root: Path) -> Path | None:
    """The folder with the splits, the shallowest first."""
    folders = [root]
    for _ in range(_MAX_DEPTH + 1):
        for folder in folders:
            if any((folder / name / _PICTURES).is_dir() for name in _FOLDERS.values()):
                return folder
        folders = [one for folder in folders for one in _subfolders(folder)]
    return None


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.is_dir() and one.name[0] != ".")
    except OSError:
        return []


def find_kumc_videos(root: Path) -> Found:
    """The videos of each split as sources; frames whose XML is damaged are left out, with a note.

    Raises:
        DataError: A file cannot be read.
    """
    if not is_kumc(root):
        return Found(())
    found = read_kumc(root)
    notes = list(found.notes)
    if found.lost_frames:
        first = found.lost_frames[0]
        notes.append(f"{len(found.lost_frames)} frames are left out: {first.what} {first.reason}")
    if found.lost_boxes:
        first = found.lost_boxes[0]
        notes.append(f"{len(found.lost_boxes)} boxes are left out: {first.what} {first.reason}")
    return Found(tuple(map(_source, found.sequences)), tuple(notes), found.classes)


def _source(sequence: FoundSequence) -> Source:
    return Source(
        name=sequence.name,
        files=tuple(frame.path for frame in sequence.frames),
        picture_fps=FPS,
        split=sequence.split,
        group=sequence.name,
        boxes=tuple(frame.boxes for frame in sequence.frames),
    )


CARD = Card(
    name="kumc",
    title="KUMC PolypsSet",
    find=find_kumc_videos,
    layout="train2019/Image, train2019/Annotation, val2019/Image/<video>/, and so on",
    citation=CITATION,
    page=SOURCE,
    terms="see its page",
    modality="colonoscopy, white light",
    organ="colon",
    expected={"videos": 80},
    splits="official, by folder",
    overlaps={"colonoscopic": "contains frames of it, of CVC-ColonDB and of ASU-Mayo"},
)
