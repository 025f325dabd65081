"""``endofm convert``: original checkpoints to safetensors and back."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from endofm.cli.arguments import parse
from endofm.config import Settings
from endofm.convert import convert


class Arguments(Settings):
    """Convert original checkpoints (.pth) to safetensors, and ours back; nothing in them is run."""

    source: Positional[Path]
    """A .pth or .safetensors file, or a run folder."""
    target: Positional[Path]
    """What to write; its ending, .safetensors or .pth, decides the direction."""
    overwrite: bool = False
    """Replace the target if it exists."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm convert")
    summary = convert(arguments.source, arguments.target, overwrite=arguments.overwrite)
    print(
        f"{arguments.target}: {summary.kind}, {summary.num_tensors} tensors, "
        f"{summary.num_parameters:,} numbers, sha256 {summary.sha256}"
    )
