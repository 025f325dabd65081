"""``endofm pretrain``: from a folder of videos to a backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from endofm.cli.arguments import option, parse
from endofm.config import Settings, read_preset, read_yaml
from endofm.errors import RunError
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
    run = RunFolder(arguments.config.out)
    try:
        result = pretrain(arguments.config, resume=arguments.resume)
    except KeyboardInterrupt:
        kept = "what was saved before is kept" if run.last_state.exists() else "nothing is saved"
        raise KeyboardInterrupt(f"{kept} in {run.path}") from None
    page = write_report([result.run])
    if not result.finished:
        raise KeyboardInterrupt(
            f"step {result.steps} of {result.num_steps} is saved in {result.run}; "
            f"go on with: endofm pretrain --out {result.run} --resume"
        )
    print(f"done: {result.run} (weights: checkpoints/last, page: {page})")


def _defaults(words: list[str]) -> Arguments:
    """What applies where the command line says nothing: a preset, or the run to go on with."""
    preset, out = option(words, "--preset"), option(words, "--out")
    values = read_preset("pretrain", preset) if preset else {}
    if "--resume" in words and out and not (preset or "--data" in " ".join(words)):
        RunFolder(Path(out)).require_run()
    if "--resume" in words and out and (run := RunFolder(Path(out))).holds_run:
        if preset:
            raise RunError(f"{out} goes on with its own settings", "leave out --preset")
        values = read_yaml(run.config)
    fields = PretrainConfig.model_fields
    typed = PretrainConfig.parse({"data": ["."], "out": ".", **values}, where=preset or str(out))
    chosen = {name: getattr(typed, name) for name in fields}
    for name in ("data", "out"):
        if name not in values:
            chosen[name] = tyro.MISSING
    return Arguments.model_construct(
        config=PretrainConfig.model_construct(**chosen), preset=preset, resume=False
    )
