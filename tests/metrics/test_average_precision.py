"""AP of resampled frames equals COCO's of the same frames."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest

from endofm.metrics.average_precision import RankedBoxes, average_precision
from tests.metrics.detections import drawn_frames, frame_of


@pytest.mark.parametrize("seed", range(3))
def test_all_frames_once_are_coco_s_numbers(seed: int) -> None:
    frames = drawn_frames(40, seed=seed)
    official = average_precision(frames, num_classes=2)
    ours = RankedBoxes(frames, num_classes=2).scores(np.arange(40))
    assert 0.05 < official.ap < official.ap50 < 0.95
    np.testing.assert_allclose(astuple(ours)[:3], astuple(official)[:3], rtol=1e-9)
    np.testing.assert_allclose(ours.ap50_of_class, official.ap50_of_class, rtol=1e-9)


def test_frames_drawn_twice_count_twice() -> None:
    frames = drawn_frames(12, seed=5)
    chosen = np.array([0, 3, 3, 7, 7, 7, 11])
    official = average_precision([frames[index] for index in chosen], num_classes=2)
    ours = RankedBoxes(frames, num_classes=2).scores(chosen)
    # copies of a frame share their scores, whose order COCO settles by place
    np.testing.assert_allclose(astuple(ours)[:3], astuple(official)[:3], atol=0.03)


def test_a_class_without_a_lesion_is_left_out_of_the_mean() -> None:
    box = (10.0, 10.0, 30.0, 30.0)
    frames = [frame_of([(1, box)], [(0.9, 1, box), (0.8, 3, box)])]
    found = average_precision(frames, num_classes=3)
    assert (found.ap, found.ap50) == (1, 1)
    assert found.ap50_of_class[0] == 1
    assert all(math.isnan(value) for value in found.ap50_of_class[1:])
    ours = RankedBoxes(frames, num_classes=3).scores(np.array([0]))
    assert (ours.ap, ours.ap75) == (1, 1)


def test_without_lesions_or_boxes_it_is_defined() -> None:
    box = (10.0, 10.0, 30.0, 30.0)
    for frames in ([], [frame_of()], [frame_of([], [(0.9, 1, box)])]):
        assert math.isnan(average_precision(frames, num_classes=1).ap)
        ranked = RankedBoxes(frames, num_classes=1)
        assert math.isnan(ranked.scores(np.arange(len(frames))).ap50)
    missed = [frame_of([(1, box)])]
    assert average_precision(missed, num_classes=1).ap == 0
    assert RankedBoxes(missed, num_classes=1).scores(np.array([0])).ap == 0
