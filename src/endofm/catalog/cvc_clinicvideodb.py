"""CVC-ClinicVideoDB: 18 colonoscopy videos, a mask beside each frame."""

from __future__ import annotations

import os
from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.catalog.fixed_split import split_of
from endofm.catalog.layout import folders, pictures

NAME = "cvc-clinicvideodb"
FPS = 25.0


def find_cvc_clinicvideodb(root: Path) -> Found:
    """Folders in which pictures and their masks lie together: ``1.png`` and ``1_mask.tif``.

    A mask's name contains ``mask``; what stands before its first ``_`` is its frame.
    """
    paired = [(folder, *_pairs(pictures(folder, files))) for folder, _, files in folders(root)]
    paired = [(folder, frames, masks) for folder, frames, masks in paired if any(masks)]
    base = os.path.commonpath([folder.parent for folder, _, _ in paired] or [root])
    return Found(
        tuple(
            Source(
                name=(name := folder.relative_to(base).as_posix()),
                files=frames,
                picture_fps=FPS,
                label="polyp",
                split=split_of(NAME, name),
                group=name,
                masks=masks,
            )
            for folder, frames, masks in paired
        )
    )


def _pairs(found: list[Path]) -> tuple[tuple[Path, ...], tuple[Path | None, ...]]:
    """The frames of a folder, and the mask of each."""
    masks = {path.stem.split("_")[0]: path for path in found if _is_mask(path)}
    frames = tuple(path for path in found if not _is_mask(path))
    return frames, tuple(masks.get(path.stem.split("_")[0]) for path in frames)


def _is_mask(path: Path) -> bool:
    return "mask" in path.stem.casefold()


CARD = Card(
    name=NAME,
    title="CVC-ClinicVideoDB (GIANA)",
    find=find_cvc_clinicvideodb,
    layout="<video>/<frame>.png with <frame>_mask.png beside it",
    citation=(
        "Angermann et al.: Towards real-time polyp detection in colonoscopy videos. CARE and CLIP "
        "2017, 29-41"
    ),
    page="https://giana.grand-challenge.org",
    terms="by request; see its page",
    modality="colonoscopy, white light",
    organ="colon",
    expected={"videos": 18},
    splits="ours, by video",
)
