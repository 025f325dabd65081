"""``endofm data check``: what a training run would trip over, found in advance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from pydantic import PositiveInt

from endofm.catalog.check import check_set
from endofm.cli.arguments import parse
from endofm.config import Settings
from endofm.progress import ProgressBar
from endofm.report.check import write_check_page

MAX_SHOWN = 10
PROBLEMS_FOUND = 1


class Arguments(Settings):
    """Look at a set's videos, labels, splits, masks and boxes; exit status 1 if some are wrong."""

    root: Annotated[Path, tyro.conf.Positional]
    """A prepared set, a folder of videos, or one that fine-tuning reads."""
    out: Path = Path("check.html")
    """The page to write."""
    min_frames: PositiveInt = 8
    """Shorter videos are a problem."""
    every_frame: bool = False
    """Decode all frames of all videos, not only their ends, and compare clips with the hashes of
    their preparation. That takes long, and finds all."""


def main(words: list[str]) -> int:
    """Run the command; 1 if something is wrong."""
    arguments = parse(Arguments, words, prog="endofm data check")
    with ProgressBar("checking", total=1, unit="items") as bar:
        checked = check_set(
            arguments.root,
            min_frames=arguments.min_frames,
            every_frame=arguments.every_frame,
            progress=bar.set,
        )
    rows = [
        (one.kind, "error" if one.is_error else "note", one.where, one.what, one.cure)
        for one in checked.problems
    ]
    write_check_page(arguments.out, root=arguments.root, counts=checked.counts, rows=rows)
    for kind, weight, where, what, cure in rows[:MAX_SHOWN]:
        print(f"{weight}: {kind}: {where}: {what}{f'; {cure}' if cure else ''}".replace("\n", " "))
    if len(rows) > MAX_SHOWN:
        print(f"and {len(rows) - MAX_SHOWN} more")
    counted = ", ".join(f"{num:,} {what}" for what, num in checked.counts.items())
    errors = "1 error" if checked.num_errors == 1 else f"{checked.num_errors or 'no'} errors"
    print(f"{arguments.root}: {counted or 'nothing read'}: {errors}; see {arguments.out}")
    return PROBLEMS_FOUND if checked.num_errors else 0
