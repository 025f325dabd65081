"""The clips of a pre-training: found once, written down, the same again after an interruption."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from endofm.data.excluding import without_excluded
from endofm.data.manifests import (
    Clip,
    Scan,
    Skipped,
    Video,
    scan,
    split_into_clips,
    write_skipped,
)
from endofm.data.shards import (
    ClipStore,
    JoinedClips,
    StoredClips,
    is_store,
    open_store,
    skipped_videos,
)
from endofm.data.storage import is_url
from endofm.errors import DataError, RunError
from endofm.progress import ProgressBar
from endofm.runfolder import RunFolder, write_json
from endofm.tasks.pretrain_config import ClipSettings, PretrainConfig


def find_clips(
    run: RunFolder, config: PretrainConfig, *, accelerator: Accelerator, show: bool
) -> Sequence[Clip]:
    """Find the videos, or recall what the run found at its start, and cut them into clips.

    The main process looks; the others read what it has written. Clips of files come first, then
    those of clip stores, each as they are named.

    Raises:
        DataError: No usable video, more unusable ones than allowed, or a store is damaged.
        RunError: A store does not hold what it held when the run began.
    """
    is_new = accelerator.is_main_process and not run.holds_run
    if is_new:
        _look(run, config, show=show)
    accelerator.wait_for_everyone()
    files = [clip for video in _read_videos(run.videos) for clip in _cut(video, config.clip)]
    check_shards = accelerator.is_main_process and not is_new  # else they are checked by now
    stores = [_recall(run, kept, check_shards=check_shards) for kept in _kept_stores(run)]
    return JoinedClips([files, *(_clips_of(store, config.clip) for store in stores)])


HELD_OUT = ("val", "test")
"""Splits that a clip list keeps for judging; pre-training takes all videos, as the paper did."""


def _look(run: RunFolder, config: PretrainConfig, *, show: bool) -> None:
    """Find files and stores, and write down what there is."""
    if config.exclude and (address := next(filter(is_store, config.data), None)):
        raise DataError(
            f"{address}: is a clip store, of which nothing can be left out",
            "pack the videos anew with: endofm data pack --exclude",
        )
    stores = [open_store(_absolute(address)) for address in config.data if is_store(address)]
    paths = [Path(address) for address in config.data if not is_store(address)]
    found = _scan(paths, config, show=show) if paths else Scan((), ())
    too_short = [
        item
        for store in stores
        for item in skipped_videos(store, min_frames=config.clip.min_frames)
    ]
    skipped = (*found.skipped, *too_short)
    num_in_stores = sum(len(store.index) for store in stores)
    write_skipped(run.skipped, skipped)
    _refuse_bad_scan(
        skipped,
        config,
        num_videos=len(found.videos) + len(found.skipped) + num_in_stores,
        skipped_list=run.skipped,
    )
    write_json(run.videos, [{**asdict(v), "path": str(v.path)} for v in found.videos])
    kept = [
        {"address": store.address, "num_videos": len(store.index), "sha256": store.sha256}
        for store in stores
    ]
    write_json(run.stores, kept)


def _scan(paths: Sequence[Path], config: PretrainConfig, *, show: bool) -> Scan:
    with ProgressBar("checking videos", total=0, unit="videos", show=show) as bar:
        found = scan(
            [path.absolute() for path in paths],
            folder_fps=config.clip.folder_fps,
            min_frames=config.clip.min_frames,
            progress=bar.set,
        )
        if config.exclude and found.videos:
            videos, num_excluded = without_excluded(found.videos, config.exclude)
            bar.say(f"left out: {num_excluded} of {len(found.videos)} videos, as --exclude says")
            found = Scan(videos, found.skipped)
        held_out = Counter(video.split for video in found.videos if video.split in HELD_OUT)
        if held_out:
            told = " and ".join(f"{num} of {split}" for split, num in sorted(held_out.items()))
            bar.say(
                f"note: {told} are among the {len(found.videos)} videos; do not test on them "
                "what starts from this run"
            )
        return found


def _absolute(address: str) -> str:
    return address if is_url(address) else str(Path(address).absolute())


def _clips_of(store: ClipStore, settings: ClipSettings) -> StoredClips:
    return StoredClips(
        store,
        clip_frames=settings.clip_frames,
        target_fps=settings.target_fps,
        min_frames=settings.min_frames,
    )


def _recall(run: RunFolder, kept: Mapping[str, Any], *, check_shards: bool) -> ClipStore:
    """Open a store that the run began with."""
    if not (isinstance(kept.get("address"), str) and isinstance(kept.get("sha256"), str)):
        raise _damaged(run.stores, "an entry lacks its address")
    store = open_store(kept["address"], check_shards=check_shards)
    if store.sha256 != kept["sha256"]:
        raise RunError(
            f"{store.address}: is another store than the one that {run.path} began with",
            "put the old one back, or start again under another --out",
        )
    return store


def _refuse_bad_scan(
    skipped: Sequence[Skipped], config: PretrainConfig, *, num_videos: int, skipped_list: Path
) -> None:
    if len(skipped) == num_videos:
        raise DataError(
            f"none of {num_videos} videos can be used; the first: {skipped[0].reason}",
            f"all reasons are in {skipped_list}",
        )
    if len(skipped) > config.clip.max_skipped_share * num_videos:
        raise DataError(
            f"{len(skipped)} of {num_videos} videos cannot be used; the first: {skipped[0].reason}",
            f"see {skipped_list}; mend or remove them, or raise --clip.max-skipped-share "
            f"above {config.clip.max_skipped_share}",
        )


def _kept_stores(run: RunFolder) -> list[dict[str, Any]]:
    """What was written down of the stores; nothing by a run that began before there were any."""
    return _read_rows(run.stores) if run.stores.exists() else []


def _read_videos(path: Path) -> list[Video]:
    try:
        return [Video(**{**row, "path": Path(row["path"])}) for row in _read_rows(path)]
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, str(error)) from None


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """What the run has written down."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise _damaged(path, "no list of records")
    return rows


def _damaged(path: Path, told: str) -> RunError:
    return RunError(f"{path}: damaged ({told})", "start again under another --out")


def _cut(video: Video, settings: ClipSettings) -> list[Clip]:
    return split_into_clips(video, clip_frames=settings.clip_frames, target_fps=settings.target_fps)
