"""All that a training run would trip over in a data set, found in advance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from endofm.catalog.check_labels import label_problems
from endofm.catalog.check_prepared import changes
from endofm.catalog.cvc_clinicdb import is_cvc_clinicdb
from endofm.catalog.detection import read_boxes
from endofm.catalog.problems import Problem
from endofm.catalog.segmentation import find_segmented
from endofm.data.boxed_coco import coco_files
from endofm.data.clip_list import Video, read_rows
from endofm.data.images import read_image
from endofm.data.manifests import CLIP_LIST
from endofm.data.masks import read_mask
from endofm.data.segmented_search import FrameSequence, find_sequences, is_laid_out
from endofm.data.video import check_video, find_videos, open_video
from endofm.errors import DataError, EndofmError

Progress = Callable[[int, int], None]
NEARLY_ALL = 0.95
"""A lesion that covers more of a frame is more likely a mask the wrong way round."""
_NUM_WORKERS = 4


@dataclass(frozen=True)
class Checked:
    """What was looked at, and what is wrong with it."""

    counts: dict[str, int]
    problems: tuple[Problem, ...]

    @property
    def num_errors(self) -> int:
        """Problems that stop a training run, or spoil it unseen."""
        return sum(problem.is_error for problem in self.problems)


def check_set(
    root: Path, *, min_frames: int = 8, every_frame: bool = False, progress: Progress | None = None
) -> Checked:
    """Look at the videos, labels, splits, masks and boxes of a folder, whatever of these it has.

    Args:
        root: A prepared set, a folder of videos, or one that fine-tuning reads.
        min_frames: Shorter videos are a problem.
        every_frame: Decode all frames, not only the ends of each video.
        progress: Called with (videos and frames done, altogether) as it goes.

    Raises:
        DataError: The folder is missing or holds nothing of this kind.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", "check the spelling")
    counts: Counter[str] = Counter()
    problems: list[Problem] = []
    has_masks = is_laid_out(root) or is_cvc_clinicdb(root)
    has_boxes = bool(coco_files(root))
    if (root / CLIP_LIST).is_file() or not (has_masks or has_boxes):
        problems += _videos(root, counts, min_frames, every_frame=every_frame, progress=progress)
    if has_masks:
        problems += _masks(root, counts, progress)
    if has_boxes:
        problems += _boxes(root, counts, progress)
    problems += changes(root, every_clip=every_frame)
    if not counts and not problems:
        raise DataError(f"{root}: holds no videos, masks or boxes", "name another folder")
    return Checked(dict(counts), tuple(problems))


def _videos(
    root: Path,
    counts: Counter[str],
    min_frames: int,
    *,
    every_frame: bool,
    progress: Progress | None,
) -> Iterator[Problem]:
    listed: list[Video] = []
    if (root / CLIP_LIST).is_file():
        listed, problems = _listed(root / CLIP_LIST)
        yield from problems
        if not listed:
            return
    videos: list[Path | Video] = [*listed] if listed else [*find_videos(root)]

    def check(video: Path | Video) -> list[Problem]:
        return list(_of_video(video, min_frames, every_frame=every_frame))

    with ThreadPoolExecutor(_NUM_WORKERS) as pool:
        for done, found in enumerate(pool.map(check, videos), start=1):
            yield from found
            counts["videos"] += 1
            if progress:
                progress(done, len(videos))
    yield from label_problems(listed)


def _listed(path: Path) -> tuple[list[Video], list[Problem]]:
    """The videos that a list names, and what is wrong with it and its rows."""
    wrong: list[DataError] = []
    videos: list[Video] = []
    try:
        videos += read_rows(path, on_wrong_row=wrong.append).values()
    except DataError as error:
        wrong.append(error)
    problems = [Problem.of(error, "list", path) for error in wrong]
    if not videos and not problems:
        cure = "write the list anew, or remove it"
        problems.append(Problem("list", str(path), "lists no video", cure))
    return videos, problems


def _of_video(video: Path | Video, min_frames: int, *, every_frame: bool) -> Iterator[Problem]:
    path = video.path if isinstance(video, Video) else video
    try:
        info = check_video(path, folder_fps=video.fps if isinstance(video, Video) else 30.0)
        if every_frame:
            with open_video(path) as reader:
                for _ in reader.stream():
                    pass
    except DataError as error:
        yield Problem.of(error, "video", path)
        return
    if info.num_frames < min_frames:
        cure = f"leave it out; at least {min_frames} are needed"
        yield Problem("video", str(path), f"has {info.num_frames} frames", cure)
    if not isinstance(video, Video):
        return
    said = (video.num_frames, video.height, video.width)
    if said != (info.num_frames, info.height, info.width):
        yield Problem(
            "list",
            str(path),
            f"has {info.num_frames} frames of {info.width} x {info.height} px, the list says "
            f"{video.num_frames} of {video.width} x {video.height}",
            "write the list anew",
        )
    elif abs(video.fps - info.fps) > 0.01 * info.fps and path.is_file():
        yield Problem(
            "list",
            str(path),
            f"has {info.fps:g} frames a second, the list says {video.fps:g}",
            "write the list anew",
        )


def _masks(root: Path, counts: Counter[str], progress: Progress | None) -> Iterator[Problem]:
    if is_cvc_clinicdb(root):  # read as training does
        try:
            found = find_segmented(root, progress=progress)
            sequences = [one for part in found.splits.values() for one in part]
            counts["frames with a mask"] += sum(len(one.frames) for one in sequences)
        except EndofmError as error:
            yield Problem.of(error, "mask", root)
        return
    try:
        sequences = [one for part in find_sequences(root).values() for one in part]
    except DataError as error:
        yield Problem.of(error, "mask", root)
        return
    total = sum(len(one.frames) for one in sequences)
    with ThreadPoolExecutor(_NUM_WORKERS) as pool:
        for found_problems in pool.map(_of_sequence, sequences):
            yield from found_problems
    for one in sequences:
        counts["frames with a mask"] += len(one.frames)
        if progress:
            progress(counts["frames with a mask"], total)


def _of_sequence(sequence: FrameSequence) -> list[Problem]:
    problems: list[Problem] = []
    sizes = Counter[tuple[int, ...]]()
    for frame, mask in zip(sequence.frames, sequence.masks, strict=True):
        try:
            size_hw = read_image(frame).shape[:2]
            lesion = read_mask(mask)
        except DataError as error:
            problems.append(Problem.of(error, "mask", mask))
            continue
        sizes[size_hw] += 1
        if lesion.shape != size_hw:
            text = f"is of {lesion.shape[1]} x {lesion.shape[0]} px, its frame of "
            cure = "make masks of the frames' size"
            problems.append(Problem("mask", str(mask), f"{text}{size_hw[1]} x {size_hw[0]}", cure))
        elif lesion.mean() > NEARLY_ALL:
            cure = "is it the wrong way round? white is lesion"
            share = f"marks {lesion.mean():.0%} of the frame as lesion"
            problems.append(Problem("mask", str(mask), share, cure, is_error=False))
    if len(sizes) > 1:
        text = ", ".join(f"{num} of {w} x {h} px" for (h, w), num in sizes.most_common())
        cure = "keep frames of one size in a sequence"
        problems.append(
            Problem("mask", sequence.name, f"has frames of several sizes: {text}", cure)
        )
    return problems


def _boxes(root: Path, counts: Counter[str], progress: Progress | None) -> Iterator[Problem]:
    try:
        found = read_boxes(root, divide=False, progress=progress)
    except DataError as error:
        yield Problem.of(error, "box", root)
        return
    frames = [frame for part in found.splits.values() for one in part for frame in one.frames]
    counts["frames with boxes known"] += len(frames)
    counts["boxes"] += sum(len(frame.boxes_xyxy) for frame in frames)
    for skipped in found.skipped:
        yield Problem("box", skipped.what, skipped.reason, "mend or remove it: it is left out")
    for note in found.notes:
        yield Problem("box", str(root), note, "", is_error=False)
