"""``endofm demo``: the whole tour on synthetic clips."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pydantic import NonNegativeInt, PositiveInt

from endofm.catalog.synthetic_dataset import write_dataset
from endofm.cli.arguments import parse
from endofm.config import Settings, read_preset
from endofm.errors import RunError
from endofm.progress import ProgressBar
from endofm.report import write_report
from endofm.tasks.pretrain import pretrain
from endofm.tasks.pretrain_config import PretrainConfig

NUM_FRAMES = 64
"""Frames of a clip: 2.1 s, enough for views and quicker to render than the method's 5 s."""
SIZE_PX = 160


class Arguments(Settings):
    """Make synthetic clips, pre-train a tiny backbone on them, and show whether it learnt."""

    out: Path = Path("endofm-demo")
    """A new folder."""
    overwrite: bool = False
    """Replace an earlier demo there."""
    num_clips: PositiveInt = 72
    """Clips to make."""
    steps: PositiveInt = 60
    """Steps to pre-train."""
    seed: NonNegativeInt = 0
    """Of the clips and the training."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm demo")
    _make_way(arguments)
    data = arguments.out / "data"
    print(f"1/3 {arguments.num_clips} synthetic clips with masks, boxes and labels -> {data}")
    with ProgressBar("rendering", total=arguments.num_clips, unit="clips") as bar:
        clips = write_dataset(
            data,
            num_clips=arguments.num_clips,
            num_patients=arguments.num_clips // 4,
            num_frames=NUM_FRAMES,
            size_px=SIZE_PX,
            seed=arguments.seed,
            num_workers=os.cpu_count() or 1,
            progress=bar.set,
        )
    run = arguments.out / "pretrain"
    print(f"2/3 pre-training without labels, k-NN before and after -> {run}")
    pretrain(_config(arguments, clips, run))
    print("3/3 the page")
    print(write_report([run]))


def _config(arguments: Arguments, clips: Path, run: Path) -> PretrainConfig:
    preset = read_preset("pretrain", "tiny")
    changes = {
        "data": [clips.parent / "videos"],
        "out": run,
        "steps": arguments.steps,
        "seed": arguments.seed,
        "data_note": "synthetic",
        "probe": {**preset["probe"], "clips": clips, "every": arguments.steps},
    }
    return PretrainConfig.parse({**preset, **changes}, where="the demo's settings")


def _make_way(arguments: Arguments) -> None:
    if not arguments.out.exists():
        return
    known = {"data", "pretrain"}
    if not arguments.overwrite or any(p.name not in known for p in arguments.out.iterdir()):
        raise RunError(
            f"{arguments.out} exists", "add --overwrite for an earlier demo, or name another --out"
        )
    shutil.rmtree(arguments.out)
