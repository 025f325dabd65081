"""Frame sequences with boxes, whether of a public set that we know or in a common layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from endofm.catalog.cvc_clinicdb import is_cvc_clinicdb
from endofm.catalog.kumc import is_kumc, read_kumc
from endofm.catalog.segmentation import find_segmented
from endofm.data.boxed import BoxedSet
from endofm.data.boxed_checks import complete_boxed
from endofm.data.boxed_coco import coco_files, read_coco
from endofm.data.boxed_found import FoundSet
from endofm.data.boxed_masks import boxed_from_masks
from endofm.data.boxed_voc import is_voc, read_voc
from endofm.data.boxed_yolo import read_yolo, yolo_file
from endofm.data.segmented_search import is_laid_out
from endofm.errors import DataError

LAYOUTS = (
    "give a folder with COCO files (train.json, val.json, test.json, or one for all), Pascal VOC "
    "(JPEGImages/ and Annotations/), YOLO (data.yaml, images/ and labels/), or frames/ and masks/"
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
    """Read KUMC PolypsSet, COCO, YOLO or Pascal VOC; or draw boxes around masks.

    Masks are those of CVC-ClinicDB or of ``frames/`` and ``masks/``.
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
    if root.is_file():
        raise DataError(f"{root}: is a file", f"give the folder that it describes: {root.parent}")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", LAYOUTS)
    found = _find_boxes(root)
    if found:
        return complete_boxed(
            found,
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


def _find_boxes(root: Path) -> FoundSet | None:
    """What files of boxes say; nothing where there are none."""
    if is_kumc(root):
        return read_kumc(root)
    if files := coco_files(root):
        return read_coco(root, files)
    if file := yolo_file(root):
        return read_yolo(root, file)
    return read_voc(root) if is_voc(root) else None
