"""PolypDiag: 253 videos, each normal or abnormal as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.catalog.fixed_split import split_of
from endofm.catalog.layout import folders, lines_of, videos
from endofm.errors import DataError

NAME = "polypdiag"
LABELS = {"0": "normal", "1": "abnormal"}
"""The original lists count abnormal, the positive class of F1, as 1."""


def find_polypdiag(root: Path) -> Found:
    """``videos/`` beside ``splits/train.txt`` and ``val.txt`` with lines of ``name.mp4,label``.

    Raises:
        DataError: A list is wrong, or two lists disagree.
    """
    for folder, inside, _ in folders(root):
        if {"videos", "splits"} <= {name.casefold() for name in inside}:
            by_name = {name.casefold(): folder / name for name in inside}
            labels = _labels(by_name["splits"])
            return Found(tuple(_sources(by_name["videos"], labels)), _notes(by_name, labels))
    return Found(())


def _sources(base: Path, labels: dict[str, str]) -> Iterator[Source]:
    for folder, _, files in folders(base):
        for path in videos(folder, files):
            if label := labels.get(path.name):
                yield Source(
                    name=path.stem,
                    files=(path,),
                    label=label,
                    split=split_of(NAME, path.stem),
                    group=path.stem,
                    is_one_clip=True,
                )


def _notes(by_name: dict[str, Path], labels: dict[str, str]) -> tuple[str, ...]:
    there = {
        path.name
        for folder, _, files in folders(by_name["videos"])
        for path in videos(folder, files)
    }
    notes = []
    if gone := sorted(set(labels) - there):
        notes.append(f"{len(gone)} listed videos are missing, the first: {gone[0]}")
    if bare := sorted(there - set(labels)):
        notes.append(f"{len(bare)} videos without a label are left out, the first: {bare[0]}")
    return tuple(notes)


def _labels(folder: Path) -> dict[str, str]:
    labels: dict[str, str] = {}
    for path in sorted(folder.glob("[!.]*.txt")):
        for number, line in enumerate(lines_of(path), start=1):
            name, _, label = (part.strip() for part in line.rpartition(","))
            if not name or label not in LABELS:
                raise DataError(
                    f"{path} line {number}: {line!r} is not 'name.mp4,0' or 'name.mp4,1'",
                    "write a video's name, a comma and its class",
                )
            if labels.setdefault(name, LABELS[label]) != LABELS[label]:
                raise DataError(
                    f"{path} line {number}: {name!r} has the other label elsewhere",
                    "find out which of the two is right",
                )
    return labels


CARD = Card(
    name=NAME,
    title="PolypDiag",
    find=find_polypdiag,
    layout="PolypDiag/videos/<name>.mp4, PolypDiag/splits/train.txt and val.txt",
    citation=(
        "Tian et al.: Contrastive transformer-based multiple instance learning for weakly "
        "supervised polyp frame detection. MICCAI 2022, 88-98"
    ),
    page="https://github.com/tianyu0207/weakly-polyp",
    terms="CC BY 4.0 for what is of Hyper-Kvasir; none stated for what is of LDPolypVideo",
    modality="gastroscopy and colonoscopy",
    organ="digestive tract",
    expected={"videos": 253},
    splits="ours, by video: the published lists name no patients",
    overlaps={
        "ldpolypvideo": "made from it: who pre-trains on it has seen test videos",
        "hyper-kvasir": "made from it: who pre-trains on it has seen test videos",
    },
)
