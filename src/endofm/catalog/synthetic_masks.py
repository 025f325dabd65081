"""Synthetic clips as frames with masks: what a segmenter is trained on."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import cv2

from endofm.data.manifests import CLIP_LIST, read_clip_list
from endofm.data.segmented_search import SEQUENCE_LIST
from endofm.data.video import open_video
from endofm.files import replacing

FOLDER = "segmented"


def write_segmented_set(
    root: Path,
    *,
    every_frames: int,
    label: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Cut single frames and their masks out of the clips, in the layout of ``find_sequences``.

    Clips without a polyp give lesion-free frames. Splits and patients are those of the clips.

    Args:
        root: What ``write_dataset`` has written; receives ``segmented/``.
        every_frames: From one frame that is kept to the next.
        label: Which clips to take; all unless given.
        progress: Called with the number of clips written and of all.

    Returns:
        The folder ``segmented``.
    """
    clips = [one for one in read_clip_list(root / CLIP_LIST) if label in (None, one.label)]
    with replacing(root / FOLDER) as draft:
        for number, clip in enumerate(clips, start=1):
            name = clip.path.stem
            kept = range(0, clip.num_frames, every_frames)
            with open_video(clip.path) as reader:
                frames = reader.frames(list(kept))
            for index, frame in zip(kept, frames, strict=True):
                file = f"{name}/{index:06d}.png"
                _, png = cv2.imencode(".png", frame[..., ::-1])
                for kind, data in (
                    ("frames", png.tobytes()),
                    ("masks", (root / "masks" / file).read_bytes()),
                ):
                    (draft / kind / name).mkdir(parents=True, exist_ok=True)
                    (draft / kind / file).write_bytes(data)
            if progress is not None:
                progress(number, len(clips))
        with (draft / SEQUENCE_LIST).open("w", encoding="utf-8", newline="") as listed:
            rows = csv.writer(listed)
            rows.writerow(["sequence", "split", "group"])
            rows.writerows([clip.path.stem, clip.split, clip.group] for clip in clips)
    return root / FOLDER
