"""Segmented frame sequences: splits that share no group, and every picture checked."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endofm.data.group_split import set_aside
from endofm.data.images import read_image
from endofm.data.label_sources import SPLITS
from endofm.data.masks import THRESHOLD, read_mask
from endofm.data.segmented_search import LAYOUT, FrameSequence, find_sequences
from endofm.errors import DataError

__all__ = ["FrameSequence", "SegmentedSet", "complete_set", "read_segmented"]

Progress = Callable[[int, int], None]
_Splits = dict[str, list[FrameSequence]]
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
        divider = _Divider(root, shows_lesion, share=val_share, seed=seed)
        notes = _complete(splits, divider, select_on_test=select_on_test)
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


class _Divider:
    """Sets groups aside from ``train``.

    Args:
        root: The set, for messages.
        shows_lesion: Whether a sequence has a lesion anywhere; both sides must have one.
        share: Share of the sequences to set aside.
        seed: Decides which groups.
    """

    def __init__(
        self, root: Path, shows_lesion: Mapping[FrameSequence, bool], *, share: float, seed: int
    ) -> None:
        self.root = root
        self._shows_lesion = shows_lesion
        self._share = share
        self._seed = seed

    def check_train(self, splits: _Splits) -> None:
        """Raise DataError if ``train`` is missing or has nothing to find."""
        if "train" not in splits:
            raise DataError(f"{self.root}: has no split 'train'", "name what to learn from")
        if not any(self._shows_lesion[sequence] for sequence in splits["train"]):
            raise DataError(
                f"{self.root}: no lesion in any training mask", "is the threshold right?"
            )

    def set_aside(self, splits: _Splits, name: str, *, num_left: int) -> list[str]:
        """Move groups from ``train`` to the new split ``name``, in place; gives notes."""
        items = splits["train"]
        groups = [sequence.origin for sequence in items]
        lesion = np.array([self._shows_lesion[sequence] for sequence in items])  # (N,)
        num_with = len(set(np.array(groups)[lesion]))
        if num_with <= num_left:
            raise self._too_few(items, name, num_with=num_with, num_left=num_left)
        strata = lesion[:, None]
        if len(set(np.array(groups)[~lesion])) > num_left:
            strata = np.column_stack([lesion, ~lesion])  # (N, 2)
        chosen = set_aside(
            groups,
            strata.astype(np.int64),
            share=self._share,
            num_left=num_left,
            rng=np.random.default_rng(self._seed),
        )
        if chosen is None:
            raise DataError(
                f"{self.root}: found no {name} split by group with every kind on both sides",
                "add sequences, or name the splits yourself",
            )
        splits[name] = [item for item, aside in zip(items, chosen, strict=True) if aside]
        splits["train"] = [item for item, aside in zip(items, chosen, strict=True) if not aside]
        num_aside = len({item.origin for item in splits[name]})
        notes = [
            f"no {name} split: {num_aside} of {len(set(groups))} groups of train were set aside "
            f"(seed {self._seed})"
        ]
        if not all(item.group for item in items):
            notes.append(
                "a sequence without a group is one by itself: those of one patient may be divided "
                "between splits"
            )
        return notes

    def _too_few(
        self, items: Sequence[FrameSequence], name: str, *, num_with: int, num_left: int
    ) -> DataError:
        if len(items) == 1:
            return DataError(
                f"{self.root}: is one sequence, {items[0].name!r}, from which no {name} split can "
                "be taken",
                LAYOUT,
            )
        return DataError(
            f"{self.root}: has the sequences of {num_with} group{'s' * (num_with != 1)} with a "
            f"lesion only to take a {name} split from",
            f"{num_left + 1} are needed: add more, or name the splits yourself",
        )


def _complete(splits: _Splits, divider: _Divider, *, select_on_test: bool) -> list[str]:
    """Fill in the splits that are missing, in place; gives notes."""
    root, notes = divider.root, []
    unnamed = "" in splits
    if unnamed:
        splits["train"] = splits.pop("")
    divider.check_train(splits)
    if unnamed:
        notes += divider.set_aside(splits, "test", num_left=1 if select_on_test else 2)
    if select_on_test:
        notes += _validate_on_test(root, splits)
    elif "val" not in splits:
        notes += divider.set_aside(splits, "val", num_left=1)
    if "test" not in splits:
        notes.append("no test split: what is reported on val was chosen by val as well")
    return notes


def _validate_on_test(root: Path, splits: _Splits) -> list[str]:
    """Let the reported sequences be the validation too, in place; gives notes."""
    if "test" not in splits:
        raise DataError(
            f"{root}: has no split 'test' to select on", "name one, or set select_on_test off"
        )
    notes = [
        "val is test: the epoch is selected on the reported sequences, which flatters the scores"
    ]
    if "val" in splits:
        num_unused = len(splits["val"])
        notes.append(f"split 'val' is not used: {num_unused} sequence{'s' * (num_unused != 1)}")
    splits["val"] = splits["test"]
    return notes
