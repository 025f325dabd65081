"""What a run writes while it goes: metrics, trackers, progress, checkpoints on request."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from safetensors.torch import save_file
from torch import Tensor

from endofm.config import Settings, differences, read_yaml
from endofm.engine.environment import describe_environment
from endofm.errors import ConfigError
from endofm.files import replacing, write_text
from endofm.runfolder import RunFolder, append_line, drop_lines_after, write_json


def make_accelerator(run: RunFolder, *, precision: str, trackers: tuple[str, ...]) -> Accelerator:
    """Device, precision and processes for a run, from the machine and the launcher.

    Raises:
        ConfigError: A tracker's package is not installed.
    """
    on_gpu = torch.cuda.is_available()
    if precision == "auto":
        precision = "bf16" if on_gpu and torch.cuda.is_bf16_supported() else "fp32"
    if precision == "fp16" and not on_gpu:
        raise ConfigError("--precision fp16 needs a GPU", "use bf16 or fp32")
    folders = ProjectConfiguration(str(run.path), logging_dir=str(run.tensorboard))
    try:
        return Accelerator(
            cpu=not on_gpu,
            mixed_precision="no" if precision == "fp32" else precision,
            log_with=list(trackers) or None,
            project_config=folders,
        )
    except ValueError as error:
        raise ConfigError(str(error), "pip install the tracker, or leave it out") from None


class RunLog:
    """Writes the files of a run; only the main process does, the others stay silent.

    Args:
        run: The run's folder.
        accelerator: Knows which process this is.
        first_step: Steps finished before; what was logged after them is dropped.
    """

    def __init__(self, run: RunFolder, *, accelerator: Accelerator, first_step: int) -> None:
        self._run, self._accelerator = run, accelerator
        self._main = accelerator.is_main_process
        if self._main:
            drop_lines_after(run.metrics, first_step)
            drop_lines_after(run.probes, first_step)
        purge = {"tensorboard": {"purge_step": first_step or None}}
        accelerator.init_trackers("", init_kwargs=purge)

    def metrics(self, step: int, record: Mapping[str, float | str]) -> None:
        """One line of metrics, for the file and every tracker."""
        if self._main:
            append_line(self._run.metrics, {"step": step, **record})
            numbers = {k: v for k, v in record.items() if not isinstance(v, str)}
            self._accelerator.log(numbers, step=step)

    def probe(self, record: Mapping[str, Any]) -> None:
        """One result of a probe."""
        if self._main:
            append_line(self._run.probes, record)
            name = f"probe/{record['metric']}"
            self._accelerator.log({name: record["value"]}, step=record["step"])

    def failure(self, step: int, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
        """What is known of a step that failed, from whichever process it failed in."""
        folder = self._run.failure(step)
        name = f"process-{self._accelerator.process_index}"
        write_json(folder / f"{name}.json", {"step": step, **facts})
        if tensors:
            with replacing(folder / f"{name}.safetensors") as draft:
                save_file({k: v.cpu().contiguous() for k, v in tensors.items()}, draft)
        return folder

    def close(self) -> None:
        """Flush the trackers."""
        self._accelerator.end_training()


def claim(run: RunFolder, config: Settings, *, resume: bool, changeable: Collection[str]) -> bool:
    """Does the run go on? Otherwise its folder is free for a new one.

    Args:
        run: The run's folder.
        config: The settings asked for.
        resume: Whether a run that is there may go on.
        changeable: Settings that may differ from the run's, since they do not change its numbers.

    Raises:
        ConfigError: A run that goes on has other settings.
        RunError: The folder of a new run is taken.
    """
    if not (resume and run.holds_run):
        run.refuse_if_taken()
        return False
    saved = type(config).parse(read_yaml(run.config), where=str(run.config))
    changed = [name for name in differences(saved, config) if name not in changeable]
    if changed:
        raise ConfigError(
            f"{run.path}: a run cannot go on with another {', '.join(changed)}",
            "leave that out, or start under another --out",
        )
    return True


def start_run(run: RunFolder, config: Settings) -> None:
    """Write what a run is, before it does anything; the settings come last and claim the folder."""
    run.path.mkdir(parents=True, exist_ok=True)
    write_text(run.environment, json.dumps(describe_environment(), indent=2) + "\n")
    write_text(run.config, config.dump_yaml())
