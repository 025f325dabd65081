"""Scores of detection on frames that can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from endofm.metrics.detection import box_counts, choose_threshold, detection_scores, froc_points
from tests.metrics.detections import Box, drawn_frames, frame_of

HERE: Box = (10.0, 10.0, 30.0, 30.0)
NEAR: Box = (12.0, 12.0, 32.0, 32.0)
TOUCHING: Box = (25.0, 10.0, 45.0, 30.0)
AWAY: Box = (60.0, 60.0, 80.0, 80.0)
CENTRED: Box = (16.0, 16.0, 26.0, 26.0)


def values(frames: list, threshold: float = 0.5, classes: tuple[str, ...] = ("a", "b")) -> dict:  # type: ignore[type-arg]  # of numbers by level and name
    scores = detection_scores(frames, classes=classes, threshold=threshold)
    return {
        level: {name: estimate.value for name, estimate in found.items()}
        for level, found in scores.items()
    }


def test_boxes_are_counted_once_and_by_class() -> None:
    frames = [
        frame_of([(1, HERE)], [(0.9, 1, NEAR), (0.8, 1, HERE), (0.4, 1, AWAY)]),  # 1 tp, 1 fp
        frame_of([(1, HERE), (2, AWAY)], [(0.9, 2, HERE)], sequence="b"),  # 1 fp, 2 fn
        frame_of([], [(0.6, 1, AWAY)], sequence="c"),  # 1 fp
        frame_of([(2, AWAY)], [(0.7, 2, AWAY)], sequence="d"),  # 1 tp
    ]
    boxes = values(frames)["boxes"]
    assert boxes["precision"] == pytest.approx(2 / 5)
    assert boxes["recall"] == pytest.approx(2 / 4)
    assert boxes["f1"] == pytest.approx(4 / 9)
    assert boxes["f2"] == pytest.approx(10 / 21)


def test_a_centre_hit_forgives_size_and_repetition() -> None:
    frames = [frame_of([(1, HERE)], [(0.9, 1, CENTRED), (0.8, 1, NEAR), (0.7, 1, AWAY)])]
    scores = values(frames)
    assert scores["boxes"]["precision"] == pytest.approx(1 / 3)
    assert scores["centres"]["precision"] == pytest.approx(1 / 2)
    assert scores["centres"]["recall"] == 1


def test_frames_follow_the_protocol_of_overlap() -> None:
    frames = [
        frame_of([(1, HERE)], [(0.9, 2, TOUCHING)]),  # found: any overlap, any class
        frame_of([(1, HERE)], [(0.9, 1, AWAY)]),  # missed, and one false box
        frame_of(),  # clean
        frame_of([], [(0.9, 1, AWAY), (0.9, 1, HERE)]),  # two false boxes
        frame_of([], [(0.4, 1, AWAY)]),  # clean: below the threshold
    ]
    found = values(frames)["frames"]
    assert found["sensitivity"] == 1 / 2
    assert found["specificity"] == pytest.approx(2 / 3)
    assert found["false_boxes_per_frame"] == pytest.approx(3 / 5)


def test_froc_is_the_sensitivity_at_so_many_false_boxes() -> None:
    frames = [
        frame_of([(1, HERE), (1, AWAY)], [(0.9, 2, HERE), (0.8, 1, TOUCHING), (0.3, 1, AWAY)]),
        frame_of([(1, HERE)], [(0.5, 1, AWAY), (0.2, 1, HERE)]),
    ]
    points = froc_points(frames)
    np.testing.assert_allclose(points.false_per_frame, [0, 0, 0.5, 1, 1, 1])
    np.testing.assert_allclose(points.sensitivity, [0, 1 / 3, 1 / 3, 1 / 3, 2 / 3, 1])
    froc = values(frames)["froc"]
    assert froc["sensitivity_at_0.125"] == pytest.approx(1 / 3)
    assert froc["sensitivity_at_1"] == 1
    assert froc["mean_sensitivity"] == pytest.approx((3 * 1 / 3 + 3) / 6)


def test_the_threshold_gives_the_highest_f1() -> None:
    frames = drawn_frames(40, seed=1)
    chosen = choose_threshold(frames)
    assert chosen is not None

    def f1(threshold: float) -> float:
        tp, fp, fn = box_counts(frames, threshold, by_centre=False).sum(0).tolist()
        return float(2 * tp / (2 * tp + fp + fn))

    tried = [f1(threshold) for threshold in np.linspace(0.01, 0.99, 60)]
    assert f1(chosen) >= max(tried)
    assert min(tried) < f1(chosen) - 0.05


def test_equal_scores_go_together() -> None:
    frames = [frame_of([(1, HERE)], [(0.9, 1, AWAY), (0.6, 1, HERE), (0.6, 1, TOUCHING)])]
    assert choose_threshold(frames) == 0.6


def test_without_a_hit_the_threshold_is_one_half() -> None:
    for frames in ([], [frame_of([(1, HERE)])], [frame_of([], [(0.9, 1, HERE)])]):
        assert choose_threshold(frames) is None


def test_intervals_resample_whole_groups() -> None:
    frames = drawn_frames(60, seed=2)
    scores = detection_scores(frames, classes=("a", "b"), threshold=0.4)
    assert set(scores) == {"ranking", "boxes", "centres", "frames", "froc", "lesions"}
    assert {"ap", "ap50", "ap75", "ap50_a", "ap50_b"} == set(scores["ranking"])
    for level, found in scores.items():
        for name, estimate in found.items():
            assert estimate.low <= estimate.value <= estimate.high, (level, name)
            assert estimate.num_groups == 12
    one = [frame_of([(1, HERE)], [(0.9, 1, HERE)], group="same") for _ in range(3)]
    assert math.isnan(detection_scores(one, classes=("a",), threshold=0.5)["boxes"]["f1"].low)


@pytest.mark.parametrize(
    ("frames", "defined"),
    [
        ([], set()),
        ([frame_of()], {"specificity", "false_boxes_per_frame"}),
        ([frame_of([], [(0.9, 1, HERE)])], {"precision", "f1", "f2", "specificity"}),
        ([frame_of([(1, HERE)])], {"recall", "f1", "f2", "ap", "sensitivity"}),
    ],
)
def test_what_is_undefined_is_nan(frames: list, defined: set[str]) -> None:  # type: ignore[type-arg]  # parametrised
    scores = values(frames, classes=("a",))
    known = {
        name for found in scores.values() for name, value in found.items() if not math.isnan(value)
    }
    assert defined <= known
    if not frames:
        assert known == set()
    if defined and "ap" not in defined:
        assert "ap" not in known
        assert "recall" not in known
