"""The page of a prepared data set: how much there is, how good it is, and what it looks like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endofm.data.frame_quality import FLAGS
from endofm.errors import VideoError
from endofm.files import write_text
from endofm.report import wording
from endofm.report.dataset_reading import PAGE, Dataset, ShownClip, printable, read_dataset
from endofm.report.histograms import draw_counts, draw_histogram
from endofm.report.html import page_environment
from endofm.report.pictures import spread, thumbnail

MAX_THUMBNAILS = 60
MAX_WORST = 15
MAX_SIZES = 8
MAX_PARTS = 40
"""Rows of the table by split and label."""
SHOWN_FACTS = {"title": "Title", "terms": "Terms of use", "citation": "To be cited as"}
"""What the page says in words of its own; the other facts are listed as they are."""
SAID_ELSEWHERE = (*SHOWN_FACTS, "name", "dropped")

ReadFrame = Callable[[Path, int], NDArray[np.uint8]]


@dataclass(frozen=True)
class Part:
    """How much there is of a split and label, or of all."""

    split: str
    label: str
    num_clips: int
    num_videos: int
    num_frames: int
    duration_s: float


@dataclass(frozen=True)
class Thumbnail:
    """One frame of a clip as a small picture."""

    clip: ShownClip
    picture: str  # data URI


@dataclass(frozen=True)
class Histogram:
    """A picture with its title."""

    title: str
    caption: str
    picture: str  # data URI


def write_dataset_page(folder: Path, *, read_frame: ReadFrame) -> Path:
    """Write one self-contained page about a prepared data set into its folder.

    Args:
        folder: Holds ``clips.csv`` and ``quality.csv``, and ``PREPARED.json`` if facts are known.
        read_frame: Gives the frame of a number, (H, W, 3) uint8 RGB, of a clip's path.

    Raises:
        DataError: A file is missing or damaged. A clip that cannot be read is named on the page.
    """
    dataset = read_dataset(folder)
    thumbnails, unread = _thumbnails(dataset.clips, read_frame)
    worst, num_flagged = worst_clips(dataset.clips)
    text = (
        page_environment()
        .get_template("dataset.html")
        .render(
            name=str(dataset.facts.get("name") or folder.resolve().name),
            facts=dataset.facts,
            shown_facts=SHOWN_FACTS,
            other_facts=_other_facts(dataset.facts),
            total=part_of(dataset.clips, "", ""),
            parts=parts_of(dataset.clips)[:MAX_PARTS],
            num_more_parts=max(len(parts_of(dataset.clips)) - MAX_PARTS, 0),
            dropped=_dropped(dataset.facts),
            histograms=_histograms(dataset),
            flags=FLAGS,
            flag_means=_flag_means(dataset.clips),
            worst=worst,
            num_flagged=num_flagged,
            num_unmeasured=sum(clip.quality is None for clip in dataset.clips),
            thumbnails=thumbnails,
            unread=unread,
            say=wording,
        )
    )
    write_text(folder / PAGE, text)
    return folder / PAGE


def part_of(clips: Sequence[ShownClip], split: str, label: str) -> Part:
    """How much some clips are together; videos are counted by group."""
    return Part(
        split=printable(split),
        label=printable(label),
        num_clips=len(clips),
        num_videos=len({clip.video.origin for clip in clips}),
        num_frames=sum(clip.video.num_frames for clip in clips),
        duration_s=sum(clip.duration_s for clip in clips),
    )


def parts_of(clips: Sequence[ShownClip]) -> list[Part]:
    """The same for each split and label there is, in order of their names."""
    keys = sorted({(clip.video.split, clip.video.label) for clip in clips})
    return [
        part_of([c for c in clips if (c.video.split, c.video.label) == key], *key) for key in keys
    ]


def worst_clips(clips: Iterable[ShownClip]) -> tuple[list[ShownClip], int]:
    """The clips with most flags a frame, the worst first, and how many have any."""
    flagged = [clip for clip in clips if _flags_a_frame(clip) > 0]
    flagged.sort(key=_flags_a_frame, reverse=True)  # stable: equal ones as in the list
    return flagged[:MAX_WORST], len(flagged)


def _flags_a_frame(clip: ShownClip) -> float:
    return sum(flag_shares(clip).values())


def flag_shares(clip: ShownClip) -> dict[str, float]:
    """The share of a clip's frames that has each flag; nothing if it was not measured."""
    if clip.quality is None:
        return {}
    values = asdict(clip.quality)
    return {flag: float(values[f"{flag}_share"]) for flag in FLAGS}


def _flag_means(clips: Iterable[ShownClip]) -> dict[str, float]:
    """The share of all measured frames that has each flag."""
    found = [(clip.video.num_frames, shares) for clip in clips if (shares := flag_shares(clip))]
    total = sum(number for number, _ in found)
    return {flag: sum(n * shares[flag] for n, shares in found) / total for flag in FLAGS if total}


def spread_over_groups(clips: Sequence[ShownClip], number: int) -> list[ShownClip]:
    """So many clips, as equally many of each group as there are, spread over each group."""
    groups: dict[str, list[ShownClip]] = {}
    for clip in clips:
        groups.setdefault(clip.video.origin, []).append(clip)
    names = list(groups)
    if len(names) > number:
        names = [names[place] for place in spread(len(names), number)]
    shares = dict.fromkeys(names, 0)
    left = min(number, sum(len(groups[name]) for name in names))
    while left:
        for name in names:
            if left and shares[name] < len(groups[name]):
                shares[name] += 1
                left -= 1
    return [
        groups[name][place] for name in names for place in spread(len(groups[name]), shares[name])
    ]


def _thumbnails(
    clips: Sequence[ShownClip], read_frame: ReadFrame
) -> tuple[list[Thumbnail], list[str]]:
    """Middle frames of clips spread over the groups, and what went wrong."""
    pictures, unread = [], []
    for clip in spread_over_groups(clips, MAX_THUMBNAILS):
        try:
            frame = read_frame(clip.video.path, clip.video.num_frames // 2)
        except VideoError as error:
            unread.append(printable(str(error)))
            continue
        pictures.append(Thumbnail(clip, thumbnail(frame)))
    return pictures, unread


def _histograms(dataset: Dataset) -> list[Histogram]:
    durations_s = np.array([clip.duration_s for clip in dataset.clips])
    sizes = Counter((clip.video.width, clip.video.height) for clip in dataset.clips)
    common = sizes.most_common(MAX_SIZES)
    labels = [f"{width} \N{MULTIPLICATION SIGN} {height}" for (width, height), _ in common]
    counts = [number for _, number in common]
    if len(sizes) > MAX_SIZES:
        labels, counts = [*labels, "others"], [*counts, len(dataset.clips) - sum(counts)]
    drawn = [
        Histogram("Length", "", draw_histogram(durations_s, x_label="seconds", y_label="clips")),
        Histogram("Frame size", "", draw_counts(labels, counts, x_label="clips")),
    ]
    measured = [clip.quality for clip in dataset.clips if clip.quality is not None]
    if measured:
        brightness = np.array([quality.brightness for quality in measured])
        sharpness = np.array([quality.sharpness for quality in measured])
        drawn += [
            Histogram(
                "Brightness",
                "Mean luma of the content, from black 0 to white 1.",
                draw_histogram(brightness, x_label="mean of a clip", y_label="clips"),
            ),
            Histogram(
                "Sharpness",
                "Fine detail over coarser detail: near 1 is sharp, near 0 is blurred.",
                draw_histogram(sharpness, x_label="mean of a clip", y_label="clips"),
            ),
        ]
    return drawn


def _dropped(facts: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Causes with the number of frames, the most frequent first."""
    found = facts.get("dropped")
    if not isinstance(found, dict):
        return []
    numbers = [(str(cause), n) for cause, n in found.items() if isinstance(n, int)]
    return sorted(numbers, key=lambda item: -item[1])


def _other_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    return list(wording.flat({k: v for k, v in facts.items() if k not in SAID_ELSEWHERE}))
