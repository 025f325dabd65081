"""A data set of synthetic endoscopy on disk, in the layout that every converter writes."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.catalog.synthetic import KINDS, Box, check_sizes, render_frames, tight_box
from endofm.catalog.synthetic_polyp import POLYP_KINDS
from endofm.catalog.workers import in_processes
from endofm.data.manifests import Video, write_clip_list
from endofm.data.video import write_video
from endofm.errors import ConfigError, DataError
from endofm.files import replacing, write_text

Progress = Callable[[int, int], None]

_README = """\
Synthetic endoscopy, made by endofm. No patient is shown: every picture is computed.

clips.csv    the clips: label (no_polyp, adenoma, hyperplastic), split, group (the patient)
videos/      H.264
masks/       for every frame of every clip where a polyp is seen: 255, elsewhere 0
boxes.json   the same as boxes, COCO; video_id counts the clips of clips.csv from 1, frame_index
             counts a clip's frames from 0; area is the number of pixels in the mask; track_id is 1,
             since a clip shows at most one polyp

Split by patient: train, val and test share none. The same call makes the same pixels:

    from endofm.catalog.synthetic_dataset import write_dataset
    {call}
"""


@dataclass(frozen=True)
class ClipPlan:
    """A clip to be written."""

    name: str
    seed: int
    kind: str
    patient: int
    group: str
    split: str


@dataclass(frozen=True)
class _Finding:
    """A polyp in one frame."""

    frame_index: int
    box_xyxy: Box
    area_px: int


def write_dataset(
    root: Path,
    *,
    num_clips: int,
    num_patients: int,
    num_frames: int = 150,
    size_px: int = 256,
    fps: float = 30.0,
    seed: int = 0,
    num_workers: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Write a labelled data set and return its clip list.

    ``root`` receives ``videos/<name>.mp4``, ``masks/<name>/<frame:06d>.png`` (0 or 255, for every
    frame of every clip, all 0 where no polyp is in view), ``boxes.json`` (COCO with ``video_id``
    and ``frame_index``), ``README.txt`` and, last of all, ``clips.csv``: a root without it is
    unfinished. Patients are split about 60/20/20 into train, val and test, and the kinds are
    spread evenly over each split.

    Args:
        root: A new or empty folder.
        num_clips: Number of clips; they go round the patients in turn.
        num_patients: Number of patients.
        num_frames: Number of frames in a clip.
        size_px: Side of the square frames.
        fps: Frames a second.
        seed: Decides every pixel, whatever the number of workers.
        num_workers: Number of processes that render; 0 renders in this one.
        progress: Called with the number of clips written and of all clips.

    Raises:
        ConfigError: A number is out of range.
        DataError: ``root`` is not empty.
    """
    check_sizes(num_frames=num_frames, size_px=size_px, fps=fps)
    plans = plan_clips(num_clips, num_patients, seed=seed)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root} is not an empty folder", "name a new folder or delete this one")
    (root / "videos").mkdir(parents=True, exist_ok=True)
    write = partial(_write_clip, root=root, num_frames=num_frames, size_px=size_px, fps=fps)
    findings = []
    for clip_findings in in_processes(write, plans, num_workers=num_workers):
        findings.append(clip_findings)
        if progress is not None:
            progress(len(findings), num_clips)
    coco = _coco(plans, findings, num_frames=num_frames, size_px=size_px, fps=fps)
    write_text(root / "boxes.json", json.dumps(coco))
    sizes = f"{num_clips=}, {num_patients=}, {num_frames=}, {size_px=}, {fps=}, {seed=}"
    write_text(root / "README.txt", _README.format(call=f"write_dataset(root, {sizes})"))
    form = partial(Video, num_frames=num_frames, fps=fps, height=size_px, width=size_px)
    videos = [
        form(_video_path(root, plan), label=plan.kind, split=plan.split, group=plan.group)
        for plan in plans
    ]
    write_clip_list(root / "clips.csv", videos)
    return root / "clips.csv"


def plan_clips(num_clips: int, num_patients: int, *, seed: int) -> list[ClipPlan]:
    """Which clip shows what, in order of names.

    Raises:
        ConfigError: There are fewer clips than patients, or none.
    """
    if not 1 <= num_patients <= num_clips:
        raise ConfigError(
            f"{num_clips} clips cannot show {num_patients} patients",
            "give at least one patient and one clip for each",
        )
    splits = split_patients(num_patients)
    # Kinds take turns from patient to patient, hence within each split as well.
    by_patient = sorted(range(num_clips), key=lambda i: i % num_patients)
    kind_of = {clip: KINDS[turn % len(KINDS)] for turn, clip in enumerate(by_patient)}
    patients = np.random.SeedSequence((seed, 0)).generate_state(num_patients)
    seeds = np.random.SeedSequence((seed, 1)).generate_state(num_clips)
    return [
        ClipPlan(
            name=f"clip-{i + 1:04d}",
            seed=int(seeds[i]),
            kind=kind_of[i],
            patient=int(patients[i % num_patients]),
            group=f"patient-{i % num_patients + 1:03d}",
            split=splits[i % num_patients],
        )
        for i in range(num_clips)
    ]


def split_patients(num_patients: int) -> list[str]:
    """The split of each patient: about 60/20/20, none empty from three patients on."""
    share = max(round(num_patients / 5), 1)
    num_test = share if num_patients > 1 else 0
    num_val = share if num_patients > 2 else 0
    num_train = num_patients - num_val - num_test
    return ["train"] * num_train + ["val"] * num_val + ["test"] * num_test


def _write_clip(
    plan: ClipPlan, *, root: Path, num_frames: int, size_px: int, fps: float
) -> list[_Finding]:
    """Write a clip's masks and video, each in one step."""
    findings: list[_Finding] = []
    with replacing(root / "masks" / plan.name) as draft:
        draft.mkdir()
        pairs = render_frames(
            seed=plan.seed,
            kind=plan.kind,
            patient=plan.patient,
            num_frames=num_frames,
            size_px=size_px,
            fps=fps,
        )
        frames = _keep_masks(pairs, folder=draft, findings=findings)
        write_video(_video_path(root, plan), frames, fps=fps)
    return findings


def _video_path(root: Path, plan: ClipPlan) -> Path:
    return root / "videos" / f"{plan.name}.mp4"


def _keep_masks(
    pairs: Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]],
    *,
    folder: Path,
    findings: list[_Finding],
) -> Iterator[NDArray[np.uint8]]:
    """Pass frames on while their masks go to ``folder`` and their boxes to ``findings``."""
    for index, (frame, mask) in enumerate(pairs):
        _, png = cv2.imencode(".png", mask * np.uint8(255))
        (folder / f"{index:06d}.png").write_bytes(png.tobytes())
        box = tight_box(mask)
        if box is not None:
            findings.append(_Finding(frame_index=index, box_xyxy=box, area_px=int(mask.sum())))
        yield frame


def _coco(
    plans: Sequence[ClipPlan],
    findings: Sequence[Sequence[_Finding]],
    *,
    num_frames: int,
    size_px: int,
    fps: float,
) -> dict[str, Any]:
    """The boxes as COCO: every frame of every clip is an image, ids count from 1."""
    size = {"width": size_px, "height": size_px}
    names = [f"videos/{plan.name}.mp4" for plan in plans]
    videos = [
        {
            "id": v + 1,
            "name": plan.name,
            "file_name": name,
            "fps": fps,
            "split": plan.split,
            "group": plan.group,
            **size,
        }
        for v, (plan, name) in enumerate(zip(plans, names, strict=True))
    ]
    images = [
        {
            "id": v * num_frames + t + 1,
            "file_name": name,
            "video_id": v + 1,
            "frame_index": t,
            **size,
        }
        for v, name in enumerate(names)
        for t in range(num_frames)
    ]
    annotations: list[dict[str, Any]] = []
    for v, (plan, clip_findings) in enumerate(zip(plans, findings, strict=True)):
        for finding in clip_findings:
            x0, y0, x1, y1 = finding.box_xyxy
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": v * num_frames + finding.frame_index + 1,
                    "category_id": POLYP_KINDS.index(plan.kind) + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": finding.area_px,
                    "iscrowd": 0,
                    "track_id": 1,
                }
            )
    return {
        "info": {"description": "Synthetic endoscopy: no patient is shown"},
        "videos": videos,
        "categories": [{"id": c + 1, "name": name} for c, name in enumerate(POLYP_KINDS)],
        "images": images,
        "annotations": annotations,
    }
