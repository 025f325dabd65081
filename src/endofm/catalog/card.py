"""What is known of a public data set, and what was found of it in a user's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from endofm.data.boxed_found import FoundBox


@dataclass(frozen=True)
class Source:
    """One video of a data set as it lies on disk: a video file, or pictures."""

    name: str
    """Unique in the set; folders are divided by ``/``."""
    files: tuple[Path, ...]
    """One video file, or pictures in order of time."""
    picture_fps: float | None = None
    """How many pictures were taken a second; none of a video file, which knows."""
    label: str = ""
    split: str = ""
    group: str = ""
    """Patient, case or video of origin: what must not be divided between splits."""
    masks: tuple[Path | None, ...] = ()
    """None at all, or one a picture: white where the lesion is; None where that is not known."""
    boxes: tuple[tuple[FoundBox, ...] | None, ...] = ()
    """Likewise: all boxes of a picture, none where nothing is to be seen."""
    is_one_clip: bool = False
    """The label is of the video as a whole, so that it must not be cut."""

    @property
    def is_video_file(self) -> bool:
        """Whether to decode a video rather than to read pictures."""
        return self.picture_fps is None


@dataclass(frozen=True)
class Found:
    """The videos of a set that are there."""

    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()
    """What a user should know of how they were read."""
    classes: tuple[str, ...] = ()
    """Kinds of lesion that the boxes name, in the set's order."""


@dataclass(frozen=True)
class Card:
    """A data set: where it comes from, what one may do with it, and how to read it."""

    name: str
    """What a user types."""
    title: str
    find: Callable[[Path], Found]
    """Its videos at or below a folder; none where the layout is not there."""
    layout: str
    """What the folder has to hold, for who gave another."""
    citation: str = ""
    page: str = ""
    """Where to get it."""
    terms: str = ""
    """As its makers state them; quoted."""
    modality: str = ""
    organ: str = ""
    expected: Mapping[str, int] = field(default_factory=dict)
    """How many of what the complete set holds, as ``videos`` or ``frames``."""
    splits: str = ""
    """Whose they are, and by what they divide."""
    overlaps: Mapping[str, str] = field(default_factory=dict)
    """Other sets with the same footage, by name, and in what way."""
