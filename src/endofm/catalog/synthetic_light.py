"""Synthetic clips under two lights, white and narrow-band: a question that little training answers.

Narrow-band imaging lights the mucosa at 415 and 540 nm, which blood absorbs, and shows 540 nm as
red and 415 nm as green and blue. A colour camera sees them best in its green and blue channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endofm.data.manifests import CLIP_LIST, Video, read_clip_list, write_clip_list
from endofm.data.video import open_video, write_video
from endofm.errors import DataError

LIGHTS = ("white_light", "narrow_band")
GAINS = (0.85, 1.5, 1.2)
"""Of red, green and blue: mucosa comes out as pale green and vessels dark, as it is balanced."""


def narrow_band(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame as narrow-band imaging shows it, roughly: (H, W, 3) uint8 RGB to the same."""
    seen = frame[..., [1, 2, 2]] * np.array(GAINS)
    return np.minimum(seen, 255).astype(np.uint8)


def write_light_set(
    root: Path, *, num_patients: int, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Label a synthetic data set by light: every second clip of a patient becomes narrow-band.

    Args:
        root: What ``write_dataset`` has written; receives ``narrow_band/`` and ``light.csv``.
        num_patients: As the data set was written with.
        progress: Called with the number of clips written and of all.

    Returns:
        The clip list, ``light.csv``.
    """
    clips = read_clip_list(root / CLIP_LIST)
    (root / LIGHTS[1]).mkdir(exist_ok=True)
    listed = []
    for number, clip in enumerate(clips):
        light = LIGHTS[number // num_patients % 2]  # clips go round the patients in turn
        path = clip.path
        if light == LIGHTS[1]:
            path = root / light / clip.path.name
            write_video(path, _frames(clip, light), fps=clip.fps)
        listed.append(replace(clip, path=path, label=light))
        if progress is not None:
            progress(len(listed), len(clips))
    write_clip_list(root / "light.csv", listed)
    return root / "light.csv"


def write_examination(root: Path, path: Path, *, num_clips: int) -> Path:
    """Join clips of the test patients to one video whose light is switched between them.

    Args:
        root: What ``write_dataset`` has written.
        path: The ``.mp4`` file to write.
        num_clips: Clips to join at most; the odd ones are narrow-band.

    Raises:
        DataError: There is no clip of a test patient.
    """
    clips = [clip for clip in read_clip_list(root / CLIP_LIST) if clip.split == "test"][:num_clips]
    if not clips:
        raise DataError(f"{root} has no test patient", "make at least two patients")
    parts = (_frames(clip, LIGHTS[place % 2]) for place, clip in enumerate(clips))
    write_video(path, (frame for part in parts for frame in part), fps=clips[0].fps)
    return path


def _frames(clip: Video, light: str) -> Iterator[NDArray[np.uint8]]:
    with open_video(clip.path) as reader:
        for frame in reader.stream():
            yield narrow_band(frame) if light == LIGHTS[1] else frame
