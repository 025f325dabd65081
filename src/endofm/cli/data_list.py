"""``endofm data list``: the public data sets that are known."""

from __future__ import annotations

from typing import Annotated

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from endofm.catalog.all_sets import CARDS, card_named
from endofm.catalog.card import Card
from endofm.cli.arguments import parse
from endofm.config import Settings


class Arguments(Settings):
    """The public data sets that are known: what they show, their terms, and where to get them."""

    name: Annotated[str, tyro.conf.Positional] = ""
    """One set, to see all that is known of it."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm data list")
    console = Console(highlight=False)
    if arguments.name:
        console.print(_sheet(card_named(arguments.name)))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("name", "shows", "complete", "terms"):
        table.add_column(column, overflow="fold")
    for card in CARDS.values():
        shows = ", ".join(part for part in (card.organ, card.modality) if part)
        table.add_row(card.name, shows, _counts(card), card.terms)
    console.print(table)
    print(
        "endofm data list NAME tells more; endofm data prepare NAME --from DIR --to DIR reads one"
    )


def _sheet(card: Card) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rows = {
        "name": card.name,
        "title": card.title,
        "page": card.page,
        "terms": card.terms,
        "cite": card.citation,
        "shows": ", ".join(part for part in (card.organ, card.modality) if part),
        "complete": _counts(card),
        "splits": card.splits,
        "layout": card.layout,
        **{f"overlaps {name}": text for name, text in card.overlaps.items()},
    }
    for name, text in rows.items():
        if text:
            table.add_row(name, text)
    return table


def _counts(card: Card) -> str:
    return ", ".join(f"{num:,} {what}" for what, num in card.expected.items())
