"""Small sets of segmented sequences on disk: bright discs on a dark, noisy ground."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE_HW = (32, 48)
LAYOUT = ("frames", "masks")


def write_picture(path: Path, picture: NDArray[Any]) -> Path:
    """A picture in OpenCV's order of channels; the suffix says which kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())
    return path


def disc(centre_yx: tuple[float, float], radius_px: float, size_hw: Sequence[int]) -> NDArray[Any]:
    """Where a disc is, (H, W) bool."""
    y, x = np.ogrid[: size_hw[0], : size_hw[1]]
    return (y - centre_yx[0]) ** 2 + (x - centre_yx[1]) ** 2 <= radius_px**2


def write_pair(
    frame: Path,
    mask: Path,
    *,
    rng: np.random.Generator,
    lesion: bool = True,
    size_hw: tuple[int, int] = SIZE_HW,
) -> None:
    """A frame with one disc, or without, and its mask of 0 and 255."""
    centre_yx = rng.uniform(0.35, 0.65, 2) * size_hw
    where = disc(tuple(centre_yx), 0.25 * min(size_hw), size_hw) & lesion  # (H, W)
    picture = rng.integers(30, 70, (*size_hw, 3)) + 120 * where[..., None]  # (H, W, 3)
    write_picture(frame, picture.astype(np.uint8))
    write_picture(mask, where.astype(np.uint8) * 255)


def write_sequence(
    root: Path,
    name: str,
    *,
    num_frames: int = 3,
    lesion: bool = True,
    size_hw: tuple[int, int] = SIZE_HW,
    layout: tuple[str, str] = LAYOUT,
    suffixes: tuple[str, str] = (".png", ".png"),
    seed: int = 0,
) -> None:
    """Frames 1 to N of one sequence with their masks, in ``root``'s folders of both."""
    rng = np.random.default_rng([seed, *name.encode()])
    for number in range(1, num_frames + 1):
        frame, mask = (
            root / folder / name / f"{number}{suffix}"
            for folder, suffix in zip(layout, suffixes, strict=True)
        )
        write_pair(frame, mask, rng=rng, lesion=lesion, size_hw=size_hw)


def write_set(root: Path, names: Sequence[str] = "abcdefghij", **how: Any) -> Path:
    """Sequences of a set without splits; for ``how`` see ``write_sequence``."""
    for name in names:
        write_sequence(root, name, **how)
    return root


def write_list(root: Path, *rows: str, header: str = "sequence,split") -> None:
    """The list of a set's sequences."""
    (root / "sequences.csv").write_text("\n".join([header, *rows]), encoding="utf-8")


def write_cvc(
    root: Path,
    numbers: Sequence[int] = range(1, 613),
    *,
    size_hw: tuple[int, int] = SIZE_HW,
    suffix: str = ".png",
) -> Path:
    """What looks like CVC-ClinicDB."""
    rng = np.random.default_rng(0)
    for number in numbers:
        name = f"{number}{suffix}"
        write_pair(root / "Original" / name, root / "Ground Truth" / name, rng=rng, size_hw=size_hw)
    return root
