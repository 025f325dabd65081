"""Finding sequences of frames on disk, each frame with its mask."""

import csv
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from endofm.data.dividing import check_groups
from endofm.data.label_sources import SPLITS
from endofm.data.video_search import frame_files, is_folder, natural_key
from endofm.errors import DataError

SEQUENCE_LIST = "sequences.csv"
_COLUMNS = ("sequence", "split", "group")
_FRAME_FOLDERS = ("frames", "frame", "images", "original")
_MASK_FOLDERS = ("masks", "mask", "gt", "ground truth")
LAYOUT = (
    "give a folder with frames/SEQUENCE/FRAME.png and masks/SEQUENCE/FRAME.png, "
    "or with these two in each of train/, val/ and test/"
)


@dataclass(frozen=True)
class FrameSequence:
    """Frames of one video in order, each with its mask."""

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path, ...]
    """One a frame, of the same size."""
    group: str = ""
    """Patient or video of origin: what must not be divided between splits."""

    @property
    def origin(self) -> str:
        """The group; the name where there is none."""
        return self.group or self.name


def find_sequences(root: Path) -> dict[str, list[FrameSequence]]:
    """The sequences of each split in natural order, ``""`` where none is named; nothing is opened.

    Two layouts are told apart: a folder a split, ``train/``, ``val/`` and ``test/``; or all
    sequences together, with or without a ``sequences.csv`` of ``sequence,split,group``. In either,
    ``frames/<sequence>/<frame>.png`` has the mask ``masks/<sequence>/<frame>.png``, whatever the
    suffixes. Pictures that lie directly in ``frames/`` are one sequence.

    Raises:
        DataError: It is neither, a frame or a mask is alone, or a group is in two splits.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", LAYOUT)
    parts = _split_folders(root)
    listed = root / SEQUENCE_LIST
    if parts:
        _check_neighbours(root, list(parts.values()))
        splits = {split: _sequences_in(folder) for split, folder in parts.items()}
    elif listed.is_file():
        splits = _by_list(_sequences_in(root), listed)
    else:
        splits = {"": _sequences_in(root)}
    check_groups(root, splits)
    return splits


def is_laid_out(folder: Path) -> bool:
    """Whether a folder itself has frames and masks, or some of its folders of splits have."""
    return any(
        _child(part, _FRAME_FOLDERS) and _child(part, _MASK_FOLDERS)
        for part in (folder, *_split_folders(folder).values())
    )


def pictures_in(folder: Path) -> list[Path]:
    """The pictures that a folder itself holds, in natural order.

    Raises:
        DataError: It cannot be listed.
    """
    try:
        return frame_files(folder)
    except OSError as error:
        raise _cannot_list(folder, error) from error


def by_stem(pictures: Sequence[Path]) -> dict[str, Path]:
    """Pictures of one folder by their names without suffix.

    Raises:
        DataError: Two differ in the suffix only.
    """
    named: dict[str, Path] = {}
    for path in pictures:
        if path.stem in named:
            raise DataError(
                f"{path.parent}: has {named[path.stem].name} and {path.name}", "keep one of them"
            )
        named[path.stem] = path
    return named


def _split_folders(root: Path) -> dict[str, Path]:
    return {split: folder for split in SPLITS if (folder := _child(root, (split,)))}


def _sequences_in(folder: Path) -> list[FrameSequence]:
    """The sequences of a folder with ``frames/`` and ``masks/``, in natural order."""
    frames, masks = _child(folder, _FRAME_FOLDERS), _child(folder, _MASK_FOLDERS)
    if frames is None or masks is None:
        missing = "frames" if frames is None else "masks"
        inner = next(folder.glob("*/frames"), None)  # overlooks what cannot be listed
        hint = f"did you mean {inner.parent}?" if inner else LAYOUT
        raise DataError(f"{folder}: has no folder {missing!r}", hint)
    frames_of, masks_of = _folders_of(frames), _folders_of(masks)
    if ("" in frames_of) != ("" in masks_of):
        raise DataError(
            f"{folder}: has pictures directly in {(frames if '' in frames_of else masks).name!r} "
            f"but folders of sequences in {(masks if '' in frames_of else frames).name!r}",
            "lay both out alike",
        )
    _check_partners(frames_of, masks_of, kind="sequences", lack="folder of masks")
    _check_partners(masks_of, frames_of, kind="sequences", lack="folder of frames")
    return [
        FrameSequence(name or folder.resolve().name, *_paired(frames_of[name], masks_of[name]))
        for name in sorted(frames_of, key=natural_key)
    ]


def _folders_of(folder: Path) -> dict[str, Path]:
    """The folder of each sequence; under ``""`` the folder itself where it is one sequence."""
    below = {path.name: path for path in _subfolders(folder)}
    pictures = pictures_in(folder)
    if pictures and below:
        raise DataError(
            f"{pictures[0]}: lies beside folders of sequences", "move it to its sequence's folder"
        )
    if pictures:
        return {"": folder}
    if not below:
        raise DataError(f"{folder}: holds neither pictures nor folders of sequences", LAYOUT)
    return below


def _paired(frames: Path, masks: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The frames of a folder, and the mask of each from another."""
    frame_of, mask_of = by_stem(pictures_in(frames)), by_stem(pictures_in(masks))
    if not frame_of:
        raise DataError(f"{frames}: holds no picture", "fill or remove the folder")
    _check_partners(frame_of, mask_of, kind="frames", lack="mask")
    _check_partners(mask_of, frame_of, kind="masks", lack="frame")
    return tuple(frame_of.values()), tuple(mask_of[stem] for stem in frame_of)


def _check_partners(
    ours: Mapping[str, Path], others: Collection[str], *, kind: str, lack: str
) -> None:
    alone = [path for name, path in ours.items() if name not in others]
    if alone:
        raise DataError(
            f"{alone[0]}: has no {lack} of its name ({len(alone)} of {len(ours)} {kind})",
            "frames and masks must have the same names, but for the suffix",
        )


def _by_list(found: Sequence[FrameSequence], path: Path) -> dict[str, list[FrameSequence]]:
    """Sequences by split, with their groups, as a list has it."""
    known = [sequence.name for sequence in found]
    values_of: dict[str, dict[str, str]] = {}
    rows = list(_read_list(path))
    allowed = SPLITS if any(values["split"] for _, values in rows) else ("",)
    for where, values in rows:
        name, split = values["sequence"], values["split"]
        if name not in known:
            raise DataError(f"{where}: there is no sequence {name!r}", "name folders of frames")
        if name in values_of:
            raise DataError(f"{where}: repeats the sequence {name!r}", "remove one of the rows")
        if split not in allowed:
            raise DataError(
                f"{where}: has the split {split!r}",
                "write train, val or test in every row, or nothing in any",
            )
        values_of[name] = values
    missing = [name for name in known if name not in values_of]
    if missing:
        raise DataError(
            f"{path}: has no row for the sequence {missing[0]!r} "
            f"({len(missing)} of {len(known)} sequences)",
            "list all of them",
        )
    splits: dict[str, list[FrameSequence]] = {}
    for sequence in found:
        values = values_of[sequence.name]
        listed = replace(sequence, group=values.get("group", ""))
        splits.setdefault(values["split"], []).append(listed)
    return splits


def _read_list(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """List and row, and what the row says by column; blank rows are passed over."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            cells = [[cell.strip() for cell in row] for row in csv.reader(file, strict=True)]
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a list of sequences ({error})") from None
    columns = cells[0] if cells else []
    if sorted(columns) not in (sorted(_COLUMNS), sorted(_COLUMNS[:2])):
        raise DataError(
            f"{path}: has the columns {','.join(columns)!r}",
            f"the first row must be {','.join(_COLUMNS[:2])} or {','.join(_COLUMNS)}",
        )
    for number, row in enumerate(cells[1:], start=2):
        if len(row) == len(columns):
            yield f"{path} row {number}", dict(zip(columns, row, strict=True))
        elif any(row):
            raise DataError(
                f"{path} row {number}: has {len(row)} cells where the header has {len(columns)}",
                "put quotes around a name with a comma",
            )


def _check_neighbours(root: Path, parts: Sequence[Path]) -> None:
    """What lies beside the folders of splits must not be left out unnoticed."""
    layout = (*_FRAME_FOLDERS, *_MASK_FOLDERS)
    others = [
        path
        for path in _subfolders(root)
        if path not in parts
        and (path.name.casefold() in layout or _child(path, _FRAME_FOLDERS) is not None)
    ]
    if (root / SEQUENCE_LIST).is_file():
        others.append(root / SEQUENCE_LIST)
    if others:
        raise DataError(
            f"{others[0]}: lies beside the split {parts[0].name!r}",
            "keep everything in train/, val/ and test/, or nothing",
        )


def _child(folder: Path, names: Collection[str]) -> Path | None:
    """The folder in another that has one of some names, whatever the case of letters."""
    found = [path for path in _subfolders(folder) if path.name.casefold() in names]
    if len(found) > 1:
        raise DataError(f"{folder}: has {found[0].name!r} and {found[1].name!r}", "keep one")
    return found[0] if found else None


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if is_folder(e) and not e.name.startswith(".")]
    except OSError as error:
        raise _cannot_list(folder, error) from error
    return [folder / name for name in sorted(names)]


def _cannot_list(folder: Path, error: OSError) -> DataError:
    return DataError(f"{folder}: cannot be listed ({error.strerror})", "check its permissions")
