"""Which charts tell the story of a training, for one run or for several side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from endofm.report.charts import COLOURS, Level, Line, draw_chart
from endofm.report.reading import ProbeKey, ProbeResult, RunRecord, Task

METRIC_NAMES = {
    "knn_accuracy": "k-NN accuracy",
    "knn_balanced_accuracy": "k-NN balanced accuracy",
    "linear_probe_accuracy": "Linear-probe accuracy",
    "linear_probe_balanced_accuracy": "Linear-probe balanced accuracy",
}


@dataclass(frozen=True)
class NamedLine:
    """A line with what the page, not the picture, says about it."""

    line: Line
    label: str
    data_note: str


@dataclass(frozen=True)
class Chart:
    """A picture with what the page writes around it."""

    title: str
    caption: str
    picture: str  # data URI
    legend: tuple[NamedLine, ...]  # empty where one line needs none
    data_note: str  # of a single run; beside several it stands in the legend


@dataclass(frozen=True)
class Panel:
    """What one chart shows: keys of the metrics with their labels, and how to read them."""

    title: str
    caption: str
    keys: Mapping[str, str]
    levels: tuple[Level, ...] = ()
    percent: bool = False
    from_zero: bool = False
    smooth: bool = True
    width_in: float = 5.2


LEARNING = (
    Panel(
        "Loss",
        "Mean cross-entropy between teacher and student. L_cv compares global with local views, "
        "L_dm the two global views.",
        {
            "loss": "all pairs of views",
            "loss_cross_view": "cross-view, L_cv",
            "loss_dynamic": "dynamic, L_dm",
        },
    ),
    Panel(
        "Teacher entropy",
        "How undecided the teacher is, in nats. It collapses at 0 (one prototype takes all) or at "
        "the dashed line (all alike).",
        {"teacher_entropy": "teacher entropy"},
    ),
    Panel(
        "Feature spread",
        "1: features point in all directions alike. 0: all clips get the same feature.",
        {"feature_spread": "feature spread"},
        levels=(Level("isotropic", 1.0),),
        from_zero=True,
    ),
    Panel(
        "Effective rank",
        "Number of directions that the features fill.",
        {"effective_rank": "effective rank"},
        from_zero=True,
    ),
)
CLASSIFYING = (
    Panel(
        "Loss",
        "Cross-entropy: of single clips while training, of whole videos in validation.",
        {"loss": "training", "val_loss": "validation"},
    ),
    Panel(
        "F1 in validation",
        "At a threshold of one half.",
        {"val_f1": "validation F1"},
        percent=True,
        smooth=False,
    ),
)
SEGMENTING = (
    Panel(
        "Loss",
        "Half cross-entropy, half Dice loss; in validation of whole sequences.",
        {
            "loss": "training",
            "val_loss": "validation",
            "cross_entropy": "cross-entropy, training",
            "dice_loss": "Dice loss, training",
        },
    ),
    Panel(
        "Dice in validation",
        "The mean over the frames with a lesion.",
        {"val_dice": "validation Dice"},
        percent=True,
        smooth=False,
    ),
)
DETECTING = (
    Panel("Loss", "The sum of five terms.", {"loss": "training"}),
    Panel(
        "Terms of the loss",
        "First of each frame alone (FCOS), then with its neighbours' help (STFT).",
        {
            "classes_loss": "classes",
            "boxes_loss": "boxes",
            "centreness_loss": "centreness",
            "stft_classes_loss": "STFT, classes",
            "stft_boxes_loss": "STFT, boxes",
        },
    ),
    Panel(
        "AP in validation",
        "Average precision at an IoU of 0.5, the mean over classes.",
        {"val_ap50": "validation AP50"},
        percent=True,
        smooth=False,
    ),
)
PANELS: Mapping[Task, Sequence[Panel]] = {
    "pretrain": LEARNING,
    "classify": CLASSIFYING,
    "segment": SEGMENTING,
    "detect": DETECTING,
}
SMALL_IN = 3.5
MACHINERY = (
    *(
        Panel(name, "", {key: name.lower()}, smooth=False, width_in=SMALL_IN)
        for name, key in (
            ("Learning rate", "learning_rate"),
            ("Weight decay", "weight_decay"),
            ("Teacher momentum", "teacher_momentum"),
            ("Teacher temperature", "teacher_temperature"),
        )
    ),
    *(
        Panel(name, "", {key: name.lower()}, from_zero=True, width_in=SMALL_IN)
        for name, key in (
            ("Gradient norm before clipping", "grad_norm"),
            ("Clips a second", "clips_per_s"),
            ("Videos a second", "videos_per_s"),
            ("Sequences a second", "sequences_per_s"),
            ("Frames a second", "frames_per_s"),
        )
    ),
)
_PRETRAINED = {
    "loss": "Loss",
    "feature_spread": "Feature spread",
    "effective_rank": "Effective rank",
}
COMPARED: Mapping[Task, Mapping[str, str]] = {
    "pretrain": _PRETRAINED,
    "classify": _PRETRAINED,
    "segment": {"loss": "Loss", "val_loss": "Validation loss", "val_dice": "Validation Dice"},
    "detect": {"loss": "Loss", "val_ap50": "Validation AP50"},
}
"""The last values that runs of a task are compared by."""


def metric_name(metric: str) -> str:
    """A metric in words; an unknown one keeps its name."""
    return METRIC_NAMES.get(metric, metric)


def is_share(metric: str) -> bool:
    """Is the metric a share between 0 and 1, to be written as a percentage?"""
    return metric.endswith("accuracy") or metric in ("val_dice", "val_ap50")


def learning_charts(runs: Sequence[RunRecord], names: Sequence[str]) -> list[Chart]:
    """Loss, and whether the features stay alive or the validation gets better.

    Losses of one name but of several tasks do not share a chart.
    """
    charts: list[Chart] = []
    for task in dict.fromkeys(run.task for run in runs):
        panels = [_with_uniform_level(panel, runs) for panel in PANELS[task]]
        own = [run if run.task == task else replace(run, curves={}) for run in runs]
        charts += _charts(panels, own, names)
    return charts


def machinery_charts(runs: Sequence[RunRecord], names: Sequence[str]) -> list[Chart]:
    """Schedules, gradient and speed."""
    return _charts(MACHINERY, runs, names)


def probe_charts(runs: Sequence[RunRecord], names: Sequence[str]) -> list[Chart]:
    """One chart for each metric of each list, with interval bands and the level of chance."""
    keys = list(dict.fromkeys(key for run in runs for key in run.probes))
    return [_probe_chart(key, runs, names) for key in keys]


def _charts(
    panels: Sequence[Panel], runs: Sequence[RunRecord], names: Sequence[str]
) -> list[Chart]:
    shown = panels if len(runs) == 1 else _one_key_each(panels)
    return [
        _chart(panel, lines, single=len(runs) == 1)
        for panel in shown
        if (lines := list(_lines(panel, runs, names)))
    ]


def _one_key_each(panels: Sequence[Panel]) -> Iterator[Panel]:
    """Several runs need the colours for themselves: one key a chart."""
    for panel in panels:
        for key, label in panel.keys.items():
            title = panel.title if len(panel.keys) == 1 else f"{panel.title}: {label}"
            yield replace(panel, title=title, keys={key: label})


def _lines(panel: Panel, runs: Sequence[RunRecord], names: Sequence[str]) -> Iterator[NamedLine]:
    """A run, or in a single run a key, keeps its colour where another one is missing."""
    for run_place, (run, name) in enumerate(zip(runs, names, strict=True)):
        for key_place, (key, label) in enumerate(panel.keys.items()):
            if curve := run.curves.get(key):
                line = Line(_colour(run_place + key_place), curve.steps, curve.values)
                yield NamedLine(line, label if len(runs) == 1 else name, run.data_note)


def _chart(panel: Panel, lines: Sequence[NamedLine], *, single: bool) -> Chart:
    picture = draw_chart(
        [named.line for named in lines],
        levels=panel.levels,
        percent=panel.percent,
        from_zero=panel.from_zero,
        smooth=panel.smooth,
        width_in=panel.width_in,
    )
    if not single:
        return Chart(panel.title, panel.caption, picture, tuple(lines), "")
    legend = tuple(replace(named, data_note="") for named in lines) if len(lines) > 1 else ()
    return Chart(panel.title, panel.caption, picture, legend, lines[0].data_note)


def _probe_chart(key: ProbeKey, runs: Sequence[RunRecord], names: Sequence[str]) -> Chart:
    lines: list[NamedLine] = []
    chances: set[float] = set()
    for place, (run, name) in enumerate(zip(runs, names, strict=True)):
        if results := run.probes.get(key):
            note = results[-1].data_note or run.data_note
            lines.append(NamedLine(_probe_line(results, _colour(place)), name, note))
            chances.add(results[-1].chance)
    panel = Panel(
        metric_name(key.metric),
        " · ".join(part for part in (key.list_name, key.split) if part),
        keys={},
        levels=tuple(Level("chance", c) for c in sorted(chances) if math.isfinite(c)),
        percent=is_share(key.metric),
        smooth=False,
    )
    return _chart(panel, lines, single=len(runs) == 1)


def _probe_line(results: Sequence[ProbeResult], colour: str) -> Line:
    steps = np.array([result.step for result in results])
    columns = np.array([(result.value, result.low, result.high) for result in results]).T
    return Line(colour, steps, *columns)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _with_uniform_level(panel: Panel, runs: Sequence[RunRecord]) -> Panel:
    """The entropy's upper end depends on the number of prototypes."""
    if "teacher_entropy" not in panel.keys:
        return panel
    heads = [head for run in runs if isinstance(head := run.config.get("head"), dict)]
    sizes = {size for head in heads if isinstance(size := head.get("num_prototypes"), int)}
    levels = tuple(Level("all alike", math.log(size)) for size in sorted(sizes) if size > 0)
    return replace(panel, levels=levels)
