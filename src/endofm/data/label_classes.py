"""Labels as text and the classes that they name."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from endofm.data.label_sources import LabelledVideo
from endofm.data.video_search import natural_key
from endofm.errors import DataError

LABEL_SEPARATOR = ";"


def names_in(label: str, *, multi_label: bool) -> list[str]:
    """The classes that a label names: one, or any number separated by semicolons."""
    parts = label.split(LABEL_SEPARATOR) if multi_label else [label]
    return [part.strip() for part in parts if part.strip()]


def membership(
    labels: Sequence[str], classes: Sequence[str], *, multi_label: bool
) -> NDArray[np.int64]:
    """Which of K classes each of N labels names, 0 or 1, shape (N, K)."""
    named = [names_in(label, multi_label=multi_label) for label in labels]
    ones = [[int(name in names) for name in classes] for names in named]
    return np.array(ones, dtype=np.int64).reshape(len(labels), len(classes))


def check_label(label: str, classes: Sequence[str], *, where: str, multi_label: bool) -> None:
    """Raise DataError if a label names a class that is not there, or none where one is needed."""
    names = names_in(label, multi_label=multi_label)
    if not names and not multi_label:
        raise DataError(f"{where}: has no label", "give it one, or leave the video out")
    for name in names:
        if name not in classes:
            raise DataError(
                f"{where}: has the unknown label {name!r}", f"known labels: {', '.join(classes)}"
            )


def find_classes(found: Sequence[LabelledVideo], *, multi_label: bool) -> tuple[str, ...]:
    """The classes that occur, in natural order.

    Raises:
        DataError: There are too few to learn from, two differ in case only, or one is not text.
    """
    where_of = {
        name: item.where for item in found for name in names_in(item.label, multi_label=multi_label)
    }
    classes = tuple(sorted(where_of, key=natural_key))
    for name in classes:
        if any("\ud800" <= letter <= "\udfff" for letter in name):  # how lists keep other bytes
            raise DataError(f"{where_of[name]}: has a label that is not UTF-8", "write it in UTF-8")
    for name, other in itertools.pairwise(sorted(classes, key=str.casefold)):
        if name.casefold() == other.casefold():
            raise DataError(
                f"{where_of[other]}: label {other!r} differs from {name!r} in case only",
                "write both alike",
            )
    if not classes:
        raise DataError(f"{found[0].where}: has no label, nor has any other video", "fill them in")
    if len(classes) == 1 and not multi_label:
        raise DataError(
            f"{found[0].where}: is of class {classes[0]!r}, as all other videos are",
            "two classes are needed",
        )
    return classes
