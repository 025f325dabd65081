"""Frames of videos with boxes around their lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

BoxXYXY = tuple[float, float, float, float]


@dataclass(frozen=True)
class BoxedFrame:
    """One frame, and what is to be found in it."""

    path: Path
    """A picture; or the video whose frame ``index`` it is."""
    index: int | None
    """Place in the video file, from 0; none for a picture."""
    boxes_xyxy: tuple[BoxXYXY, ...] = ()
    """Left, top, right and bottom edge in px, right of left and below top, inside the frame."""
    labels: tuple[int, ...] = ()
    """Of each box from 1: the class's place in the list of classes, counted from one."""
    lesions: tuple[str, ...] = ()
    """Of each box what names its lesion within the sequence; empty where that is not known."""


@dataclass(frozen=True)
class BoxedSequence:
    """Frames of one video in order of time, those without a lesion included."""

    name: str
    frames: tuple[BoxedFrame, ...]
    group: str = ""
    """Patient or video of origin: what must not be divided between splits."""
    fps: float | None = None
    """Of the frames listed; none where it is not known."""

    @property
    def origin(self) -> str:
        """The group; the name where there is none."""
        return self.group or self.name


@dataclass(frozen=True)
class Skipped:
    """Something of a data set that is left out, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class BoxedSet:
    """Sequences to learn from, to choose by, and to report on."""

    classes: tuple[str, ...]
    splits: Mapping[str, tuple[BoxedSequence, ...]]
    """``train``, ``val``, and ``test`` if there is one."""
    notes: tuple[str, ...] = ()
    """What the user must be told: what was set aside or left out."""
    skipped: tuple[Skipped, ...] = ()
    """Boxes and frames that could not be used."""

    def with_classes(self, classes: Sequence[str], *, names: Mapping[str, str]) -> BoxedSet:
        """The same boxes under another list of classes.

        Args:
            classes: The new list.
            names: From each class of this set to its name in the new list.
        """
        label_of = {
            label: classes.index(names[name]) + 1
            for label, name in enumerate(self.classes, start=1)
        }

        def relabelled(frame: BoxedFrame) -> BoxedFrame:
            return replace(frame, labels=tuple(label_of[label] for label in frame.labels))

        splits = {
            split: tuple(
                replace(one, frames=tuple(map(relabelled, one.frames))) for one in sequences
            )
            for split, sequences in self.splits.items()
        }
        return replace(self, classes=tuple(classes), splits=splits)
