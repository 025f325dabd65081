"""Segmented frame sequences: splits that share no group, and every picture checked."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from endofm.data.dividing import Divider
from endofm.data.images import read_image
from endofm.data.label_sources import SPLITS
from endofm.data.masks import THRESHOLD, read_mask
from endofm.data.segmented_search import LAYOUT, FrameSequence, find_sequences
from endofm.errors import DataError

__all__ = ["FrameSequence", "SegmentedSet", "complete_set", "read_segmented"]

Progress = Callable[[int, int], None]
_NUM_WORKERS = 4


@dataclass(frozen=True)
class SegmentedSet:
    """Sequences to learn from, to choose by, and to report on."""

    splits: Mapping[str, tuple[FrameSequence, ...]]
    """``train``, ``val``, and ``test`` if there is one."""
    notes: tuple[str, ...] = ()
    """What the user must be told: what was set aside, or is reported on as well as chosen by."""


def read_segmented(
    root: Path,
    *,
    threshold: int = THRESHOLD,
    val_share: float = 0.2,
    seed: int = 0,
    select_on_test: bool = False,
    divide: bool = True,
    progress: Progress | None = None,
) -> SegmentedSet:
    """Find the sequences of a folder and make a set of them: ``find_sequences``, ``complete_set``.

    Raises:
        DataError: The layout or the list is wrong, a group is in two splits, or one of the errors
            of ``complete_set``.
    """
    return complete_set(
        root,
        find_sequences(root),
        threshold=threshold,
        val_share=val_share,
        seed=seed,
        select_on_test=select_on_test,
        divide=divide,
        progress=progress,
    )


def complete_set(
    root: Path,
    named: Mapping[str, Sequence[FrameSequence]],
    *,
    threshold: int = THRESHOLD,
    val_share: float = 0.2,
    seed: int = 0,
    select_on_test: bool = False,
    divide: bool = True,
    progress: Progress | None = None,
) -> SegmentedSet:
    """Read every picture once to check it, and see to it that there is a validation.

    Without ``val``, groups are taken from ``train``; where there are no splits at all, groups for
    ``test`` first. Whether groups are in two splits is not looked at.

    Args:
        root: The set, for messages.
        named: Sequences by split, ``""`` where none is named.
        threshold: Least value of a mask that is lesion, 1 to 255.
        val_share: Share of the sequences to set aside, of those with a lesion and of the others.
        seed: Decides which; the order of files does not.
        select_on_test: Let ``val`` be the sequences of ``test``, as the original did.
        divide: False for a set to evaluate: nothing is set aside, sequences without a split are
            ``test``, and there need not be any to learn from.
        progress: Called with (frames checked, frames altogether) after each frame.

    Raises:
        DataError: A picture cannot be read or is of another size, no mask of ``train`` shows a
            lesion, or there are too few groups to divide.
    """
    splits = {split: list(sequences) for split, sequences in named.items()}
    shows_lesion = _check_pictures(
        list(dict.fromkeys(sequence for part in splits.values() for sequence in part)),
        threshold=threshold,
        progress=progress,
    )
    if divide:
        divider = Divider(
            root,
            shows_lesion.__getitem__,
            share=val_share,
            seed=seed,
            layout=LAYOUT,
            nothing=DataError(f"{root}: no lesion in any training mask", "is the threshold right?"),
        )
        notes = divider.complete(splits, select_on_test=select_on_test)
    else:
        notes = []
        if "" in splits:
            splits["test"] = splits.pop("")
    notes += [
        f"no mask of split {split!r} shows a lesion"
        for split, part in splits.items()
        if not any(shows_lesion[sequence] for sequence in part)
    ]
    return SegmentedSet(
        {split: tuple(splits[split]) for split in SPLITS if split in splits},
        tuple(dict.fromkeys(notes)),
    )


def _check_pictures(
    sequences: Sequence[FrameSequence], *, threshold: int, progress: Progress | None
) -> dict[FrameSequence, bool]:
    """Whether any mask of a sequence shows a lesion."""

    def check(frame: Path, mask: Path) -> tuple[tuple[int, ...], bool]:
        size_hw = read_image(frame).shape[:2]
        lesion = read_mask(mask, threshold=threshold)  # (H, W)
        if lesion.shape != size_hw:
            raise DataError(
                f"{mask}: has {_px(lesion.shape)}, its frame {_px(size_hw)}",
                "make masks of the frames' size",
            )
        return size_hw, bool(lesion.any())

    total = sum(len(sequence.frames) for sequence in sequences)
    done = 0
    shows_lesion = dict.fromkeys(sequences, False)
    with ThreadPoolExecutor(_NUM_WORKERS) as pool:
        for sequence in sequences:
            sizes_hw = []
            for size_hw, lesion in pool.map(check, sequence.frames, sequence.masks):
                sizes_hw.append(size_hw)
                shows_lesion[sequence] |= lesion
                done += 1
                if progress:
                    progress(done, total)
            _check_sizes(sequence, sizes_hw)
    return shows_lesion


def _check_sizes(sequence: FrameSequence, sizes_hw: Sequence[tuple[int, ...]]) -> None:
    for path, size_hw in zip(sequence.frames, sizes_hw, strict=True):
        if size_hw != sizes_hw[0]:
            raise DataError(
                f"{path}: has {_px(size_hw)}, the first frame of its sequence {_px(sizes_hw[0])}",
                "keep frames of one size in a sequence",
            )


def _px(size_hw: Sequence[int]) -> str:
    return f"{size_hw[1]} x {size_hw[0]} px"
