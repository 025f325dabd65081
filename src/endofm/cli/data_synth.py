"""``endofm data synth``: clips to try everything on without a download."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from endofm.catalog.synthetic_dataset import write_dataset
from endofm.catalog.synthetic_masks import write_segmented_set
from endofm.cli.arguments import parse
from endofm.config import Settings
from endofm.progress import ProgressBar


class Arguments(Settings):
    """Make synthetic endoscopy clips with a class, masks and boxes for every frame."""

    out: Path
    """A new or empty folder."""
    num_clips: PositiveInt = 60
    """Clips, a third of each kind: no polyp, adenoma, hyperplastic polyp."""
    num_patients: PositiveInt = 20
    """Synthetic patients, whose clips look alike and stay in one split."""
    num_frames: PositiveInt = 150
    """Frames of a clip."""
    size_px: PositiveInt = 256
    """Side of the square frames."""
    fps: PositiveFloat = 30.0
    """Frames a second."""
    seed: NonNegativeInt = 0
    """Same seed, same pixels."""
    every_frames: NonNegativeInt = 0
    """Also write one frame in so many with its mask, to train a segmenter on; 0 writes none."""
    num_workers: NonNegativeInt = os.cpu_count() or 1
    """Processes that render."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm data synth")
    with ProgressBar("rendering", total=arguments.num_clips, unit="clips") as bar:
        clips = write_dataset(
            arguments.out,
            num_clips=arguments.num_clips,
            num_patients=arguments.num_patients,
            num_frames=arguments.num_frames,
            size_px=arguments.size_px,
            fps=arguments.fps,
            seed=arguments.seed,
            num_workers=arguments.num_workers,
            progress=bar.set,
        )
    print(f"{clips}: {arguments.num_clips} synthetic clips")
    if arguments.every_frames:
        with ProgressBar("writing frames", total=arguments.num_clips, unit="clips") as bar:
            segmented = write_segmented_set(
                arguments.out, every_frames=arguments.every_frames, progress=bar.set
            )
        print(f"{segmented}: frames and masks for: endofm finetune segment --data {segmented}")
