"""From what files say to sequences that can be used: boxes cut to their frames, the rest listed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from endofm.data.boxed import BoxedFrame, BoxedSequence, BoxedSet, BoxXYXY, Skipped
from endofm.data.boxed_found import FoundBox, FoundFrame, FoundSequence, FoundSet
from endofm.data.boxed_sizes import FrameSizes
from endofm.data.dividing import Divider, check_groups
from endofm.data.label_sources import SPLITS
from endofm.errors import DataError, VideoError

LAYOUT = "name the video of every picture, or put the pictures of each video in a folder of its own"
MAX_EDGE_PX = 1e6
"""Farther out no box is meant to be; it is the file that is damaged."""

Progress = Callable[[int, int], None]
_Sized = tuple[FoundFrame, tuple[int, int]]


def complete_boxed(
    found: FoundSet,
    *,
    classes: Sequence[str] | None = None,
    val_share: float = 0.2,
    seed: int = 0,
    select_on_test: bool = False,
    divide: bool = True,
    progress: Progress | None = None,
) -> BoxedSet:
    """Check every frame's header and every box, and see to it that there is a validation.

    A box that reaches out of its frame is cut. One without area, outside the frame or of an unknown
    class is left out, and so are frames that are missing, cannot be read or have another size than
    most of their sequence.

    Args:
        found: What was read.
        classes: Of a trained model, in its order; those of the set, if none.
        val_share: Share of the sequences to set aside, of those with a box and of the others.
        seed: Decides which; the order of files does not.
        select_on_test: Let ``val`` be the sequences of ``test``.
        divide: False for a set to evaluate: nothing is set aside, sequences without a split are
            ``test``, and there need not be any to learn from.
        progress: Called with (frames checked, frames altogether) after each frame.

    Raises:
        DataError: A box has absurd numbers, a picture another size than the file says, a group or a
            picture is in two splits, there are too few groups to divide, or nothing is left.
    """
    _check_named(found)
    checks = _Checks(found, tuple(classes or found.classes), progress=progress)
    splits = checks.run()
    check_groups(found.root, splits)
    notes = [*found.notes, *checks.notes()]
    if divide:
        divider = Divider[BoxedSequence](
            found.root,
            _shows_lesion,
            share=val_share,
            seed=seed,
            layout=LAYOUT,
            nothing=DataError(f"{found.root}: no box in any training frame", "is it annotated?"),
        )
        notes += divider.complete(splits, select_on_test=select_on_test)
    elif "" in splits:
        splits["test"] = splits.pop("")
    notes += _notes_on_absent(splits, checks.classes)
    return BoxedSet(
        checks.classes,
        {split: tuple(splits[split]) for split in SPLITS if split in splits},
        tuple(dict.fromkeys(notes)),
        (*checks.lost_frames, *checks.lost_boxes),
    )


class _Checks:
    """Goes through a set once.

    Args:
        found: The set.
        classes: Whose place in the list is their label.
        progress: As for ``complete_boxed``.
    """

    def __init__(
        self, found: FoundSet, classes: tuple[str, ...], *, progress: Progress | None
    ) -> None:
        self.classes = classes
        self.lost_boxes = list(found.lost_boxes)
        self.lost_frames = list(found.lost_frames)
        self._found = found
        self._label_of = {name: label for label, name in enumerate(classes, start=1)}
        self._sizes = FrameSizes()
        self._progress = progress
        self._done = 0
        self._total = sum(len(sequence.frames) for sequence in found.sequences)

    def run(self) -> dict[str, list[BoxedSequence]]:
        """The sequences by split that have a frame left."""
        splits: dict[str, list[BoxedSequence]] = {}
        for sequence in self._found.sequences:
            sized = self._sized(sequence)
            if sized:
                splits.setdefault(sequence.split, []).append(self._sequence(sequence, sized))
        if not splits:
            reason = f"; the first: {self.lost_frames[0].reason}" if self.lost_frames else ""
            raise DataError(
                f"{self._found.root}: has no frame that can be used{reason}",
                "are the pictures where the files say?",
            )
        return splits

    def notes(self) -> list[str]:
        """How much was left out."""
        lost = {"frame": len(self.lost_frames), "box": len(self.lost_boxes)}
        plural = {"frame": "frames", "box": "boxes"}
        return [
            f"{num} {kind if num == 1 else plural[kind]} left out: see skipped.csv"
            for kind, num in lost.items()
            if num
        ]

    def _sized(self, sequence: FoundSequence) -> list[_Sized]:
        """The frames that can be read and are of the size that most have, each with it."""
        sized: list[_Sized] = []
        for frame in sequence.frames:
            try:
                size_hw = self._sizes.size_hw(frame)
            except VideoError as error:
                self.lost_frames.append(Skipped(frame.where, str(error)))
            else:
                _check_size(frame, size_hw)
                sized.append((frame, size_hw))
            self._done += 1
            if self._progress:
                self._progress(self._done, self._total)
        if not sized:
            return []
        most_hw = Counter(size_hw for _, size_hw in sized).most_common(1)[0][0]
        for frame, size_hw in sized:
            if size_hw != most_hw:
                reason = f"has {_px(size_hw)}, most frames of its sequence {_px(most_hw)}"
                self.lost_frames.append(Skipped(frame.where, reason))
        return [(frame, size_hw) for frame, size_hw in sized if size_hw == most_hw]

    def _sequence(self, sequence: FoundSequence, sized: Sequence[_Sized]) -> BoxedSequence:
        first, _ = sized[0]
        fps = sequence.fps
        if fps is None and first.index is not None:
            fps = self._sizes.video(first.path).fps
        return BoxedSequence(
            sequence.name,
            tuple(self._frame(frame, size_hw) for frame, size_hw in sized),
            sequence.group,
            _listed_fps(fps, [frame.time for frame, _ in sized]),
        )

    def _frame(self, frame: FoundFrame, size_hw: tuple[int, int]) -> BoxedFrame:
        usable: list[tuple[FoundBox, BoxXYXY]] = []
        for box in frame.boxes:
            placed = _placed(box, frame, size_hw)
            if box.name not in self._label_of:
                placed = f"has the unknown class {box.name!r}"
            if isinstance(placed, str):
                kind = "box in shares of the frame" if frame.relative else "box"
                self.lost_boxes.append(Skipped(frame.where, f"{kind} {_edges(box)} {placed}"))
            else:
                usable.append((box, placed))
        lesions = tuple(box.lesion for box, _ in usable)
        return BoxedFrame(
            frame.path,
            frame.index,
            tuple(placed for _, placed in usable),
            tuple(self._label_of[box.name] for box, _ in usable),
            lesions if all(lesions) else (),
        )


def _placed(box: FoundBox, frame: FoundFrame, size_hw: tuple[int, int]) -> BoxXYXY | str:
    """The part of a box inside its frame in px, or why there is none."""
    height, width = size_hw
    scale_x, scale_y = (width, height) if frame.relative else (1, 1)
    x1, y1, x2, y2 = box.xyxy
    x1, y1, x2, y2 = edges = (x1 * scale_x, y1 * scale_y, x2 * scale_x, y2 * scale_y)
    if not all(math.isfinite(edge) and abs(edge) <= MAX_EDGE_PX for edge in edges):
        raise DataError(
            f"{frame.where}: has the box {_edges(box)}", "is the file damaged? mend or remove it"
        )
    if x2 <= x1 or y2 <= y1:
        return "has no area"
    x1, y1, x2, y2 = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    if x2 <= x1 or y2 <= y1:
        return f"lies outside the frame of {_px(size_hw)}"
    return x1, y1, x2, y2


def _listed_fps(fps: float | None, times: Sequence[int | None]) -> float | None:
    """Frames listed a second of the video; none if that is not the same throughout."""
    known = [time for time in times if time is not None]
    steps = {after - before for before, after in pairwise(known)} or {1}
    if fps is None or len(known) < len(times) or len(steps) > 1:
        return None
    return fps / steps.pop()


def _check_named(found: FoundSet) -> None:
    """All sequences or none must name a split, and no picture may be listed twice."""
    named = {sequence.split for sequence in found.sequences}
    for sequence in found.sequences:
        if sequence.split not in (SPLITS if named - {""} else ("",)):
            raise DataError(
                f"{found.root}: sequence {sequence.name!r} has the split {sequence.split!r}",
                "write train, val or test for every sequence, or nothing for any",
            )
    where_of: dict[tuple[str, int | None], str] = {}
    for sequence in found.sequences:
        for frame in sequence.frames:
            # Of two ways to write a path to one picture this sees most, and opens nothing.
            key = str(frame.path.absolute()), frame.index
            if key in where_of:
                raise DataError(
                    f"{frame.where}: repeats the frame of {where_of[key]}", "list every frame once"
                )
            where_of[key] = frame.where


def _check_size(frame: FoundFrame, size_hw: tuple[int, int]) -> None:
    if frame.size_hw not in (None, size_hw):
        assert frame.size_hw is not None
        raise DataError(
            f"{frame.where}: says {_px(frame.size_hw)}, but {frame.path} has {_px(size_hw)}",
            "boxes of one size do not fit the other: write the boxes for these pictures",
        )


def _notes_on_absent(
    splits: Mapping[str, Sequence[BoxedSequence]], classes: Sequence[str]
) -> list[str]:
    notes = []
    for split, sequences in splits.items():
        present = {label for one in sequences for frame in one.frames for label in frame.labels}
        if not present:
            notes.append(f"no frame of split {split!r} has a box")
            continue
        notes += [
            f"class {name!r} has no box in split {split!r}"
            for label, name in enumerate(classes, start=1)
            if label not in present
        ]
    return notes


def _shows_lesion(sequence: BoxedSequence) -> bool:
    return any(frame.boxes_xyxy for frame in sequence.frames)


def _edges(box: FoundBox) -> str:
    return f"({', '.join(f'{edge:g}' for edge in box.xyxy)})"


def _px(size_hw: Sequence[int]) -> str:
    return f"{size_hw[1]} x {size_hw[0]} px"
