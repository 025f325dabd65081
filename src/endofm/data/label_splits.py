"""From the splits that a labelled set names to train, val and test."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endofm.data.clip_list import Video
from endofm.data.group_split import set_aside
from endofm.data.label_classes import membership, names_in
from endofm.data.label_sources import LabelledVideo
from endofm.errors import DataError

Splits = dict[str, list[LabelledVideo]]


def named_splits(found: Sequence[LabelledVideo]) -> tuple[Splits, list[str]]:
    """The splits as named, ``""`` for none, and notes; a sole held-out split is ``test``."""
    splits: Splits = {}
    for item in found:
        splits.setdefault(item.split, []).append(item)
    if "val" not in splits or "test" in splits:
        return splits, []
    splits["test"] = splits.pop("val")
    return splits, ["split 'val' is the only one held out: it is used as 'test', to report on"]


def validate_on_test(path: Path, splits: Splits) -> list[str]:
    """Let the reported videos be the validation too, in place; gives notes.

    Raises:
        DataError: There is no ``test``.
    """
    if "test" not in splits:
        raise DataError(
            f"{path}: has no held-out split to select on", "name one, or set select_on_test off"
        )
    notes = ["val is test: the epoch is selected on the reported videos, which flatters the scores"]
    if "val" in splits:
        notes.append(f"the {len(splits['val'])} videos of split 'val' are not used")
    splits["val"] = splits["test"]
    return notes


class Divider:
    """Sets groups aside from ``train``.

    Args:
        path: The labelled set, for messages.
        classes: Names of the K classes.
        multi_label: Whether a video may be of any number of them.
        share: Share of the videos of each class to set aside.
        seed: Decides which groups.
    """

    def __init__(
        self, path: Path, classes: Sequence[str], *, multi_label: bool, share: float, seed: int
    ) -> None:
        self.path = path
        self.classes = classes
        self.multi_label = multi_label
        self.share = share
        self.seed = seed

    def set_aside(self, splits: Splits, name: str, *, num_left: int) -> list[str]:
        """Move groups from ``train`` to the new split ``name``, in place; gives notes.

        Raises:
            DataError: A class has too few groups, or no division was found that leaves it
                ``num_left`` groups.
        """
        items = splits["train"]
        groups = [item.origin for item in items]
        ones = self._strata(items, num_left=num_left)
        chosen = set_aside(
            groups,
            ones,
            share=self.share,
            num_left=num_left,
            rng=np.random.default_rng(self.seed),
        )
        if chosen is None:
            raise DataError(
                f"{self.path}: found no {name} split by group with every class on both sides",
                "add videos, or name the splits yourself",
            )
        splits[name] = [item for item, aside in zip(items, chosen, strict=True) if aside]
        splits["train"] = [item for item, aside in zip(items, chosen, strict=True) if not aside]
        num_aside = len({item.origin for item in splits[name]})
        notes = [
            f"no {name} split: {num_aside} of {len(set(groups))} groups of train were set aside "
            f"(seed {self.seed})"
        ]
        if not all(isinstance(item.video, Video) and item.video.group for item in items):
            notes.append(
                "a video without a group is one by itself: those of one patient may be divided "
                "between splits"
            )
        return notes

    def _strata(self, items: Sequence[LabelledVideo], *, num_left: int) -> NDArray[np.int64]:
        """What must be on both sides, (N, K); a further column if many videos are of no class."""
        ones = membership(
            [item.label for item in items], self.classes, multi_label=self.multi_label
        )
        groups = np.array([item.origin for item in items])
        num_groups = [len(set(groups[column > 0])) for column in ones.T]
        rarest = int(np.argmin(num_groups))
        if num_groups[rarest] <= num_left:
            raise DataError(
                f"{self.path}: class {self.classes[rarest]!r} has the videos of "
                f"{num_groups[rarest]} group{'s' * (num_groups[rarest] != 1)} only to divide",
                f"{num_left + 1} are needed: add more, or name the splits yourself",
            )
        none = 1 - ones.max(1)  # (N,)
        if len(set(groups[none > 0])) > num_left:
            ones = np.column_stack([ones, none])
        return ones


def check_train(path: Path, splits: Splits, classes: Sequence[str], *, multi_label: bool) -> None:
    """Raise DataError if ``train`` is missing or lacks a class."""
    if "train" not in splits:
        raise DataError(f"{path}: has no split 'train'", "name what to learn from")
    for name in _absent(splits["train"], classes, multi_label=multi_label):
        raise DataError(
            f"{path}: class {name!r} has no video in split 'train'",
            "it cannot be learned: add some, or leave its videos out",
        )


def notes_on_absent(splits: Splits, classes: Sequence[str], *, multi_label: bool) -> list[str]:
    """Which classes a split lacks."""
    return [
        f"class {name!r} has no video in split {split!r}"
        for split, items in splits.items()
        for name in _absent(items, classes, multi_label=multi_label)
    ]


def _absent(
    items: Sequence[LabelledVideo], classes: Sequence[str], *, multi_label: bool
) -> list[str]:
    present = {name for item in items for name in names_in(item.label, multi_label=multi_label)}
    return [name for name in classes if name not in present]
