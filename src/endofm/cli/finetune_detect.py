"""``endofm finetune detect``: from frames and boxes to a detector and its score."""

from __future__ import annotations

from typing import Annotated

import tyro

from endofm.cli.arguments import option, parse
from endofm.cli.training import end_of_training, initial_settings, telling_what_is_kept
from endofm.config import Settings
from endofm.runfolder import RunFolder
from endofm.tasks.detect import finetune
from endofm.tasks.detect_config import DetectConfig


class Arguments(Settings):
    """Train a detector of lesions in endoscopy video.

    The last line tells where the results are. Ctrl-C saves and stops; --resume goes on from there.
    """

    config: Annotated[DetectConfig, tyro.conf.arg(name="")]
    preset: str | None = None
    """Settings to begin with: paper, small, tiny, or a .yaml file; options change single ones."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with the run in --out; its own settings apply."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm finetune detect", default=_defaults(words))
    with telling_what_is_kept(RunFolder(arguments.config.out)):
        result = finetune(arguments.config, resume=arguments.resume)
    end_of_training(result, command="endofm finetune detect")


def _defaults(words: list[str]) -> Arguments:
    """What applies where the command line says nothing."""
    config = initial_settings(
        DetectConfig, words, task="detect", required={"data": ".", "out": "."}
    )
    return Arguments.model_construct(config=config, preset=option(words, "--preset"), resume=False)
