"""``endofm predict``: what a classifier says of videos, over time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import torch
import tyro
from tyro.conf import Positional

from endofm.cli.arguments import parse
from endofm.cli.training import sampling_of
from endofm.config import Settings
from endofm.data.manifests import video_paths
from endofm.prediction.classify import PredictSettings
from endofm.prediction.many import predict_videos
from endofm.tasks.classify_trained import read_trained


class Arguments(Settings):
    """Write class scores over time, a video with them drawn, and a page to look at."""

    source: Positional[str]
    """Folder of a fine-tuning run, or a classifier's weights."""
    videos: Positional[tuple[Path, ...]]
    """Videos, folders of frames, folders to search for both, or clip lists (.csv)."""
    out: Path
    """Folder of the results, one below it for each video."""
    resume: bool = False
    """Keep the predictions that are there and make the others."""
    overwrite: bool = False
    """Replace the predictions that are there."""
    draw_video: bool = True
    """Write the videos with the scores drawn; without them it is quicker."""
    preset: str | None = None
    """For weights without a run: take clips as this preset does; 'paper' for the original's."""
    classes: tuple[str, ...] | None = None
    """What the outputs of weights without a run stand for; else 0, 1, ... ."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where the network runs."""
    settings: Annotated[PredictSettings, tyro.conf.arg(name="")] = PredictSettings()


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm predict")
    videos = [video for path in arguments.videos for video in video_paths(path)]
    trained = read_trained(
        arguments.source,
        sampling=sampling_of(arguments.preset),
        classes=arguments.classes,
        device=arguments.device,
    )
    done = predict_videos(
        trained,
        videos,
        arguments.out,
        settings=arguments.settings,
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
