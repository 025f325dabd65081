"""``endofm embed``: features of videos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import torch
import tyro
from tyro.conf import Positional

from endofm.cli.arguments import option, parse
from endofm.config import Settings, read_yaml
from endofm.data.manifests import video_paths
from endofm.embedding import EmbedSettings, embed_videos
from endofm.engine.loading import load
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder
from endofm.tasks.classify_config import ClassifyConfig
from endofm.tasks.pretrain_config import PretrainConfig


class Arguments(Settings):
    """Write features of videos over time to one .npz file (no pickles in it)."""

    videos: Positional[tuple[Path, ...]]
    """Videos, folders of frames, folders to search for both, or clip lists (.csv)."""
    weights: str
    """Original .pth, our .safetensors, a run folder, or a Hub id."""
    out: Path
    """The .npz file: features (N, D), times_s (N,), video_index (N,), videos."""
    overwrite: bool = False
    """Replace the file if it exists."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where the backbone runs."""
    settings: Annotated[EmbedSettings, tyro.conf.arg(name="")] = EmbedSettings()


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm embed", default=_defaults(words))
    videos = [video for path in arguments.videos for video in video_paths(path)]
    backbone = load(arguments.weights).to(arguments.device)
    with ProgressBar("embedding", total=len(videos), unit="videos") as bar:
        done = embed_videos(
            backbone,
            videos,
            arguments.out,
            settings=arguments.settings,
            overwrite=arguments.overwrite,
            progress=bar.set,
        )
    for skipped in done.skipped:
        print(f"skipped: {skipped.reason}", file=sys.stderr)
    print(
        f"{done.path}: {done.num_windows} windows of {done.num_videos} videos, "
        f"{len(done.skipped)} skipped"
    )


def _defaults(words: list[str]) -> Arguments:
    """What applies where the command line says nothing: frames as large as the run trained on."""
    fields = {
        name: tyro.MISSING if field.is_required() else field.default
        for name, field in Arguments.model_fields.items()
    }
    weights = option(words, "--weights")
    if weights and (run := RunFolder(Path(weights))).holds_run and not run.sequences.is_file():
        fields["settings"] = EmbedSettings(size_px=_trained_size_px(run))
    return Arguments.model_construct(**fields)


def _trained_size_px(run: RunFolder) -> int:
    """Side of the frames of a pre-training or a classification."""
    values, where = read_yaml(run.config), str(run.config)
    if run.labelled.is_file():
        return ClassifyConfig.parse(values, where=where).sampling.size_px
    return PretrainConfig.parse(values, where=where).views.global_size_px
