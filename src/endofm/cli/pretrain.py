"""``endofm pretrain``: from a folder of videos to a backbone."""

from __future__ import annotations

from typing import Annotated

import tyro

from endofm.cli.arguments import option, parse
from endofm.cli.training import initial_settings, speaks, stopped, telling_what_is_kept
from endofm.config import Settings
from endofm.report import write_report
from endofm.runfolder import RunFolder
from endofm.tasks.pretrain import pretrain
from endofm.tasks.pretrain_config import PretrainConfig


class Arguments(Settings):
    """Pre-train a video backbone on unlabelled endoscopy videos.

    The last line tells where the results are. Ctrl-C saves and stops; --resume goes on from there.
    """

    config: Annotated[PretrainConfig, tyro.conf.arg(name="")]
    preset: str | None = None
    """Settings to begin with: paper, small, tiny, or a .yaml file; options change single ones."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with the run in --out; its own settings apply."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm pretrain", default=_defaults(words))
    with telling_what_is_kept(RunFolder(arguments.config.out)):
        result = pretrain(arguments.config, resume=arguments.resume)
    page = write_report([result.run]) if speaks() else None
    if not result.finished:
        steps = {"steps": result.steps, "num_steps": result.num_steps}
        raise stopped(result.run, **steps, command="endofm pretrain")
    if page:
        print(f"done: {result.run} (weights: checkpoints/last, page: {page})")


def _defaults(words: list[str]) -> Arguments:
    """What applies where the command line says nothing."""
    config = initial_settings(
        PretrainConfig, words, task="pretrain", required={"data": ["."], "out": "."}
    )
    return Arguments.model_construct(config=config, preset=option(words, "--preset"), resume=False)
