"""``endofm report``: a page about one or several runs."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from endofm.cli.arguments import parse
from endofm.config import Settings
from endofm.report import write_report


class Arguments(Settings):
    """Write one self-contained page about one or several runs."""

    runs: Positional[tuple[Path, ...]]
    """Run folders; several are shown side by side."""
    out: Path | None = None
    """The page; report.html in the run folder unless given; needed for several runs."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm report")
    print(write_report(arguments.runs, arguments.out))
