"""What writing a prediction has in common, whatever the task.

``prediction.json`` goes first and comes last, so that a kill leaves the old prediction or none.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from endofm.data.video import VideoInfo
from endofm.errors import DataError
from endofm.runfolder import PredictionFolder

Progress = Callable[[int, int], object]
"""Called with how much is done and how much there is."""

AREA_COLUMNS = ("frame", "time_s", "area_px", "area_share", "confidence")
"""Of ``areas.csv``, by which the masks beside it are known to be of a prediction."""


def prepare(
    out: Path | str, video: Path, *, overwrite: bool, masks: bool = False
) -> PredictionFolder:
    """A folder without any prediction: an earlier one is refused, or taken away.

    Args:
        out: The folder.
        video: What is predicted.
        overwrite: Take away an earlier prediction.
        masks: Is a folder of masks about to be written?

    Raises:
        DataError: A prediction is there and ``overwrite`` is not given, the video lies where the
            new one would, or the masks there are of no prediction.
        OSError: The folder cannot be written.
    """
    folder = PredictionFolder(Path(out))
    refuse_own_video(folder, video)
    earlier = folder.prediction.exists()
    if earlier and not overwrite:
        raise DataError(
            f"{folder.path} already holds a prediction", "add --overwrite, or name another --out"
        )
    ours = _holds_our_masks(folder)
    if masks and folder.masks.exists() and not ours:
        raise DataError(f"{folder.masks} is no earlier prediction's", "name another --out")
    folder.path.mkdir(parents=True, exist_ok=True)
    for old in (folder.prediction, folder.page):  # no old answer beside new files
        old.unlink(missing_ok=True)
    if earlier:
        folder.scores.unlink(missing_ok=True)
    if ours:
        if folder.masks.exists():
            shutil.rmtree(folder.masks)
        folder.run_lengths.unlink(missing_ok=True)
        folder.areas.unlink()  # last: while it is there, the masks are known to be ours
    return folder


def refuse_own_video(folder: PredictionFolder, video: Path) -> None:
    """Raise ``DataError`` where a prediction would be written into or over its own video."""
    masks = folder.masks.resolve()
    taken = {folder.path.resolve(), folder.video.resolve(), masks}
    if video.resolve() in taken or masks in video.resolve().parents:
        raise DataError(f"{video} would be written over or into", "name another --out")


def _holds_our_masks(folder: PredictionFolder) -> bool:
    """Has a prediction, perhaps one that a kill cut short, written the masks there?"""
    if not folder.areas.is_file():
        return False
    with folder.areas.open(encoding="utf-8", errors="replace") as lines:
        return lines.readline().strip() == ",".join(AREA_COLUMNS)


def video_facts(info: VideoInfo) -> dict[str, object]:
    """What ``prediction.json`` says of the video."""
    return {
        "video": str(info.path.absolute()),
        "duration_s": info.duration_s,
        "fps": info.fps,
        "num_frames": info.num_frames,
        "height": info.height,
        "width": info.width,
    }
