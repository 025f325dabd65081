"""Synthetic endoscopy: labelled clips of a stylised colon, so that a tour needs no download.

Clips show no polyp, an adenoma or a hyperplastic polyp, with a mask and a box for every frame.
Colour, light and anatomy vary from patient to patient more than a polyp changes a picture, so that
it has to be seen. The seed decides every pixel.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endofm.catalog.synthetic_patient import draw_patient
from endofm.catalog.synthetic_polyp import POLYP_KINDS
from endofm.catalog.synthetic_render import Renderer
from endofm.catalog.synthetic_scene import build_scene
from endofm.errors import ConfigError

KINDS = ("no_polyp", *POLYP_KINDS)

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class SyntheticClip:
    """A rendered clip."""

    frames: NDArray[np.uint8]
    """RGB, (T, H, W, 3)."""
    masks: NDArray[np.bool_]
    """The polyp's visible part, (T, H, W)."""
    boxes_xyxy: tuple[Box | None, ...]
    """For each frame the mask's tight box in pixels, right and lower edge exclusive; None where
    no polyp is in view."""
    kind: str
    patient: int


def render_clip(
    *,
    seed: int,
    kind: str,
    patient: int = 0,
    num_frames: int = 150,
    size_px: int = 256,
    fps: float = 30.0,
) -> SyntheticClip:
    """Render a clip; arguments and errors are those of ``render_frames``."""
    pairs = render_frames(
        seed=seed, kind=kind, patient=patient, num_frames=num_frames, size_px=size_px, fps=fps
    )
    frames, masks = zip(*pairs, strict=True)
    return SyntheticClip(
        frames=np.stack(frames),
        masks=np.stack(masks),
        boxes_xyxy=tuple(tight_box(mask) for mask in masks),
        kind=kind,
        patient=patient,
    )


def render_frames(
    *, seed: int, kind: str, patient: int, num_frames: int, size_px: int, fps: float
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Render a clip frame by frame.

    With the same seed and patient, another ``kind`` changes the polyp alone, and more frames
    continue the clip.

    Args:
        seed: Decides the stretch of colon, the camera's path and the polyp.
        kind: One of ``KINDS``.
        patient: Decides tissue, anatomy and endoscope: clips of one patient look alike.
        num_frames: Number of frames.
        size_px: Side of the square frames.
        fps: Frames in a second of the camera's motion.

    Yields:
        A frame (H, W, 3), RGB, and the mask (H, W) of the polyp's visible part.

    Raises:
        ConfigError: ``kind`` is unknown or a number is out of range.
    """
    if kind not in KINDS:
        raise ConfigError(f"no synthetic clips of kind {kind!r}", f"choose from {', '.join(KINDS)}")
    check_sizes(num_frames=num_frames, size_px=size_px, fps=fps)
    style = draw_patient(np.random.default_rng(patient))
    scene = build_scene(style, kind if kind in POLYP_KINDS else None, seed=seed)
    renderer = Renderer(scene, size_px=size_px, seed=seed)
    for index in range(num_frames):
        yield renderer.frame(index, index / fps)


def check_sizes(*, num_frames: int, size_px: int, fps: float) -> None:
    """Raise ``ConfigError`` unless a clip of this form can be rendered and encoded."""
    if num_frames < 1 or fps <= 0:
        raise ConfigError(
            f"a clip of {num_frames} frames at {fps:g} frames a second is empty",
            "give at least 1 frame and a positive rate",
        )
    if size_px < 32 or size_px % 2:
        raise ConfigError(
            f"frames of {size_px} px cannot be rendered", "give an even size of at least 32"
        )


def tight_box(mask: NDArray[np.bool_]) -> Box | None:
    """Smallest x0, y0, x1, y1 around a mask (H, W), the last two exclusive; None if it is empty."""
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
