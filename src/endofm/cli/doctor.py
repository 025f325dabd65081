"""``endofm doctor``: what this machine has, what is missing, what to type."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import torch
from rich.console import Console
from rich.table import Table

from endofm.cli.arguments import parse
from endofm.config import Settings
from endofm.engine.environment import describe_environment
from endofm.errors import EndofmError

CODECS = ("h264", "hevc", "mpeg4", "vp9", "av1", "mjpeg")
OPTIONAL = {"wandb": "--trackers wandb", "mlflow": "--trackers mlflow"}
LITTLE_DISK_GB = 10
MATRIX_SIZE = 2048


class Arguments(Settings):
    """Show what this machine has, what is missing, and what to type."""


@dataclass(frozen=True)
class Finding:
    """One line of the table; ``cure`` says what to do where something is not as it should be."""

    what: str
    state: str
    cure: str = ""
    essential: bool = False


def main(words: list[str]) -> None:
    """Run the command.

    Raises:
        EndofmError: Something essential is missing.
    """
    parse(Arguments, words, prog="endofm doctor")
    findings = [*_software(), *_machine(), *_optional()]
    table = Table("", "found", "to do", box=None, header_style="bold", pad_edge=False)
    for finding in findings:
        colour = "" if not finding.cure else "red" if finding.essential else "yellow"
        table.add_row(finding.what, finding.state, finding.cure, style=colour)
    Console().print(table)
    missing = [finding.what for finding in findings if finding.essential and finding.cure]
    if missing:
        raise EndofmError(f"not ready: {', '.join(missing)}", "see the column 'to do'")
    print("\nready: try 'endofm demo', or 'endofm pretrain --data VIDEOS --out RUN --preset tiny'")


def _software() -> Iterator[Finding]:
    environment = describe_environment()
    yield Finding("Python", environment["python"])
    for name, version in environment["packages"].items():
        cure = "" if version != "absent" else f"pip install {name}"
        yield Finding(name, version, cure, essential=name != "endofm")
    lacking = [name for name in CODECS if name not in av.codecs_available]
    cure = "pip install --force-reinstall av" if lacking else ""
    state = ", ".join(name for name in CODECS if name not in lacking)
    yield Finding("video decoders", state, cure, essential=True)
    can_write = "libx264" in av.codecs_available
    cure = "" if can_write else "pip install --force-reinstall av"
    yield Finding("H.264 encoder", "yes" if can_write else "no", cure)


def _machine() -> Iterator[Finding]:
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        yield Finding(f"GPU {index}", f"{facts.name}, {facts.total_memory / 1e9:.0f} GB")
    if not torch.cuda.is_available():
        cure = "use --preset tiny here; base wants a GPU and a CUDA build of torch"
        yield Finding("GPU", "none", cure)
    yield Finding("processors", f"{os.cpu_count()} ({torch.get_num_threads()} threads)")
    yield Finding("matrix rate", f"{_matrix_gflops():.0f} GFLOP/s in fp32 on the processor")
    if sys.platform == "linux":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        yield Finding("memory", f"{memory / 1e9:.0f} GB")
        shared = shutil.disk_usage("/dev/shm").total
        cure = "in a container: --shm-size 8g, or --num-workers 0" if shared < 1e9 else ""
        yield Finding("shared memory", f"{shared / 1e9:.1f} GB", cure)
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    cure = "a checkpoint of the base model takes 3 GB" if free < LITTLE_DISK_GB else ""
    yield Finding("free disk here", f"{free:.0f} GB", cure)


def _optional() -> Iterator[Finding]:
    for package, use in OPTIONAL.items():
        found = importlib.util.find_spec(package) is not None
        state = "installed" if found else f"not installed; only for {use}"
        yield Finding(package, state)


def _matrix_gflops() -> float:
    matrix = torch.rand(MATRIX_SIZE, MATRIX_SIZE)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - began)
    return 2 * MATRIX_SIZE**3 / min(times) / 1e9
