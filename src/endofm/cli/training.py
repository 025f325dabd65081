"""What the commands that train have in common: presets, going on, and being stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import tyro
from accelerate import PartialState

from endofm.cli.arguments import option
from endofm.config import Settings, read_preset, read_yaml
from endofm.errors import RunError
from endofm.report import write_report
from endofm.runfolder import RunFolder
from endofm.tasks import detect_config
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.finetuning import FinetuneResult
from endofm.tasks.segment_config import FrameSettings, ScoringSettings

Form = TypeVar("Form", bound=Settings)


def initial_settings(
    form: type[Form], words: Sequence[str], *, task: str, required: Mapping[str, Any]
) -> Form:
    """The settings where the command line says nothing: a preset's, or the run's to go on with.

    Args:
        form: The settings of the task.
        words: The command line.
        task: Folder of its presets.
        required: Settings that have to be given, with any value that fits.

    Raises:
        EndofmError: There is no such preset, or no run to go on with.
    """
    preset, out = option(words, "--preset"), option(words, "--out")
    values = read_preset(task, preset) if preset else {}
    if "--resume" in words and out:
        run = RunFolder(Path(out))
        if not (preset or "--data" in " ".join(words)):
            run.require_run()
        if run.holds_run and preset:
            raise RunError(f"{out} goes on with its own settings", "leave out --preset")
        if run.holds_run:
            values = read_yaml(run.config)
    typed = form.parse({**required, **values}, where=preset or str(out))
    chosen = {name: getattr(typed, name) for name in form.model_fields}
    missing = {name: tyro.MISSING for name in required if name not in values}
    return form.model_construct(**{**chosen, **missing})


@contextmanager
def telling_what_is_kept(run: RunFolder) -> Iterator[None]:
    """An interruption before the first step or by force says what is left of the run."""
    try:
        yield
    except KeyboardInterrupt:
        kept = "what was saved before is kept" if run.last_state.exists() else "nothing is saved"
        raise KeyboardInterrupt(f"{kept} in {run.path}") from None


def speaks() -> bool:
    """Is this the process that prints, of those that one launch has started?"""
    return bool(PartialState().is_main_process)


def stopped(run: Path, *, steps: int, num_steps: int, command: str) -> KeyboardInterrupt:
    """What ends a command whose run was stopped before its end."""
    return KeyboardInterrupt(
        f"step {steps} of {num_steps} is saved in {run}; go on with: {command} --out {run} --resume"
    )


def end_of_training(result: FinetuneResult, *, command: str) -> None:
    """Write the page of a finished run and tell where everything is.

    Raises:
        KeyboardInterrupt: The run was stopped before its end.
    """
    if not result.finished:
        raise stopped(result.run, steps=result.steps, num_steps=result.num_steps, command=command)
    if speaks():
        page = write_report([result.run])
        print(
            f"done: {result.run} (best weights: step {result.best_step}, page: {page}); "
            f"score them once with: endofm evaluate {result.run}"
        )


def sampling_of(preset: str | None) -> SamplingSettings | None:
    """How a preset of classification takes clips from videos."""
    if preset is None:
        return None
    values = read_preset("classify", preset).get("sampling", {})
    return SamplingSettings.parse(values, where=f"preset {preset}")


def scoring_of(preset: str | None) -> ScoringSettings | None:
    """How a preset of segmentation sees and scores frames."""
    if preset is None:
        return None
    values = read_preset("segment", preset)
    known = {name: values[name] for name in ScoringSettings.model_fields if name in values}
    return ScoringSettings.parse(known, where=f"preset {preset}")


def detecting_of(preset: str | None) -> detect_config.ScoringSettings | None:
    """How a preset of detection sees frames, and which help with one."""
    if preset is None:
        return None
    values = read_preset("detect", preset)
    known = {
        name: values[name] for name in detect_config.ScoringSettings.model_fields if name in values
    }
    return detect_config.ScoringSettings.parse(known, where=f"preset {preset}")


def frames_of(preset: str | None) -> FrameSettings | None:
    """How a preset of segmentation sees frames."""
    scoring = scoring_of(preset)
    return scoring.frames if scoring else None
