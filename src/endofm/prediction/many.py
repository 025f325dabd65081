"""Many videos, one after another: a folder each, and a table of them all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endofm.data.manifests import Skipped
from endofm.engine.weights import weights_sha256
from endofm.errors import ConfigError, DataError, RunError, VideoError
from endofm.files import replacing
from endofm.prediction.class_prediction import (
    ClassPrediction,
    deciding_thresholds,
    refuse_own_video,
)
from endofm.prediction.classify import PredictSettings, predict_classes, stride_of
from endofm.progress import ProgressBar
from endofm.report import write_prediction_page
from endofm.runfolder import PredictionFolder
from endofm.tasks.classify_trained import TrainedClassifier

TABLE = "videos.csv"
MEASURED = ("mean", "highest", "answered_s")
"""What the table says of each class."""


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
    trained: TrainedClassifier,
    videos: Sequence[Path],
    out: Path,
    *,
    settings: PredictSettings | None = None,
    draw_video: bool = True,
    overwrite: bool = False,
    resume: bool = False,
    show_progress: bool = True,
) -> PredictedVideos:
    """Predict videos, each into a folder of its own name below ``out``.

    Args:
        trained: What to ask, and how.
        videos: Video files and folders of frames, repeats counting once; those that cannot be
            read are left out.
        out: A folder.
        settings: Stride and the like.
        draw_video: Write the videos with the scores drawn.
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
    settings = settings or PredictSettings()
    kept = [] if overwrite else _already_there(trained, folders, settings, resume=resume)
    out.mkdir(parents=True, exist_ok=True)  # so that a bad place shows before the work
    pages: list[Path] = []
    skipped: list[Skipped] = []
    for number, (video, folder) in enumerate(folders.items(), start=1):
        if video in kept:
            pages.append(write_prediction_page(folder.path))  # a kill may have come before it
            continue
        title = f"{number}/{len(folders)} {video.name}"
        try:
            with ProgressBar(title, total=0, unit="windows", show=show_progress) as bar:
                found = predict_classes(trained, video, settings, progress=bar.set)
        except VideoError as error:
            skipped.append(Skipped(video, str(error)))
            continue
        if undrawn := _save(found, folder, title, draw=draw_video, show=show_progress):
            skipped.append(Skipped(video, f"{undrawn} (not drawn; its scores are there)"))
        pages.append(folder.page)
    if not pages:
        raise DataError(f"none of {len(folders)} videos can be read; {skipped[0].reason}")
    _write_table(out / TABLE, [folder for folder in folders.values() if folder.page in pages])
    return PredictedVideos(tuple(pages), out / TABLE, tuple(skipped), len(kept))


def _plan(videos: Sequence[Path], out: Path) -> dict[Path, PredictionFolder]:
    """Where each video's prediction goes; what earlier calls have drawn is no video to predict."""
    folders = folders_of([video for video in videos if not _drawn_by_us(video)], out)
    if not folders:
        raise DataError("no video to predict", "name video files or folders of frames")
    for video, folder in folders.items():
        refuse_own_video(folder, video)
    return folders


def _drawn_by_us(video: Path) -> bool:
    folder = PredictionFolder(video.parent)
    return video == folder.video and folder.prediction.is_file()


def _save(
    found: ClassPrediction, folder: PredictionFolder, title: str, *, draw: bool, show: bool
) -> VideoError | None:
    """Write a prediction; gives why the video could not be drawn, which costs nothing else."""
    drawing = ProgressBar(f"{title}: drawing", total=0, unit="frames", show=show and draw)
    try:
        with drawing as bar:
            found.save(folder.path, overwrite=True, draw_video=draw, progress=bar.set)
    except VideoError as error:  # in a frame that no window has asked for, or in the new video
        found.save(folder.path, overwrite=True, draw_video=False)
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
    trained: TrainedClassifier,
    folders: Mapping[Path, PredictionFolder],
    settings: PredictSettings,
    *,
    resume: bool,
) -> list[Path]:
    """The videos whose prediction can stay."""
    kept: list[Path] = []
    made_by = _made_by(trained, settings)
    for video, folder in folders.items():
        if not folder.prediction.exists():
            continue
        if not resume:
            raise DataError(
                f"{folder.path} already holds a prediction",
                "add --resume to keep it or --overwrite to replace it, or name another --out",
            )
        expected = {"video": str(video.absolute()), **made_by}
        found = _read(folder, expected)
        if other := [name for name, value in expected.items() if found[name] != value]:
            raise DataError(
                f"{folder.path}: its {other[0]} is not what is asked for now",
                "add --overwrite, or name another --out",
            )
        kept.append(video)
    return kept


def _write_table(path: Path, folders: Sequence[PredictionFolder]) -> None:
    """One row a video: its length, and each class's mean, highest score and time answered."""
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        for place, folder in enumerate(folders):
            found = _read(folder, ("video", "duration_s", "windows", *MEASURED))
            measured = {
                f"{name}:{label}": f"{value:.6f}"
                for name in MEASURED
                for label, value in found[name].items()
            }
            if place == 0:
                rows.writerow(["video", "folder", "duration_s", "num_windows", *measured])
            facts = (folder.path.name, f"{found['duration_s']:.3f}", len(found["windows"]))
            rows.writerow([found["video"], *facts, *measured.values()])


def _made_by(trained: TrainedClassifier, settings: PredictSettings) -> dict[str, Any]:
    """What must be the same in all predictions of a table, as in their files."""
    sampling, multi_label = trained.sampling, trained.multi_label
    return {
        "weights_sha256": weights_sha256(trained.network.state_dict()),
        "classes": list(trained.classes),
        "multi_label": multi_label,
        "thresholds": deciding_thresholds(
            trained.classes, trained.thresholds, multi_label=multi_label
        ),
        "sampling": sampling.model_dump(mode="json"),
        "stride_s": stride_of(settings, sampling) / sampling.target_fps,
    }


def _read(folder: PredictionFolder, keys: Iterable[str]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(folder.prediction.read_text(encoding="utf-8"))
        return {key: found[key] for key in keys}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{folder.prediction}: damaged ({error})", "add --overwrite") from None
