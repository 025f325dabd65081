"""Lesions over time: found, when, and how often there is a false alert."""

from __future__ import annotations

import math

import numpy as np
import pytest

from endofm.metrics.detection_matching import ScoredFrame
from endofm.metrics.detection_video import lesion_records, lesion_scores
from tests.metrics.detections import Box, drawn_frames, frame_of

HERE: Box = (10.0, 10.0, 30.0, 30.0)
AWAY: Box = (60.0, 60.0, 80.0, 80.0)


def film(*shown: str, name: str = "film", fps: float = 10.0) -> list[ScoredFrame]:
    """Frames by a word each: L has a lesion, F finds it, X has a false box."""
    return [
        frame_of(
            [(1, HERE)] if "L" in word else [],
            [(0.9, 1, HERE)] * ("F" in word) + [(0.9, 1, AWAY)] * ("X" in word),
            lesions=["one"] if "L" in word else None,
            sequence=name,
            time_s=place / fps,
        )
        for place, word in enumerate(shown)
    ]


def test_a_lesion_is_found_some_frames_after_it_is_seen() -> None:
    frames = film("-", "L", "L", "LF", "L", "LF", "-")
    ((lesion,), (alerts,)) = lesion_records(frames, threshold=0.5)
    assert (lesion.num_visible, lesion.num_found, lesion.delay_frames) == (5, 2, 2)
    assert lesion.delay_s == pytest.approx(0.2)
    assert alerts.num_alerts == 0
    assert alerts.minutes == pytest.approx(0.7 / 60)


def test_neighbouring_false_boxes_are_one_alert() -> None:
    frames = film("X", "X", "-", "LFX", "L", "X")
    (_, (alerts,)) = lesion_records(frames, threshold=0.5)
    assert alerts.num_alerts == 3
    scores = lesion_scores(frames, threshold=0.5)
    assert scores["false_alerts_per_minute"].value == pytest.approx(3 / (0.6 / 60))


def test_scores_are_means_over_lesions() -> None:
    frames = [*film("LF", "L", name="a"), *film("L", "LF", "LF", name="b"), *film("L", name="c")]
    scores = lesion_scores(frames, threshold=0.5)
    assert scores["sensitivity"].value == pytest.approx(2 / 3)
    assert scores["sensitivity"].n == 3
    assert scores["found_share_of_frames"].value == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert scores["delay_frames"].value == pytest.approx(0.5)
    assert scores["delay_s"].value == pytest.approx(0.05)


def test_without_times_only_frames_are_counted() -> None:
    frames = film("L", "LF", "X", fps=math.nan)
    scores = lesion_scores(frames, threshold=0.5)
    assert scores["delay_frames"].value == 1
    assert math.isnan(scores["delay_s"].value)
    assert math.isnan(scores["false_alerts_per_minute"].value)


def test_boxes_without_a_name_are_one_lesion_a_class() -> None:
    frames = [frame_of([(1, HERE), (2, AWAY), (1, AWAY)], [(0.9, 1, HERE)])] * 2
    lesions, _ = lesion_records(frames, threshold=0.5)
    assert [(one.name, one.num_found) for one in lesions] == [("class 1", 2), ("class 2", 0)]


def test_nothing_is_nan() -> None:
    assert all(math.isnan(one.value) for one in lesion_scores([], threshold=0.5).values())


def test_it_agrees_with_true_colon() -> None:
    reference = pytest.importorskip("true_colon")
    frames = drawn_frames(40, seed=4)
    names = [
        f"{frame.sequence.replace('-', '')}_{place % 5:04d}" for place, frame in enumerate(frames)
    ]
    annotations = [
        {
            "image_id": name,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "unique_id": f"{frame.sequence.replace('-', '')}_class {label}",
        }
        for name, frame in zip(names, frames, strict=True)
        for (x1, y1, x2, y2), label in zip(
            frame.truth_xyxy.tolist(), frame.truth_labels.tolist(), strict=True
        )
    ]
    found = [
        {"image_id": name, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
        for name, frame in zip(names, frames, strict=True)
        for (x1, y1, x2, y2), score in zip(
            frame.boxes_xyxy.tolist(), frame.scores.tolist(), strict=True
        )
    ]
    theirs = reference.compute_lesion_metrics(
        {"annotations": annotations},
        found,
        iou_thr=0.0,
        conf=0.4,
        canonicalizer=reference.IntSuffixCanonicalizer(),
        config=reference.LesionConfig(fps=10.0),
    ).summary
    ours = lesion_scores(frames, threshold=0.4)
    assert ours["sensitivity"].n == theirs.n_lesions
    assert ours["sensitivity"].value == pytest.approx(theirs.pct_detected_any / 100)
    assert ours["found_share_of_frames"].value == pytest.approx(theirs.mean_det_fraction)
    assert ours["delay_frames"].value == pytest.approx(theirs.mean_latency_frames)
    assert ours["delay_s"].value == pytest.approx(theirs.mean_latency_seconds)
    assert np.ptp([one.num_found for one in lesion_records(frames, threshold=0.4)[0]]) > 0
