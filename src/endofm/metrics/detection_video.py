"""What a detector is worth in a video: is each lesion found, how soon, and how often is it wrong?

The definitions are those of TRUE-Colon's lesion tier, whose package the tests compare with: a
lesion is found in a frame if any box of any class overlaps it at all. Without a name for each
lesion, all boxes of one class in a sequence are taken for one lesion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from endofm.metrics.detection_matching import ScoredFrame, pairwise_iou
from endofm.metrics.intervals import Estimate, cluster_bootstrap


@dataclass(frozen=True)
class LesionRecord:
    """One lesion over its video."""

    sequence: str
    name: str
    group: str
    num_visible: int
    """Frames that show it."""
    num_found: int
    """Of these, frames in which it is found."""
    delay_frames: float
    """From its first frame to the first in which it is found; ``nan`` if it never is."""
    delay_s: float
    """The same in seconds; ``nan`` where times are not known, too."""


@dataclass(frozen=True)
class AlertRecord:
    """The false alerts of one video."""

    sequence: str
    group: str
    num_alerts: int
    """Stretches of neighbouring frames, each with a box that overlaps no lesion."""
    minutes: float
    """Length of the video; ``nan`` where times are not known."""


def lesion_scores(frames: Sequence[ScoredFrame], *, threshold: float) -> dict[str, Estimate]:
    """Sensitivity for lesions, delay and false alerts, with intervals from resampling groups.

    The delay is the mean over lesions that are found; how many are not, the sensitivity tells.
    """
    lesions, alerts = lesion_records(frames, threshold=threshold)
    groups = [one.group for one in lesions]
    found = np.array([one.num_found > 0 for one in lesions], float)
    shares = np.array([one.num_found / one.num_visible for one in lesions])
    delays_s = np.array([one.delay_s for one in lesions])
    delays = np.array([one.delay_frames for one in lesions])
    numbers = np.array([one.num_alerts for one in alerts], float)
    minutes = np.array([one.minutes for one in alerts])

    def per_minute(chosen: np.ndarray) -> float:
        whole = float(minutes[chosen].sum())
        return float(numbers[chosen].sum()) / whole if whole > 0 else math.nan

    return {
        "sensitivity": cluster_bootstrap(lambda chosen: _mean(found[chosen]), groups),
        "found_share_of_frames": cluster_bootstrap(lambda chosen: _mean(shares[chosen]), groups),
        "delay_frames": cluster_bootstrap(lambda chosen: _mean(delays[chosen]), groups),
        "delay_s": cluster_bootstrap(lambda chosen: _mean(delays_s[chosen]), groups),
        "false_alerts_per_minute": cluster_bootstrap(per_minute, [one.group for one in alerts]),
    }


def lesion_records(
    frames: Sequence[ScoredFrame], *, threshold: float
) -> tuple[list[LesionRecord], list[AlertRecord]]:
    """Every lesion and every video, in the order of their first frames.

    Args:
        frames: Those of a sequence in order of time.
        threshold: Score from which a box counts.
    """
    videos: dict[str, list[ScoredFrame]] = {}
    for frame in frames:
        videos.setdefault(frame.sequence, []).append(frame)
    lesions: list[LesionRecord] = []
    alerts: list[AlertRecord] = []
    for name, own in videos.items():
        seen: dict[str, list[tuple[int, bool]]] = {}
        false = []
        for place, frame in enumerate(own):
            chosen = frame.above(threshold)
            overlap = pairwise_iou(frame.boxes_xyxy[chosen], frame.truth_xyxy) > 0  # (N, M)
            false.append(bool((~overlap.any(1)).any()))
            for lesion, hit in _by_lesion(frame, np.asarray(overlap.any(0))).items():
                seen.setdefault(lesion, []).append((place, hit))
        lesions += [_record(lesion, places, own) for lesion, places in seen.items()]
        runs = int((np.diff(np.concatenate([[0], np.array(false, int)])) > 0).sum())
        alerts.append(AlertRecord(name, own[0].group, runs, _minutes(own)))
    return lesions, alerts


def _by_lesion(frame: ScoredFrame, hits: np.ndarray) -> dict[str, bool]:
    """Whether each lesion of a frame is found; several boxes of one lesion are one."""
    found: dict[str, bool] = {}
    for name, label, hit in zip(
        frame.lesions, frame.truth_labels.tolist(), hits.tolist(), strict=True
    ):
        lesion = name or f"class {label}"
        found[lesion] = found.get(lesion, False) or hit
    return found


def _record(
    lesion: str, places: Sequence[tuple[int, bool]], video: Sequence[ScoredFrame]
) -> LesionRecord:
    first = places[0][0]
    found = [place for place, hit in places if hit]
    return LesionRecord(
        sequence=video[0].sequence,
        name=lesion,
        group=video[0].group,
        num_visible=len(places),
        num_found=len(found),
        delay_frames=float(found[0] - first) if found else math.nan,
        delay_s=video[found[0]].time_s - video[first].time_s if found else math.nan,
    )


def _minutes(video: Sequence[ScoredFrame]) -> float:
    """Each frame lasts until the next one; the last as long as the one before."""
    if len(video) < 2:
        return math.nan
    return (2 * video[-1].time_s - video[-2].time_s - video[0].time_s) / 60


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan
