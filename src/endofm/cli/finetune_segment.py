"""``endofm finetune segment``: from frames and masks to a segmenter and its score."""

from __future__ import annotations

from typing import Annotated

import tyro

from endofm.cli.arguments import option, parse
from endofm.cli.training import end_of_training, initial_settings, telling_what_is_kept
from endofm.config import Settings
from endofm.runfolder import RunFolder
from endofm.tasks.segment import finetune
from endofm.tasks.segment_config import SegmentConfig


class Arguments(Settings):
    """Train a segmenter of lesions in endoscopy video.

    The last line tells where the results are. Ctrl-C saves and stops; --resume goes on from there.
    """

    config: Annotated[SegmentConfig, tyro.conf.arg(name="")]
    preset: str | None = None
    """Settings to begin with: paper, small, tiny, or a .yaml file; options change single ones."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with the run in --out; its own settings apply."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm finetune segment", default=_defaults(words))
    with telling_what_is_kept(RunFolder(arguments.config.out)):
        result = finetune(arguments.config, resume=arguments.resume)
    end_of_training(result, command="endofm finetune segment")


def _defaults(words: list[str]) -> Arguments:
    """What applies where the command line says nothing."""
    config = initial_settings(
        SegmentConfig, words, task="segment", required={"data": ".", "out": "."}
    )
    return Arguments.model_construct(config=config, preset=option(words, "--preset"), resume=False)
