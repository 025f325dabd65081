"""CholecT45: 45 laparoscopic gallbladder removals, one frame a second, with action triplets."""

from __future__ import annotations

import re
from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.catalog.layout import folders, pictures, videos

NAME = "cholect45"
FPS = 1.0
FOLDS = (
    (79, 2, 51, 6, 25, 14, 66, 23, 50),
    (80, 32, 5, 15, 40, 47, 26, 48, 70),
    (31, 57, 36, 18, 52, 68, 10, 8, 73),
    (42, 29, 60, 27, 65, 75, 22, 49, 12),
    (78, 43, 62, 35, 74, 1, 56, 4, 13),
)
"""Of the official cross-validation."""
TEST_FOLD = 1
NUM_VAL = 5

_VIDEO = re.compile(r"VID(\d+)", re.IGNORECASE)
_CLIP = re.compile(r"(?:.*_)?(VID\d+)_\d+", re.IGNORECASE)


def find_cholect45(root: Path) -> Found:
    """Folders ``VID<NN>`` of frames, one a second; or clips called ``..._VID<NN>_<second>``."""
    sources: list[Source] = []
    for folder, _, files in folders(root):
        frames = pictures(folder, files)
        if _VIDEO.fullmatch(folder.name) and frames:
            sources.append(_source(folder.name, tuple(frames), folder.name, picture_fps=FPS))
        for path in videos(folder, files):
            if found := _CLIP.fullmatch(path.stem) or _VIDEO.fullmatch(path.stem):
                video = found[1] if found.re is _CLIP else found[0]
                sources.append(_source(path.stem, (path,), video, picture_fps=None))
    return Found(tuple(sources))


def _source(name: str, files: tuple[Path, ...], video: str, *, picture_fps: float | None) -> Source:
    return Source(
        name=name,
        files=files,
        picture_fps=picture_fps,
        split=split_of_video(int(video[3:])),
        group=video.upper(),
    )


def split_of_video(number: int, *, test_fold: int = TEST_FOLD) -> str:
    """The official split of a video: a fold is test, the last five of the others validation.

    A video of none of the folds, as CholecT50 has, is for training.
    """
    others = [fold for count, fold in enumerate(FOLDS, start=1) if count != test_fold]
    if number in FOLDS[test_fold - 1]:
        return "test"
    rest = [video for fold in others for video in fold]
    return "val" if number in rest[-NUM_VAL:] else "train"


CARD = Card(
    name=NAME,
    title="CholecT45 / CholecTriplet",
    find=find_cholect45,
    layout="CholecT45/data/VID01/000000.png, or video clips called after VID01",
    citation=(
        "Nwoye et al.: Rendezvous: Attention mechanisms for the recognition of surgical action "
        "triplets in endoscopic videos. Medical Image Analysis 78 (2022), 102433"
    ),
    page="https://github.com/CAMMA-public/cholect45",
    terms="CC BY-NC-SA 4.0, by request",
    modality="laparoscopy",
    organ="gallbladder",
    expected={"videos": 45, "pictures": 90489},
    splits="official, by video: fold 1 is test, the last five training videos are val",
)
