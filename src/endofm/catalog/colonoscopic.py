"""Colonoscopic: 76 lesions of the colon, each filmed in white light and in narrow band imaging."""

from __future__ import annotations

import re
from pathlib import Path

from endofm.catalog.card import Card, Found, Source
from endofm.catalog.fixed_split import split_of
from endofm.catalog.layout import folders, videos

NAME = "colonoscopic"

_LESION = re.compile(r"(hyperplas\w*?|serrated|adenoma)_?(\d+)", re.IGNORECASE)
_LABELS = {"h": "hyperplastic", "s": "serrated", "a": "adenoma"}


def find_colonoscopic(root: Path) -> Found:
    """Videos in folders called after a lesion, such as ``adenoma_01/WL.mp4``, at any depth."""
    sources = [
        _source(path, lesion)
        for folder, _, files in folders(root)
        if (lesion := _LESION.fullmatch(folder.name))
        for path in videos(folder, files)
    ]
    return Found(tuple(sources))


def _source(path: Path, lesion: re.Match[str]) -> Source:
    label = _LABELS[lesion[1][0].casefold()]
    group = f"{label}_{int(lesion[2]):02d}"
    return Source(
        name=f"{group}/{path.stem}",
        files=(path,),
        label=label,
        split=split_of(NAME, group),
        group=group,
    )


CARD = Card(
    name=NAME,
    title="Colonoscopic (regular gastrointestinal lesions)",
    find=find_colonoscopic,
    layout="hyperplasic_01/WL.mp4, serrated_01/NBI.mp4, adenoma_01/WL.mp4 and so on",
    citation=(
        "Mesejo et al.: Computer-aided classification of gastrointestinal lesions in regular "
        "colonoscopy. IEEE Transactions on Medical Imaging 35(9) (2016), 2051-2063"
    ),
    page="http://www.depeca.uah.es/colonoscopy_dataset/",
    terms="none stated by its makers: ask them before you use it for more than research",
    modality="colonoscopy, white light and narrow band imaging",
    organ="colon",
    expected={"videos": 152, "groups": 76},
    splits="ours, by lesion",
    overlaps={"kumc": "KUMC PolypsSet contains frames of it"},
)
