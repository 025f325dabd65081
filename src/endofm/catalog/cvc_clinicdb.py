"""CVC-ClinicDB: 612 colonoscopy frames of 384 x 288 px in 29 sequences, each with a polyp mask.

Our split is by sequence. The sequences show 23 to 25 patients, and no source says which belong
together; neighbours may. So the splits are blocks of neighbours: 1 to 17 train, 18 to 21 val, 22
to 29 test. That leaves two places only, between 17 and 18 and between 21 and 22, where a patient
could be on both sides.

The original Endo-FM trained on 7 of its 9 test sequences, and left 7 of the 29 out; its lists are
kept for comparison.
"""

import csv
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.data.label_sources import SPLITS
from endofm.data.masks import THRESHOLD
from endofm.data.segmented import FrameSequence, SegmentedSet, complete_set
from endofm.data.segmented_search import by_stem, is_laid_out, pictures_in
from endofm.errors import DataError

CITATION = (
    "Bernal et al.: WM-DOVA maps for accurate polyp highlighting in colonoscopy. "
    "Computerized Medical Imaging and Graphics 43 (2015), 99-111"
)
TERMS = "Hospital Clinic and Computer Vision Center, Barcelona: for research and education only"
LEAKS = (
    "the original's split of CVC-ClinicDB leaks: 7 of the 9 test sequences were trained on, so the "
    "numbers are too good"
)
NUM_FRAMES = 612
SEQUENCES_SHA256 = "7eda4c320535abcba9f50993edd7fe63b4567d8e5cd2cf5c8d958593695994fa"
"""Of ``cvc_clinicdb.csv``, from which results follow."""

FPS = 25.0
"""Nobody says how far apart the frames were taken; they are played at the rate of the cameras."""

_MAX_DEPTH = 3
_FRAMES, _MASKS = "original", "ground truth"


def is_cvc_clinicdb(root: Path) -> bool:
    """Whether a folder, or one up to three levels below it, is CVC-ClinicDB or a part of it.

    That is an ``Original`` beside a ``Ground Truth``, which themselves hold pictures numbered from
    1 to at most 612.
    """
    return _find(root) is not None


def read_cvc_clinicdb(
    root: Path,
    *,
    original_split: bool = False,
    select_on_test: bool = False,
    threshold: int = THRESHOLD,
    progress: Callable[[int, int], None] | None = None,
) -> SegmentedSet:
    """The sequences of CVC-ClinicDB, called ``sequence-01`` to ``sequence-29``, all checked.

    Args:
        root: Where ``is_cvc_clinicdb`` finds it.
        original_split: Split as the original Endo-FM did, which leaks and selects on test.
        select_on_test: Let ``val`` be the sequences of ``test``.
        threshold: Least value of a mask that is lesion, 1 to 255.
        progress: Called with (frames checked, frames altogether) after each frame.

    Raises:
        DataError: It is not there, some of it is missing, or a picture cannot be used.
    """
    found = _find(root)
    if found is None:
        raise DataError(
            f"{root}: holds no CVC-ClinicDB",
            "give the folder with Original/1.tif to 612.tif and 'Ground Truth'/1.tif to 612.tif",
        )
    frames, masks = (_numbered(folder) for folder in found)
    result = complete_set(
        root,
        _split(frames, masks, original_split=original_split),
        threshold=threshold,
        select_on_test=select_on_test or original_split,
        progress=progress,
    )
    return replace(result, notes=(LEAKS, *result.notes)) if original_split else result


def _split(
    frames: Mapping[int, Path], masks: Mapping[int, Path], *, original_split: bool
) -> dict[str, list[FrameSequence]]:
    table = resources.files("endofm") / "catalog" / "cvc_clinicdb.csv"
    splits: dict[str, list[FrameSequence]] = {}
    for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines()):
        numbers = range(int(row["first_frame"]), int(row["last_frame"]) + 1)
        sequence = FrameSequence(
            f"sequence-{int(row['sequence']):02d}",
            tuple(frames[number] for number in numbers),
            tuple(masks[number] for number in numbers),
        )
        if original_split:
            names = [split for split in ("train", "test") if row[f"original_{split}"] == "1"]
        else:
            names = [row["split"]]
        for name in names:
            splits.setdefault(name, []).append(sequence)
    return splits


def _find(root: Path) -> tuple[Path, Path] | None:
    """The folders of frames and of masks; those nearest to ``root`` on the way down."""
    for folder, names, _ in os.walk(root, followlinks=True):
        path_of = {name.casefold(): Path(folder, name) for name in sorted(names, reverse=True)}
        if _FRAMES in path_of and _MASKS in path_of:
            found = path_of[_FRAMES], path_of[_MASKS]
            if all(_holds_numbered(path) for path in found):
                return found
        depth = len(Path(folder).relative_to(root).parts)
        if depth == _MAX_DEPTH or (depth == 0 and is_laid_out(root)):
            names.clear()
        names[:] = sorted(name for name in names if _may_hold(name))
    return None


def _may_hold(name: str) -> bool:
    """Whether to look into a folder; what someone has split already is another set."""
    return not name.startswith(".") and name.casefold() not in SPLITS


def _holds_numbered(folder: Path) -> bool:
    stems = {path.stem for path in pictures_in(folder)}
    return bool(stems) and all(stem.isdecimal() and 1 <= int(stem) <= NUM_FRAMES for stem in stems)


def _numbered(folder: Path) -> dict[int, Path]:
    """All pictures of a folder by number, from 1 to 612."""
    path_of = {int(stem): path for stem, path in by_stem(pictures_in(folder)).items()}
    missing = [number for number in range(1, NUM_FRAMES + 1) if number not in path_of]
    if missing:
        raise DataError(
            f"{folder}: lacks {len(missing)} of the {NUM_FRAMES} pictures of CVC-ClinicDB, the "
            f"first: {missing[0]}",
            "copy the whole set; if it is another one, make a folder for each of its sequences",
        )
    return path_of


def find_cvc_clinicdb(root: Path) -> Found:
    """The 29 sequences as videos.

    Raises:
        DataError: Some of it is missing.
    """
    found = _find(root)
    if found is None:
        return Found(())
    frames, masks = (_numbered(folder) for folder in found)
    splits = _split(frames, masks, original_split=False)
    sources = [
        Source(
            name=sequence.name,
            files=sequence.frames,
            picture_fps=FPS,
            label="polyp",
            split=split,
            group=sequence.name,
            masks=sequence.masks,
        )
        for split, sequences in splits.items()
        for sequence in sequences
    ]
    return Found(tuple(sorted(sources, key=lambda source: source.name)))


CARD = Card(
    name="cvc-clinicdb",
    title="CVC-ClinicDB",
    find=find_cvc_clinicdb,
    layout="Original/1.tif to 612.tif and 'Ground Truth'/1.tif to 612.tif",
    citation=CITATION,
    page="https://polyp.grand-challenge.org/CVCClinicDB/",
    terms=TERMS,
    modality="colonoscopy, white light",
    organ="colon",
    expected={"videos": 29, "pictures": NUM_FRAMES},
    splits="ours, by blocks of neighbouring sequences",
)
