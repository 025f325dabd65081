"""A data set as it was downloaded to one that training reads.

clips.csv       the clips, with label, split and group
clips/          H.264, a folder a source
quality.csv     what was measured of each clip's frames
dataset.html    the page about it all
sources.csv     which part of which source a clip is, and its SHA-256
frames/         where there are masks or boxes: the frames, untouched
masks/          255 where the lesion is; sequences.csv has the splits
boxes.json      COCO
PREPARED.json   what was done, to what, with which result
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from endofm.catalog.card import Card, Found, Source
from endofm.catalog.prepare_settings import PrepareSettings
from endofm.catalog.safe_names import safe_names
from endofm.catalog.source_clips import CLIP_FILE, ClipRecord, ClipWriter, SourceRecord
from endofm.catalog.task_frames import (
    FRAMES,
    MASKS,
    sequence_name,
    takes_part,
    write_task_frames,
    write_task_lists,
)
from endofm.catalog.workers import in_processes
from endofm.data.manifests import CLIP_LIST, Video, write_clip_list
from endofm.errors import DataError
from endofm.files import working_alone, write_table, write_text

PREPARED = "PREPARED.json"
SOURCES = "sources.csv"
CLIPS = "clips"
SKIPPED = "skipped.csv"
QUALITY = "quality.csv"
_STATE = ".prepare"

Progress = Callable[[int, int], None]


class Plan(BaseModel):
    """What a folder is being prepared for; another plan needs another folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    set: str
    settings: PrepareSettings


@dataclass(frozen=True)
class _Job:
    name: str
    """Of what is written; safe."""
    source: Source
    with_frames: bool


def prepare(
    card: Card,
    found: Found,
    *,
    origin: Path,
    root: Path,
    settings: PrepareSettings,
    num_workers: int,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Write the prepared set to ``root``; what an earlier, interrupted call finished is kept.

    Args:
        card: The set.
        found: Its sources.
        origin: Where they were found.
        root: A new or empty folder, or one that the same call began.
        settings: Form of the clips, and what is left out.
        num_workers: Processes; 0 works in this one.
        progress: Called with (sources done, sources altogether).

    Returns:
        What ``PREPARED.json`` says.

    Raises:
        DataError: ``root`` holds something else, lies in ``origin`` or around it, or another
            process is at work there.
        VideoError: A clip cannot be written, for example because the disk is full.
    """
    _check_places(origin, root)
    _begin(root, Plan(set=card.name, settings=settings))
    with working_alone(root, lock=f"{_STATE}/lock"):
        names = safe_names([source.name for source in found.sources])
        jobs = [
            _Job(name, source, with_frames=settings.frames and takes_part(source, found))
            for name, source in zip(names, found.sources, strict=True)
        ]
        threads = max((os.cpu_count() or 1) // min(max(num_workers, 1), len(jobs)), 1)
        work = partial(
            _prepare_source, origin=origin, root=root, settings=settings, num_threads=threads
        )
        records: list[SourceRecord] = []
        for record in in_processes(work, jobs, num_workers=min(num_workers, len(jobs))):
            records.append(record)
            if progress:
                progress(len(records), len(jobs))
        return _finish(card, found, names, records, root=root, settings=settings)


def _check_places(origin: Path, root: Path) -> None:
    inner, outer = root.resolve(), origin.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise DataError(
            f"{root}: lies in {origin}, or around it",
            "write to a folder beside it, so that what is read stays as it is",
        )


def _begin(root: Path, plan: Plan) -> None:
    """Claim a folder, or find that it was claimed for the same."""
    path = root / _STATE / "plan.json"
    if path.is_file():
        try:
            earlier = Plan.model_validate_json(path.read_bytes())
        except ValidationError:
            raise DataError(f"{path}: is damaged", f"remove {root} and begin anew") from None
        if earlier != plan:
            raise DataError(
                f"{root}: was begun for {earlier.set} with {_differences(earlier, plan)}",
                "repeat that, or write to another folder",
            )
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root}: is not empty", "name a new folder")
    write_text(path, plan.model_dump_json(indent=1))


def _differences(earlier: Plan, plan: Plan) -> str:
    before, now = (one.settings.model_dump() for one in (earlier, plan))
    words = [f"{name} {before[name]}" for name in before if before[name] != now[name]]
    return ", ".join(words) or "the same settings"


def _prepare_source(
    job: _Job,
    *,
    origin: Path,
    root: Path,
    settings: PrepareSettings,
    num_threads: int,
) -> SourceRecord:
    """All of one source, unless its record says that it is there already."""
    name, source = job.name, job.source
    state = root / _STATE / "sources" / f"{sequence_name(name)}.json"
    files = _state_of(source)
    if (record := _earlier(state, root)) and record.files == files:
        return record
    writer = ClipWriter(
        source, root, root / CLIPS / name, settings=settings, num_threads=num_threads
    )
    writer.write_all()
    lost = ""
    if job.with_frames:
        lost = write_task_frames(source, root, name, black_boxes=writer.text_boxes)
    record = SourceRecord(
        name=source.name,
        path=_relative(source, origin),
        label=source.label,
        split=source.split,
        group=source.group,
        num_frames=writer.reader.num_frames,
        clips=tuple(writer.clips),
        dropped=dict(writer.dropped),
        crop_xyxy=writer.crop_xyxy,
        text_boxes=writer.text_boxes,
        damage=writer.reader.damage or lost,
        files=files,
    )
    # Not by pydantic, which refuses names that are no UTF-8.
    write_text(state, json.dumps(record.model_dump()))
    return record


def _state_of(source: Source) -> str:
    """Changes with the files of a source and with what is known of it, not with their place."""
    known = source.name, source.label, source.split, source.group, source.picture_fps
    digest = hashlib.sha256(repr((*known, source.is_one_clip, source.boxes)).encode())
    for path in (*source.files, *filter(None, source.masks or ())):
        try:
            status = path.stat()
            digest.update(f"{status.st_size}/{status.st_mtime_ns};".encode())
        except OSError:
            digest.update(b"missing;")
    return digest.hexdigest()[:32]


def _earlier(state: Path, root: Path) -> SourceRecord | None:
    """A record whose clips are all there; of a damaged source none, as it may be mended now."""
    try:
        record = SourceRecord.model_validate(json.loads(state.read_bytes()))
    except (OSError, ValueError, RecursionError):  # not there, or damaged
        return None
    if record.damage or not all(_is_whole(root / clip.path, clip) for clip in record.clips):
        return None
    return record


def _is_whole(path: Path, clip: ClipRecord) -> bool:
    try:
        return path.stat().st_size == clip.num_bytes
    except OSError:
        return False


def _relative(source: Source, origin: Path) -> str:
    path = source.files[0] if source.is_video_file else source.files[0].parent
    return path.relative_to(origin).as_posix()


def _finish(
    card: Card,
    found: Found,
    names: Sequence[str],
    records: Sequence[SourceRecord],
    *,
    root: Path,
    settings: PrepareSettings,
) -> dict[str, object]:
    clips = [(record, clip) for record in records for clip in record.clips]
    _remove_unlisted(root, {root / clip.path for _, clip in clips}, names)
    if not clips and not (root / FRAMES).is_dir():
        reason = next((record.damage for record in records if record.damage), "")
        raise DataError(f"{root}: no clip could be made", reason or "all are too short")
    write_clip_list(
        root / CLIP_LIST,
        [
            Video(
                root / clip.path,
                clip.num_frames,
                clip.fps,
                clip.height,
                clip.width,
                label=record.label,
                split=record.split,
                group=record.group,
            )
            for record, clip in clips
        ],
    )
    write_table(
        root / SOURCES,
        [
            ("clip", "source", "start_s", "num_frames", "fps", "sha256"),
            *(
                (clip.path, record.path, clip.start_s, clip.num_frames, clip.fps, clip.sha256)
                for record, clip in clips
            ),
        ],
    )
    if clips:
        measured = tuple(clips[0][1].quality)
        rows = ((clip.path, *clip.quality.values()) for _, clip in clips)
        write_table(root / QUALITY, [("path", *measured), *rows])
    skipped = [(record.path, record.name, why) for record in records if (why := _lack(record))]
    (root / SKIPPED).unlink(missing_ok=True)
    if skipped:
        write_table(root / SKIPPED, [("source", "name", "reason"), *skipped])
    written = [CLIP_LIST, SOURCES]
    if settings.frames:
        written += write_task_lists(found, names, root)
    summary = _summary(card, found, records, settings)
    summary["sha256"] = {
        name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in written
    }
    write_text(root / PREPARED, json.dumps(summary, indent=1) + "\n")
    return summary


def _lack(record: SourceRecord) -> str:
    """Why a source is not in the set, or not all of it; empty if it is, but for some frames."""
    if record.damage or not _is_without_clip(record):
        return record.damage
    dropped = (f"{num} frames {why.replace('_', ' ')}" for why, num in record.dropped.items())
    return f"no clip: {', '.join(dropped)}; --keep-all and --min-frames 1 keep them"


def _is_without_clip(record: SourceRecord) -> bool:
    """Whether a video gave none; of a still nobody expects one."""
    return record.num_frames > 1 and not record.clips


def _remove_unlisted(root: Path, listed: Collection[Path], names: Sequence[str]) -> None:
    """Remove what an earlier call made of a source that has become shorter since, or is gone."""
    for path in (root / CLIPS).rglob("*.mp4"):
        if path not in listed and CLIP_FILE.fullmatch(path.name):
            path.unlink()
    sequences = set(map(sequence_name, names))
    for path in [*root.glob(f"{FRAMES}/*"), *root.glob(f"{MASKS}/*")]:
        if path.name not in sequences:
            shutil.rmtree(path)


def _summary(
    card: Card, found: Found, records: Sequence[SourceRecord], settings: PrepareSettings
) -> dict[str, object]:
    clips = [clip for record in records for clip in record.clips]
    dropped: Counter[str] = Counter()
    for record in records:
        dropped.update(record.dropped)
    return {
        "name": card.name,
        "title": card.title,
        "citation": card.citation,
        "page": card.page,
        "terms": card.terms,
        "splits": card.splits,
        "notes": list(found.notes),
        "counts": {
            "sources": len(records),
            "groups": len({record.group for record in records if record.clips}),
            "source_frames": sum(record.num_frames for record in records),
            "clips": len(clips),
            "frames": sum(clip.num_frames for clip in clips),
            # None where none was sought, which says nothing of what is there.
            "sources_with_writing": (
                sum(bool(record.text_boxes) for record in records) if settings.mask_text else None
            ),
            "damaged_sources": sum(bool(record.damage) for record in records),
            "sources_without_clip": sum(map(_is_without_clip, records)),
        },
        "expected": dict(card.expected),
        "dropped": dict(sorted(dropped.items())),
        "blackened_xyxy": {one.path: one.text_boxes for one in records if one.text_boxes},
        "codec": {"name": "H.264 (libx264)", "pixels": "yuv420p, BT.709, limited range"},
        "settings": settings.model_dump(),
        "versions": {name: version(name) for name in ("endofm", "av", "numpy")},
    }
