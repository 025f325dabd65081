"""``endofm predict``: what a classifier, a segmenter or a detector says of videos, over time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import torch
import tyro
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from tyro.conf import Positional

from endofm.cli.arguments import parse
from endofm.cli.training import detecting_of, frames_of, sampling_of
from endofm.config import Settings, Share
from endofm.data.manifests import video_paths
from endofm.engine.loading import task_of
from endofm.prediction.asking import DetectionOptions, predictor_of
from endofm.prediction.many import predict_videos
from endofm.prediction.mask_prediction import MaskFormat


class Arguments(Settings):
    """Write class scores over time, masks or boxes of all frames, a video with them, and a page."""

    source: Positional[str]
    """Folder of a fine-tuning run, or fine-tuned weights."""
    videos: Positional[tuple[Path, ...]]
    """Videos, folders of frames, folders to search for both, or clip lists (.csv)."""
    out: Path
    """Folder of the results, one below it for each video."""
    resume: bool = False
    """Keep the predictions that are there and make the others."""
    overwrite: bool = False
    """Replace the predictions that are there."""
    draw_video: bool = True
    """Write the videos with scores, outlines or boxes drawn; without them it is quicker."""
    preset: str | None = None
    """For weights without a run: see videos as this preset does; 'paper' for the original's."""
    classes: tuple[str, ...] | None = None
    """What the outputs of a classifier or detector without a run stand for; else numbers."""
    stride_s: PositiveFloat | None = None
    """Of a classifier: seconds from one window to the next; by default a quarter of a window."""
    batch_size: PositiveInt | None = None
    """Of a classifier: windows that go through the network at once; by default 4."""
    num_telling: NonNegativeInt | None = None
    """Of a classifier: most telling frames to show of each class; by default 3."""
    masks: MaskFormat | None = None
    """Of a segmenter: a picture a frame (png, the default) or run lengths in masks.json (rle)."""
    online: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Of a detector: let no frame wait for later ones, as in a live stream."""
    tracks: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Of a detector: tell which boxes are of one lesion (pip install --no-deps trackers)."""
    threshold: Share | None = None
    """Of a detector: score from which a box counts; by default the one that validation chose."""
    num_references: NonNegativeInt | None = None
    """Of a detector: frames that help with one; by default as in the run."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where the network runs."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm predict")
    videos = [video for path in arguments.videos for video in video_paths(path)]
    task = task_of(arguments.source)
    predictor = predictor_of(
        arguments.source,
        stride_s=arguments.stride_s,
        batch_size=arguments.batch_size,
        num_telling=arguments.num_telling,
        classes=arguments.classes,
        sampling=sampling_of(arguments.preset) if task in ("classify", None) else None,
        frames=frames_of(arguments.preset) if task == "segment" else None,
        masks=arguments.masks,
        detection=DetectionOptions(
            online=arguments.online,
            num_references=arguments.num_references,
            threshold=arguments.threshold,
            tracks=arguments.tracks,
            scoring=detecting_of(arguments.preset) if task == "detect" else None,
        ),
        device=arguments.device,
    )
    done = predict_videos(
        predictor,
        videos,
        arguments.out,
        draw_video=arguments.draw_video,
        overwrite=arguments.overwrite,
        resume=arguments.resume,
    )
    for skipped in done.skipped:
        print(f"skipped: {skipped.reason}", file=sys.stderr)
    print(
        f"{done.pages[-1]} (all videos: {done.table}; {len(done.pages) - done.num_kept} predicted, "
        f"{done.num_kept} kept, {len(done.skipped)} skipped)"
    )
