"""``endofm data prepare``: a downloaded set, or your own videos, to clean training data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt

from endofm.catalog.all_sets import card_named, find_set
from endofm.catalog.prepare import PREPARED, QUALITY, SKIPPED, prepare
from endofm.catalog.prepare_settings import PrepareSettings
from endofm.cli.arguments import parse
from endofm.data.video import open_video
from endofm.progress import ProgressBar
from endofm.report.dataset import write_dataset_page


class Arguments(PrepareSettings):
    """Cut a set's videos into clips to train on, with labels, splits, masks and boxes."""

    name: Annotated[str, tyro.conf.Positional]
    """Of the set, as endofm data list has it; own for your videos."""
    origin: Annotated[Path, tyro.conf.arg(name="from")] = Field(...)
    """The folder that holds the set, at any depth; nothing in it is changed."""
    to: Path = Field(...)
    """A new or empty folder. Repeat the command to go on after an interruption."""
    num_workers: NonNegativeInt = os.cpu_count() or 1
    """Processes that decode and encode."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm data prepare")
    card = card_named(arguments.name)
    found = find_set(card, arguments.origin)
    if card.terms:
        print(f"{card.title}: {card.terms}")
    names = set(PrepareSettings.model_fields)
    with ProgressBar("preparing", total=len(found.sources), unit="videos") as bar:
        try:
            summary = prepare(
                card,
                found,
                origin=arguments.origin,
                root=arguments.to,
                settings=PrepareSettings(**arguments.model_dump(include=names)),
                num_workers=arguments.num_workers,
                progress=bar.set,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt("repeat the command to go on from here") from None
    for note in found.notes:
        print(f"note: {note}")
    _tell(summary, arguments.to)
    if (arguments.to / QUALITY).is_file():
        print(f"look at it: {write_dataset_page(arguments.to, read_frame=_frame)}")


def _tell(summary: dict[str, object], root: Path) -> None:
    counts, dropped = summary["counts"], summary["dropped"]
    assert isinstance(counts, dict)
    assert isinstance(dropped, dict)
    for reason, num in dropped.items():
        print(f"left out: {num} frames, {reason.replace('_', ' ')}")
    if num := counts["sources_with_writing"]:
        print(
            f"blackened: what looks like writing in {num} of {counts['sources']} videos; where: "
            f"{root / PREPARED}"
        )
    if num := counts["sources_without_clip"]:
        print(f"without a clip: {num} of {counts['sources']} videos, see {root / SKIPPED}")
    if num := counts["damaged_sources"]:
        print(f"not read to the end: {num} videos, see {root / SKIPPED}")
    print(
        f"{root}: {counts['clips']:,} clips of {counts['groups']:,} groups, "
        f"{counts['frames']:,} frames; {root / PREPARED} says how"
    )


def _frame(path: Path, number: int) -> NDArray[np.uint8]:
    with open_video(path) as video:
        return video.frames([number])[0]
