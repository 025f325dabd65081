"""Many videos, one after another: a folder each, and a table of them all."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from endofm.data.manifests import Skipped
from endofm.errors import ConfigError, DataError, RunError, VideoError
from endofm.files import replacing
from endofm.prediction.saving import Progress, refuse_own_video
from endofm.progress import ProgressBar
from endofm.report import write_prediction_page
from endofm.runfolder import PredictionFolder

TABLE = "videos.csv"


class VideoPredictor(Protocol):
    """A network that is asked about one video after another in the same way."""

    @property
    def unit(self) -> str:
        """What progress counts."""

    def made_by(self) -> dict[str, Any]:
        """What must be the same in all predictions of a table, as in their files."""

    def predict(self, video: Path, *, progress: Progress | None = None) -> Any:
        """What is said of one video, for ``save``."""

    def save(
        self, found: Any, out: Path, *, draw_video: bool, progress: Progress | None = None
    ) -> None:
        """Write what was predicted over what is there."""

    def row(self, found: Mapping[str, Any]) -> dict[str, str]:
        """What the table says of one video, from its ``prediction.json``."""


@dataclass(frozen=True)
class PredictedVideos:
    """What ``predict_videos`` has written."""

    pages: tuple[Path, ...]
    table: Path
    skipped: tuple[Skipped, ...]
    """Videos that could not be read, or not be drawn."""
    num_kept: int
    """Videos that were predicted before and left as they are."""


def predict_videos(
    predictor: VideoPredictor,
    videos: Sequence[Path],
    out: Path,
    *,
    draw_video: bool = True,
    overwrite: bool = False,
    resume: bool = False,
    show_progress: bool = True,
) -> PredictedVideos:
    """Predict videos, each into a folder of its own name below ``out``.

    Args:
        predictor: What to ask, and how.
        videos: Video files and folders of frames, repeats counting once; those that cannot be
            read are left out.
        out: A folder.
        draw_video: Write the videos with what was predicted drawn.
        overwrite: Take the place of earlier predictions.
        resume: Keep the predictions that are there and make the others.
        show_progress: Show a progress bar a video on standard error.

    Raises:
        ConfigError: Both ``overwrite`` and ``resume``.
        DataError: There is no video, none that can be read, one would be written over, or a
            prediction is there already: of this video without ``overwrite`` or ``resume``, or
            with ``resume`` of another or made in another way.
        RunError: A prediction to be kept is damaged.
        OSError: The folder cannot be written.
    """
    if overwrite and resume:
        raise ConfigError("--overwrite and --resume exclude each other", "leave out one of them")
    folders = _plan(videos, out)
    kept = [] if overwrite else _already_there(predictor, folders, resume=resume)
    out.mkdir(parents=True, exist_ok=True)  # so that a bad place shows before the work
    pages: list[Path] = []
    skipped: list[Skipped] = []
    for number, (video, folder) in enumerate(folders.items(), start=1):
        if video in kept:
            pages.append(write_prediction_page(folder.path))  # a kill may have come before it
            continue
        title = f"{number}/{len(folders)} {video.name}"
        try:
            with ProgressBar(title, total=0, unit=predictor.unit, show=show_progress) as bar:
                found = predictor.predict(video, progress=bar.set)
        except VideoError as error:
            skipped.append(Skipped(video, str(error)))
            continue
        drawing = ProgressBar(
            f"{title}: drawing", total=0, unit="frames", show=show_progress and draw_video
        )
        if undrawn := _save(predictor, found, folder, draw=draw_video, drawing=drawing):
            skipped.append(Skipped(video, f"{undrawn} (not drawn; the rest is there)"))
        pages.append(folder.page)
    if not pages:
        raise DataError(f"none of {len(folders)} videos can be read; {skipped[0].reason}")
    _write_table(
        predictor, out / TABLE, [folder for folder in folders.values() if folder.page in pages]
    )
    return PredictedVideos(tuple(pages), out / TABLE, tuple(skipped), len(kept))


def _plan(videos: Sequence[Path], out: Path) -> dict[Path, PredictionFolder]:
    """Where each video's prediction goes; what earlier calls have made is no video to predict."""
    folders = folders_of([video for video in videos if not _made_by_us(video)], out)
    if not folders:
        raise DataError("no video to predict", "name video files or folders of frames")
    for video, folder in folders.items():
        refuse_own_video(folder, video)
    return folders


def _made_by_us(path: Path) -> bool:
    folder = PredictionFolder(path.parent)
    return path in (folder.video, folder.masks) and folder.prediction.is_file()


def _save(
    predictor: VideoPredictor,
    found: Any,
    folder: PredictionFolder,
    *,
    draw: bool,
    drawing: ProgressBar,
) -> VideoError | None:
    """Write a prediction; gives why the video could not be drawn, which costs nothing else."""
    try:
        with drawing as bar:
            predictor.save(found, folder.path, draw_video=draw, progress=bar.set)
    except VideoError as error:  # in a frame that was not asked for, or in the new video
        predictor.save(found, folder.path, draw_video=False)
        return error
    return None


def folders_of(videos: Sequence[Path], out: Path) -> dict[Path, PredictionFolder]:
    """A folder for each video, called like it; of the same name, later ones get a number."""
    folders: dict[Path, PredictionFolder] = {}
    taken: set[str] = set()
    for video in dict.fromkeys(videos):
        named = video if video.name.strip(".") else video.resolve()  # such as '.' or 'frames/..'
        name = named.name if named.is_dir() else named.stem
        number = 1
        unique = name
        while unique.casefold() in taken:  # some disks know no upper case
            number += 1
            unique = f"{name}-{number}"
        taken.add(unique.casefold())
        folders[video] = PredictionFolder(out / unique)
    return folders


def _already_there(
    predictor: VideoPredictor, folders: Mapping[Path, PredictionFolder], *, resume: bool
) -> list[Path]:
    """The videos whose prediction can stay."""
    kept: list[Path] = []
    made_by = predictor.made_by()
    for video, folder in folders.items():
        if not folder.prediction.exists():
            continue
        if not resume:
            raise DataError(
                f"{folder.path} already holds a prediction",
                "add --resume to keep it or --overwrite to replace it, or name another --out",
            )
        if other := _first_difference(folder, {**made_by, "video": str(video.absolute())}):
            raise DataError(
                f"{folder.path}: its {other} is not what is asked for now",
                "add --overwrite, or name another --out",
            )
        kept.append(video)
    return kept


def _first_difference(folder: PredictionFolder, expected: Mapping[str, Any]) -> str | None:
    """What differs in a prediction: first of all its task, by which the rest is named."""
    found = _read(folder)
    try:
        return next((name for name, value in expected.items() if found[name] != value), None)
    except KeyError as error:
        raise _damaged(folder, error) from None


def _write_table(
    predictor: VideoPredictor, path: Path, folders: Sequence[PredictionFolder]
) -> None:
    """One row a video: its length, and what the task measures."""
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        for place, folder in enumerate(folders):
            found = _read(folder)
            try:
                measured = predictor.row(found)
                facts = (found["video"], folder.path.name, f"{found['duration_s']:.3f}")
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise _damaged(folder, error) from None
            if place == 0:
                rows.writerow(["video", "folder", "duration_s", *measured])
            rows.writerow([*facts, *measured.values()])


def _read(folder: PredictionFolder) -> dict[str, Any]:
    try:
        found = json.loads(folder.prediction.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(folder, error) from None
    if not isinstance(found, dict):
        raise _damaged(folder, TypeError("no prediction"))
    return found


def _damaged(folder: PredictionFolder, error: Exception) -> RunError:
    return RunError(f"{folder.prediction}: damaged ({error})", "add --overwrite")
