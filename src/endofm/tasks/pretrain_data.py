"""The clips of a pre-training: found once, written down, the same again after an interruption."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

from accelerate import Accelerator

from endofm.data.excluding import without_excluded
from endofm.data.manifests import Clip, Scan, Skipped, Video, scan, split_into_clips
from endofm.errors import DataError, RunError
from endofm.files import replacing
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder, write_json
from endofm.tasks.pretrain_config import ClipSettings, PretrainConfig


def find_clips(
    run: RunFolder, config: PretrainConfig, *, accelerator: Accelerator, show: bool
) -> list[Clip]:
    """Find the videos, or recall what the run found at its start, and cut them into clips.

    The main process looks; the others read what it has written.

    Raises:
        DataError: No usable video, or more unusable ones than allowed.
    """
    if accelerator.is_main_process and not run.holds_run:
        found = _scan(config, show=show)
        _write_skipped(run.skipped, found.skipped)
        _refuse_bad_scan(found, config, run.skipped)
        write_json(run.videos, [{**asdict(v), "path": str(v.path)} for v in found.videos])
    accelerator.wait_for_everyone()
    return [clip for video in _read_videos(run.videos) for clip in _cut(video, config.clip)]


def _scan(config: PretrainConfig, *, show: bool) -> Scan:
    with ProgressBar("checking videos", total=0, unit="videos", show=show) as bar:
        found = scan(
            [path.absolute() for path in config.data],
            folder_fps=config.clip.folder_fps,
            min_frames=config.clip.min_frames,
            progress=bar.set,
        )
        if not config.exclude or not found.videos:
            return found
        videos, num_excluded = without_excluded(found.videos, config.exclude)
        bar.say(f"left out: {num_excluded} of {len(found.videos)} videos, as --exclude says")
        return Scan(videos, found.skipped)


def _refuse_bad_scan(found: Scan, config: PretrainConfig, skipped_list: Path) -> None:
    num_videos = len(found.videos) + len(found.skipped)
    if not found.videos:
        raise DataError(
            f"none of {num_videos} videos can be used; the first: {found.skipped[0].reason}",
            f"all reasons are in {skipped_list}",
        )
    if len(found.skipped) > config.clip.max_skipped_share * num_videos:
        raise DataError(
            f"{len(found.skipped)} of {num_videos} videos cannot be used; "
            f"the first: {found.skipped[0].reason}",
            f"see {skipped_list}; mend or remove them, or raise --clip.max-skipped-share "
            f"above {config.clip.max_skipped_share}",
        )


def _write_skipped(path: Path, skipped: tuple[Skipped, ...]) -> None:
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "reason"])
        rows.writerows([str(item.path), item.reason] for item in skipped)


def _read_videos(path: Path) -> list[Video]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Video(**{**row, "path": Path(row["path"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path}: damaged ({error})", "start again under another --out") from None


def _cut(video: Video, settings: ClipSettings) -> list[Clip]:
    return split_into_clips(video, clip_frames=settings.clip_frames, target_fps=settings.target_fps)
