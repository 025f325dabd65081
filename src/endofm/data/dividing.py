"""From the splits that a set of sequences names to train, val and test that share no group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from endofm.data.group_split import set_aside
from endofm.errors import DataError


class Divisible(Protocol):
    """A sequence of frames."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def group(self) -> str:
        """Patient or video of origin; empty where that is not known."""

    @property
    def origin(self) -> str:
        """The group; the name where there is none."""


Item = TypeVar("Item", bound=Divisible)


class Divider(Generic[Item]):
    """Sets groups aside from ``train``.

    Args:
        root: The set, for messages.
        shows_lesion: Whether a sequence has a lesion anywhere; both sides must have one.
        share: Share of the sequences to set aside, of those with a lesion and of the others.
        seed: Decides which groups; the order of files does not.
        layout: What a set of several sequences looks like, as a hint.
        nothing: Raised where ``train`` shows no lesion.
    """

    def __init__(
        self,
        root: Path,
        shows_lesion: Callable[[Item], bool],
        *,
        share: float,
        seed: int,
        layout: str,
        nothing: DataError,
    ) -> None:
        self.root = root
        self._shows_lesion = shows_lesion
        self._share = share
        self._seed = seed
        self._layout = layout
        self._nothing = nothing

    def complete(self, splits: dict[str, list[Item]], *, select_on_test: bool) -> list[str]:
        """Fill in the splits that are missing, in place; gives notes.

        Without ``val``, groups are taken from ``train``; where there are no splits at all, groups
        for ``test`` first. Whether groups are in two splits is not looked at.

        Args:
            splits: Sequences by split, ``""`` where none is named.
            select_on_test: Let ``val`` be the sequences of ``test``.

        Raises:
            DataError: There is nothing to learn from, or there are too few groups to divide.
        """
        notes = []
        unnamed = "" in splits
        if unnamed:
            splits["train"] = splits.pop("")
        self._check_train(splits)
        if unnamed:
            notes += self._set_aside(splits, "test", num_left=1 if select_on_test else 2)
        if select_on_test:
            notes += self._validate_on_test(splits)
        elif "val" not in splits:
            notes += self._set_aside(splits, "val", num_left=1)
        if "test" not in splits:
            notes.append("no test split: what is reported on val was chosen by val as well")
        return notes

    def _check_train(self, splits: Mapping[str, Sequence[Item]]) -> None:
        if "train" not in splits:
            raise DataError(f"{self.root}: has no split 'train'", "name what to learn from")
        if not any(self._shows_lesion(sequence) for sequence in splits["train"]):
            raise self._nothing

    def _set_aside(self, splits: dict[str, list[Item]], name: str, *, num_left: int) -> list[str]:
        """Move groups from ``train`` to the new split ``name``, in place; gives notes."""
        items = splits["train"]
        groups = [sequence.origin for sequence in items]
        lesion = np.array([self._shows_lesion(sequence) for sequence in items])  # (N,)
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
        self, items: Sequence[Item], name: str, *, num_with: int, num_left: int
    ) -> DataError:
        if len(items) == 1:
            return DataError(
                f"{self.root}: is one sequence, {items[0].name!r}, from which no {name} split can "
                "be taken",
                self._layout,
            )
        return DataError(
            f"{self.root}: has the sequences of {num_with} group{'s' * (num_with != 1)} with a "
            f"lesion only to take a {name} split from",
            f"{num_left + 1} are needed: add more, or name the splits yourself",
        )

    def _validate_on_test(self, splits: dict[str, list[Item]]) -> list[str]:
        """Let the reported sequences be the validation too, in place; gives notes."""
        if "test" not in splits:
            raise DataError(
                f"{self.root}: has no split 'test' to select on",
                "name one, or set select_on_test off",
            )
        notes = [
            "val is test: the epoch is selected on the reported sequences, which flatters the "
            "scores"
        ]
        if "val" in splits:
            num_unused = len(splits["val"])
            notes.append(f"split 'val' is not used: {num_unused} sequence{'s' * (num_unused != 1)}")
        splits["val"] = splits["test"]
        return notes


def check_groups(root: Path, splits: Mapping[str, Sequence[Divisible]]) -> None:
    """Raise DataError if a group is in two splits."""
    split_of: dict[str, str] = {}
    for split, sequences in splits.items():
        for sequence in sequences:
            other = split_of.setdefault(sequence.origin, split)
            if other != split:
                kind = "group" if sequence.group else "sequence"
                raise DataError(
                    f"{root}: {kind} {sequence.origin!r} is in {other!r} and in {split!r}",
                    "keep all of a patient in one split, and give different sequences "
                    "different names",
                )
