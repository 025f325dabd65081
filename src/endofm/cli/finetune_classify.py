"""``endofm finetune classify``: from labelled videos to a classifier and its score."""

from __future__ import annotations

from typing import Annotated

import tyro

from endofm.cli.arguments import option, parse
from endofm.cli.training import initial_settings, speaks, stopped, telling_what_is_kept
from endofm.config import Settings
from endofm.report import write_report
from endofm.runfolder import RunFolder
from endofm.tasks.classify import finetune
from endofm.tasks.classify_config import ClassifyConfig


class Arguments(Settings):
    """Train a classifier of endoscopy videos.

    The last line tells where the results are. Ctrl-C saves and stops; --resume goes on from there.
    """

    config: Annotated[ClassifyConfig, tyro.conf.arg(name="")]
    preset: str | None = None
    """Settings to begin with: paper, tiny, or a .yaml file; options change single ones."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with the run in --out; its own settings apply."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm finetune classify", default=_defaults(words))
    with telling_what_is_kept(RunFolder(arguments.config.out)):
        result = finetune(arguments.config, resume=arguments.resume)
    if not result.finished:
        steps = {"steps": result.steps, "num_steps": result.num_steps}
        raise stopped(result.run, **steps, command="endofm finetune classify")
    if not speaks():
        return
    page = write_report([result.run])
    print(
        f"done: {result.run} (best weights: step {result.best_step}, page: {page}); "
        f"score them once with: endofm evaluate {result.run}"
    )


def _defaults(words: list[str]) -> Arguments:
    """What applies where the command line says nothing."""
    config = initial_settings(
        ClassifyConfig, words, task="classify", required={"data": ".", "out": "."}
    )
    return Arguments.model_construct(config=config, preset=option(words, "--preset"), resume=False)
