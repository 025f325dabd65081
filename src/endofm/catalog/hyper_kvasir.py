"""Hyper-Kvasir: 373 videos of the digestive tract with a finding, and 1,000 masks of polyps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.catalog.fixed_split import split_of
from endofm.catalog.layout import folders, pictures, table, videos

NAME = "hyper-kvasir"
TERMS = (
    "the page: open for research and education, commercial use needs written permission; the "
    "LICENSE.md of its repository: CC BY 4.0"
)


def find_hyper_kvasir(root: Path) -> Found:
    """Videos below ``labeled-videos`` and stills in ``images`` beside ``masks``.

    Other stills are passed over: they are no videos.

    Raises:
        DataError: A list of labels cannot be read.
    """
    findings = _findings(root)
    return Found((*_videos(root, findings), *_segmented(root)))


def _videos(root: Path, findings: Mapping[str, str]) -> Iterator[Source]:
    for folder, _, files in folders(root):
        parts = [part.casefold() for part in folder.relative_to(root.parent).parts]
        if "labeled-videos" not in parts:
            continue
        for path in videos(folder, files):
            yield Source(
                name=f"videos/{path.stem}",
                files=(path,),
                label=findings.get(path.stem.casefold(), folder.name),
                split=split_of(NAME, path.stem),
                group=path.stem,
            )


def _segmented(root: Path) -> Iterator[Source]:
    for folder, inside, _ in folders(root):
        if not {"images", "masks"} <= set(inside) or "segmented" not in folder.name.casefold():
            continue
        for base, _, files in folders(folder / "images"):
            for path in pictures(base, files):
                masks = [folder / "masks" / f"{path.stem}{end}" for end in (path.suffix, ".png")]
                mask = next((one for one in masks if one.is_file()), None)
                if mask:
                    group = f"stills/{path.stem}"
                    yield Source(
                        name=group,
                        files=(path,),
                        picture_fps=1.0,
                        label="polyp",
                        split=split_of(NAME, group),
                        group=group,
                        masks=(mask,),
                    )


def _findings(root: Path) -> dict[str, str]:
    """What ``video-labels.csv`` or ``hyper-kvasir-video-metadata.csv`` says, by stem."""
    findings: dict[str, str] = {}
    for folder, _, files in folders(root):
        for name in files:
            lower = name.casefold()
            if lower.endswith(".csv") and "video" in lower:
                for row in table(folder / name):
                    video = _first(row, "video file", "videofile", "video", "file-name", "filename")
                    finding = _first(row, "finding 1", "finding", "class-name")
                    if video and finding:
                        findings.setdefault(Path(video).stem.casefold(), finding)
    return findings


def _first(row: Mapping[str, str], *names: str) -> str:
    return next((row[name] for name in names if row.get(name)), "")


CARD = Card(
    name=NAME,
    title="Hyper-Kvasir",
    find=find_hyper_kvasir,
    layout="labeled-videos/**/*.avi with video-labels.csv; segmented-images/images and masks",
    citation=(
        "Borgli et al.: HyperKvasir, a comprehensive multi-class image and video dataset for "
        "gastrointestinal endoscopy. Scientific Data 7 (2020), 283"
    ),
    page="https://datasets.simula.no/hyper-kvasir",
    terms=TERMS,
    modality="gastroscopy and colonoscopy, white light",
    organ="upper and lower digestive tract",
    expected={"videos": 373, "stills": 1000},
    splits="ours, by video and by still; its official folds are of labelled stills",
    overlaps={"polypdiag": "PolypDiag was made from it and from LDPolypVideo"},
)
