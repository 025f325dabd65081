"""Segmented frame sequences, whether of a public set that we know or in our own layout."""

from collections.abc import Callable
from pathlib import Path

from endofm.catalog.cvc_clinicdb import is_cvc_clinicdb, read_cvc_clinicdb
from endofm.data.masks import THRESHOLD
from endofm.data.segmented import SegmentedSet, read_segmented
from endofm.errors import ConfigError


def find_segmented(
    root: Path,
    *,
    original_split: bool = False,
    threshold: int = THRESHOLD,
    val_share: float = 0.2,
    seed: int = 0,
    select_on_test: bool = False,
    divide: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> SegmentedSet:
    """Read CVC-ClinicDB where it is found, and otherwise what ``read_segmented`` understands.

    The splits of CVC-ClinicDB are fixed: ``val_share``, ``seed`` and ``divide`` do not touch them.

    Raises:
        ConfigError: ``original_split`` of a set that has none.
        DataError: The set cannot be used.
    """
    if is_cvc_clinicdb(root):
        return read_cvc_clinicdb(
            root,
            original_split=original_split,
            select_on_test=select_on_test,
            threshold=threshold,
            progress=progress,
        )
    if original_split:
        raise ConfigError(
            f"{root}: is not CVC-ClinicDB, so that there is no original split of it",
            "set original_split off",
        )
    return read_segmented(
        root,
        threshold=threshold,
        val_share=val_share,
        seed=seed,
        select_on_test=select_on_test,
        divide=divide,
        progress=progress,
    )
