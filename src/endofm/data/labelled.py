"""Labelled videos for classification: classes, splits that share no patient, and targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endofm.data.clip_list import Video
from endofm.data.label_classes import LABEL_SEPARATOR, check_label, find_classes, membership
from endofm.data.label_sources import SPLITS, find_labelled
from endofm.data.label_splits import (
    Divider,
    Splits,
    check_train,
    named_splits,
    notes_on_absent,
    validate_on_test,
)
from endofm.data.manifests import check_videos
from endofm.errors import DataError


@dataclass(frozen=True)
class LabelledSet:
    """Videos to learn from, to choose by, and to report on."""

    classes: tuple[str, ...]
    """In natural order, so that class k of 0..K-1 is the k-th; given ones in the given order."""
    splits: Mapping[str, tuple[Video, ...]]
    """``train``, ``val``, and ``test`` if there is one; each video has its split and its label."""
    multi_label: bool
    """A video may be of several classes, ``polyp;blood``, or of none."""
    notes: tuple[str, ...]
    """What the user must be told: what was set aside, or is reported on as well as chosen by."""


def read_labelled(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    val_share: float = 0.2,
    seed: int = 0,
    folder_fps: float = 30.0,
    multi_label: bool = False,
    select_on_test: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> LabelledSet:
    """Find labelled videos, check every one of them, and see to it that there is a validation.

    For the layouts see ``find_labelled``. A sole held-out split is the one that is reported on,
    ``test``, whatever it is called (PolypDiag's ``val.txt``). Where there is no other, validation
    groups are taken from ``train``; where there are no splits at all, test groups first.

    Args:
        path: A folder or a clip list.
        classes: Of a trained model, in its order. The set is then one to evaluate: nothing is set
            aside, videos without a split are ``test``, and not every class needs to occur.
        val_share: Share of the groups to set aside, of each class.
        seed: Decides which; the order of files and rows does not.
        folder_fps: Frame rate of folders of frames.
        multi_label: Labels are any number of classes, separated by ``;``. Without ``classes``, a
            label with a ``;`` says so too.
        select_on_test: Let ``val`` be the videos of ``test``, as the original did.
        progress: Called with (videos checked, videos altogether) after each video.

    Raises:
        DataError: The layout or a list is wrong, a label is missing or unknown, a class is too
            rare, a group is in two splits, or a video is missing or cannot be read.
    """
    found = find_labelled(path)
    if classes is None:
        multi_label = multi_label or any(LABEL_SEPARATOR in item.label for item in found)
        classes = find_classes(found, multi_label=multi_label)
        divider = Divider(path, classes, multi_label=multi_label, share=val_share, seed=seed)
    else:
        divider = None
    for item in found:
        check_label(item.label, classes, where=item.where, multi_label=multi_label)
    splits, notes = named_splits(found)
    if divider:
        notes += _complete(splits, divider, select_on_test=select_on_test)
    elif "" in splits:
        splits = {"test": splits[""]}
    videos = _open(splits, folder_fps=folder_fps, progress=progress)
    return LabelledSet(tuple(classes), videos, multi_label, tuple(notes))


def targets(
    videos: Sequence[Video], classes: Sequence[str], *, multi_label: bool
) -> NDArray[np.int64]:
    """The class of each video, shape (N,); or which of K classes it is of, 0 or 1, shape (N, K).

    Raises:
        DataError: A label is not in ``classes``, or missing where there is one class a video.
    """
    for video in videos:
        check_label(video.label, classes, where=str(video.path), multi_label=multi_label)
    ones = membership([video.label for video in videos], classes, multi_label=multi_label)
    return ones if multi_label else ones.argmax(1)


def _complete(splits: Splits, divider: Divider, *, select_on_test: bool) -> list[str]:
    """Fill in the splits that are missing, in place; gives notes."""
    path, classes, multi_label = divider.path, divider.classes, divider.multi_label
    notes = []
    if "" in splits:
        splits["train"] = splits.pop("")
        notes += divider.set_aside(splits, "test", num_left=1 if select_on_test else 2)
    check_train(path, splits, classes, multi_label=multi_label)
    if select_on_test:
        notes += validate_on_test(path, splits)
    elif "val" not in splits:
        notes += divider.set_aside(splits, "val", num_left=1)
    notes += notes_on_absent(splits, classes, multi_label=multi_label)
    return list(dict.fromkeys(notes))


def _open(
    splits: Splits, *, folder_fps: float, progress: Callable[[int, int], None] | None
) -> dict[str, tuple[Video, ...]]:
    """Check every video once."""
    items = {item.where: item for split in SPLITS for item in splits.get(split, ())}
    found = check_videos(
        [item.video for item in items.values()],
        folder_fps=folder_fps,
        min_frames=1,
        progress=progress,
    )
    if found.skipped:
        raise DataError(
            f"{len(found.skipped)} of {len(items)} videos cannot be used; the first: "
            f"{found.skipped[0].reason}",
            "mend it, or take it out of the set",
        )
    video_of = dict(zip(items, found.videos, strict=True))
    return {
        split: tuple(
            replace(video_of[item.where], label=item.label.strip(), split=split)
            for item in splits[split]
        )
        for split in SPLITS
        if split in splits
    }
