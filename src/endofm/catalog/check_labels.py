"""What can be wrong with the labels, groups and splits of a clip list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from endofm.catalog.problems import Problem
from endofm.data.clip_list import Video
from endofm.data.label_classes import LABEL_SEPARATOR
from endofm.data.label_sources import SPLITS


def label_problems(videos: Sequence[Video]) -> Iterator[Problem]:
    """Labels that are missing or nearly alike, classes of one group, splits that share a group."""
    yield from _labels(videos)
    yield from _splits(videos)


def _labels(videos: Sequence[Video]) -> Iterator[Problem]:
    groups: dict[str, set[str]] = {}
    for video in videos:
        for label in video.label.split(LABEL_SEPARATOR) if video.label.strip() else ():
            groups.setdefault(label.strip(), set()).add(video.origin)
    if not groups:
        return
    if bare := [video for video in videos if not video.label.strip()]:
        yield Problem(
            "label",
            str(bare[0].path),
            f"has no label, as {len(bare)} of {len(videos)} videos",
            "label all videos or none",
        )
    yield from _classes(groups)


def _classes(groups: Mapping[str, set[str]]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for label in groups:
        plain = "".join(char for char in label.casefold() if char.isalnum())
        if (other := first.setdefault(plain, label)) != label:
            text = f"{label!r} and {other!r} are two classes"
            yield Problem("label", label, text, "write a class always the same way")
    for label, of_label in groups.items():
        if len(of_label) < 2:
            text = f"class {label!r} is of one group only, {next(iter(of_label))!r}"
            cure = "it cannot be both learnt and tested"
            yield Problem("label", label, text, cure, is_error=False)


def _splits(videos: Sequence[Video]) -> Iterator[Problem]:
    splits_of: dict[str, dict[str, Video]] = {}
    for video in videos:
        splits_of.setdefault(video.origin, {}).setdefault(video.split, video)
    for group, of_split in splits_of.items():
        if len(of_split) > 1:
            names = " and ".join(sorted(split or "no split" for split in of_split))
            text = f"is in {names}: what is learnt would be tested"
            yield Problem("split", group, text, "keep a patient's videos in one split")
    named = {split for of_split in splits_of.values() for split in of_split}
    for split in sorted(named - {""} - set(SPLITS)):
        text = f"{split!r} is no split"
        yield Problem("split", split, text, f"write one of {', '.join(SPLITS)}")
    if "" in named and len(named) > 1:
        num = sum(not video.split for video in videos)
        text = f"{num} of {len(videos)} videos are in no split, the others are"
        yield Problem("split", "", text, "name a split for all videos or for none")
