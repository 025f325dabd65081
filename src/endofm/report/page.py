"""One self-contained page about one run or several: pictures inside, no script, no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from endofm.errors import ConfigError, RunError
from endofm.files import write_text
from endofm.report import curves, detect_gallery, segment_gallery, wording
from endofm.report.charts import SMOOTH_FROM
from endofm.report.detect_results import DetectResults, read_detect_results
from endofm.report.frame_results import FrameResults
from endofm.report.gallery import Gallery
from endofm.report.html import page_environment
from endofm.report.pictures import Strip, Views, read_attention, read_views
from endofm.report.reading import ProbeKey, ProbeResult, RunRecord, evaluated_task, read_run
from endofm.report.results import SplitResults, read_results
from endofm.report.segment_frames import BySize, OverTime, by_size, over_time, read_frames
from endofm.report.segment_results import read_segment_results
from endofm.runfolder import RunFolder

MAX_SKIPPED_SHOWN = 50
Picture = TypeVar("Picture")


@dataclass(frozen=True)
class ProbeRow:
    """One line of the table of probes: the first result and the last."""

    key: ProbeKey
    before: ProbeResult
    after: ProbeResult
    data_note: str


@dataclass(frozen=True)
class OnFrames:
    """What the page shows of one evaluation on frames of videos."""

    results: FrameResults

    @property
    def name(self) -> str:
        """The split."""
        return self.results.name

    @property
    def selected(self) -> bool:
        """Were the best weights chosen on these very sequences?"""
        return self.results.selected


@dataclass(frozen=True)
class Segmented(OnFrames):
    """That of a segmenter."""

    task: ClassVar[str] = "segment"
    gallery: Gallery[segment_gallery.ShownFrame] | None
    over_time: OverTime | None
    by_size: BySize | None


@dataclass(frozen=True)
class Detected(OnFrames):
    """That of a detector."""

    task: ClassVar[str] = "detect"
    results: DetectResults
    gallery: Gallery[detect_gallery.ShownFrame] | None


Evaluated = SplitResults | Segmented | Detected


@dataclass(frozen=True)
class RunSection:
    """What the page shows of one run alone."""

    run: RunRecord
    name: str
    probes: tuple[ProbeRow, ...]
    clips_per_s: float | None
    views: Views | None
    attention: tuple[Strip, ...] | None
    results: tuple[Evaluated, ...]
    damaged: tuple[str, ...]


def write_report(run_folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write a page about runs, from nothing but the files in their folders.

    Args:
        run_folders: One run, or several to set side by side.
        out: The page to write; for a single run by default ``report.html`` in its folder.

    Returns:
        Where the page is.

    Raises:
        RunError: A folder holds no run, or the page cannot be written.
        ConfigError: No folder is given, several are but no ``out``, or a run's settings are
            damaged.
    """
    if not run_folders:
        raise ConfigError("no run to report on", "name one or more run folders")
    runs = [read_run(Path(folder)) for folder in run_folders]
    if out is None and len(runs) > 1:
        raise ConfigError(f"nowhere to write a page about {len(runs)} runs", "add --out page.html")
    target = Path(out) if out is not None else runs[0].files.report
    try:
        write_text(target, render(runs))
    except OSError as error:
        raise RunError(
            f"{target}: cannot be written ({error.strerror})", "name another --out"
        ) from None
    return target


def render(runs: list[RunRecord]) -> str:
    """The page's HTML."""
    names, task = wording.distinct_names(runs), wording.task_of(runs)
    return (
        page_environment()
        .get_template("page.html")
        .render(
            sections=[run_section(run, name) for run, name in zip(runs, names, strict=True)],
            task=task,
            compared=curves.COMPARED[task],
            probe_charts=curves.probe_charts(runs, names),
            learning_charts=curves.learning_charts(runs, names),
            machinery_charts=curves.machinery_charts(runs, names),
            smoothed=any(len(c.steps) >= SMOOTH_FROM for run in runs for c in run.curves.values()),
            max_skipped=MAX_SKIPPED_SHOWN,
            metric_name=curves.metric_name,
            is_share=curves.is_share,
            say=wording,
        )
    )


def run_section(run: RunRecord, name: str) -> RunSection:
    """What a page shows of one run alone; damaged parts are told instead."""
    damaged: list[str] = []
    speed = run.curves.get("clips_per_s")
    return RunSection(
        run=run,
        name=name,
        probes=tuple(
            ProbeRow(key, results[0], results[-1], results[-1].data_note or run.data_note)
            for key, results in run.probes.items()
        ),
        clips_per_s=float(np.median(speed.values)) if speed else None,
        views=_picture(read_views, run.files.views_figure, damaged),
        attention=_picture(read_attention, run.files.attention_figure, damaged),
        results=tuple(
            found
            for path in run.files.all_results()
            if (found := _evaluation(path, run.files, damaged))
        ),
        damaged=tuple(damaged),
    )


def _evaluation(path: Path, files: RunFolder, damaged: list[str]) -> Evaluated | None:
    """One split's results, with what is drawn of its frames."""
    task = evaluated_task(path)
    if task == "segment":
        return _segmented(path, files, damaged)
    return (
        _detected(path, files, damaged)
        if task == "detect"
        else _picture(read_results, path, damaged)
    )


def _segmented(path: Path, files: RunFolder, damaged: list[str]) -> Segmented | None:
    results = _picture(read_segment_results, path, damaged)
    if results is None:
        return None
    frames = _picture(read_frames, files.predictions(results.name), damaged)
    figure = files.segmented_figure(results.name)
    return Segmented(
        results=results,
        gallery=_picture(segment_gallery.read_gallery, figure, damaged),
        over_time=over_time(frames) if frames else None,
        by_size=by_size(frames) if frames else None,
    )


def _detected(path: Path, files: RunFolder, damaged: list[str]) -> Detected | None:
    results = _picture(read_detect_results, path, damaged)
    if results is None:
        return None
    figure = files.boxed_figure(results.name)
    return Detected(results=results, gallery=_picture(detect_gallery.read_gallery, figure, damaged))


def _picture(
    read: Callable[[Path], Picture | None], path: Path, damaged: list[str]
) -> Picture | None:
    """A damaged picture costs the page a line, not the page."""
    try:
        return read(path)
    except RunError as error:
        damaged.append(str(error))
        return None
