"""Frame sequences with boxes, whether of a public set that we know or in a common layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from endofm.catalog.cvc_clinicdb import is_cvc_clinicdb
from endofm.catalog.segmentation import find_segmented
from endofm.data.boxed import BoxedSet
from endofm.data.boxed_checks import complete_boxed
from endofm.data.boxed_coco import coco_files, read_coco
from endofm.data.boxed_masks import boxed_from_masks
from endofm.data.segmented_search import is_laid_out
from endofm.errors import DataError

LAYOUTS = (
    "give a folder with COCO files (train.json, val.json, test.json, or one for all) beside its "
    "pictures or videos, or one with frames/ and masks/"
)


def read_boxes(
    root: Path,
    *,
    classes: Sequence[str] | None = None,
    val_share: float = 0.2,
    seed: int = 0,
    select_on_test: bool = False,
    divide: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> BoxedSet:
    """Read COCO files; or draw boxes around the masks of CVC-ClinicDB or of ``frames/, masks/``.

    The splits of CVC-ClinicDB are fixed: ``val_share``, ``seed`` and ``divide`` do not touch them.

    Args:
        root: The set.
        classes: Of a trained model, in its order; those of the set, if none.
        val_share: Share of the sequences to set aside where there is no validation.
        seed: Decides which.
        select_on_test: Let ``val`` be the sequences of ``test``.
        divide: False for a set to evaluate: nothing is set aside.
        progress: Called with (frames checked, frames altogether) after each frame.

    Raises:
        DataError: It is none of these, or cannot be used.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", LAYOUTS)
    files = coco_files(root)
    if files:
        return complete_boxed(
            read_coco(root, files),
            classes=classes,
            val_share=val_share,
            seed=seed,
            select_on_test=select_on_test,
            divide=divide,
            progress=progress,
        )
    known = is_cvc_clinicdb(root)
    if not known and not is_laid_out(root):
        raise DataError(f"{root}: holds no boxes that can be read", LAYOUTS)
    segmented = find_segmented(
        root,
        val_share=val_share,
        seed=seed,
        select_on_test=select_on_test,
        divide=divide,
        progress=progress,
    )
    label = "polyp" if known else "lesion"
    return boxed_from_masks(segmented, label=classes[0] if classes else label)
