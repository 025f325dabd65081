"""Every data set that is known, by the name that a user types."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from endofm.catalog import (
    cholect45,
    colonoscopic,
    cvc_clinicdb,
    cvc_clinicvideodb,
    hyper_kvasir,
    kumc,
    kvasir_capsule,
    ldpolypvideo,
    own_videos,
    polypdiag,
    sun,
    sun_seg,
)
from endofm.catalog.card import Card, Found
from endofm.catalog.layout import folders
from endofm.data.archives import archive_stem
from endofm.errors import ConfigError, DataError

CARDS: dict[str, Card] = {
    card.name: card
    for card in (
        colonoscopic.CARD,
        sun.CARD,
        sun_seg.CARD,
        ldpolypvideo.CARD,
        hyper_kvasir.CARD,
        kvasir_capsule.CARD,
        cholect45.CARD,
        polypdiag.CARD,
        cvc_clinicdb.CARD,
        cvc_clinicvideodb.CARD,
        kumc.CARD,
        own_videos.CARD,
    )
}


def card_named(name: str) -> Card:
    """The card of a set.

    Raises:
        ConfigError: There is none of that name.
    """
    if name in CARDS:
        return CARDS[name]
    near = difflib.get_close_matches(name.casefold(), CARDS, n=1)
    cure = f"did you mean {near[0]}?" if near else f"choose {', '.join(CARDS)}"
    raise ConfigError(f"there is no data set {name!r}", cure)


def find_set(card: Card, root: Path) -> Found:
    """The videos of a set that lie at or below a folder, in order, each under a name of its own.

    Raises:
        DataError: The folder is missing, or does not hold the set.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", "check the spelling")
    found = card.find(root)
    if not found.sources:
        where = f"; get it from {card.page}" if card.page else ""
        if any(archive_stem(folder / name) for folder, _, files in folders(root) for name in files):
            where = f"; its archives must be unpacked first: endofm data unpack {root} --to DIR"
        raise DataError(f"{root}: holds no {card.title}", f"it has to hold {card.layout}{where}")
    times = Counter(source.name for source in found.sources)
    if twice := next((name for name, num in times.items() if num > 1), None):
        paths = [one.files[0] for one in found.sources if one.name == twice]
        raise DataError(
            f"{root}: has {twice!r} twice, {paths[0]} and {paths[1]}", "leave one of them out"
        )
    return replace(found, notes=(*found.notes, *_missing(card, found)))


def _missing(card: Card, found: Found) -> Iterator[str]:
    """What the complete set has more of."""
    there = {
        "videos": sum(len(source.files) > 1 or source.is_video_file for source in found.sources),
        "pictures": sum(len(source.files) for source in found.sources if not source.is_video_file),
        "groups": len({source.group for source in found.sources}),
    }
    for what, num in card.expected.items():
        if there.get(what, num) < num:
            yield f"{there[what]:,} of the {num:,} {what} of the complete set are there"
