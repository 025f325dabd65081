"""Scores of a segmented sequence against the original's, empty masks included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from endofm.metrics.original_detection import original_frame_counts, original_frame_scores
from endofm.metrics.original_segmentation import original_volume_scores
from tests.metrics.detections import frame_of

pytestmark = pytest.mark.parity


@pytest.mark.parametrize(
    ("name", "is_predicted", "is_true"),
    [("both", True, True), ("fp_only", True, False), ("fn_only", False, True), ("empty", 0, 0)],
)
def test_volume_scores(
    golden: Callable[[str], Mapping[str, Any]], name: str, is_predicted: bool, is_true: bool
) -> None:
    arrays = golden("metrics")
    scores = original_volume_scores(arrays["seg/pred"] & is_predicted, arrays["seg/gt"] & is_true)
    expected = arrays[f"seg/{name}_dice_hd95"]
    np.testing.assert_allclose(scores, expected, rtol=1e-7)


def test_volumes_of_two_shapes_are_refused() -> None:
    volume = np.zeros((2, 4, 5), dtype=bool)
    for other in (volume[:1], volume[0]):
        with pytest.raises(ValueError, match=r"^volumes of shapes \("):
            original_volume_scores(other, volume)
    with pytest.raises(ValueError, match="volumes of shapes"):
        original_volume_scores(volume[0], volume[0])


def test_frame_scores_of_detection(golden: Callable[[str], Mapping[str, Any]]) -> None:
    arrays = golden("metrics")
    frames = []
    for number in range(12):
        truth, labels, boxes, scores = (
            arrays[f"det/{number}/{name}"] for name in ("gt", "gtlab", "pred", "score")
        )
        found = [(score, 1, tuple(box)) for score, box in zip(scores, boxes, strict=True)]
        frames.append(frame_of([(k, tuple(b)) for k, b in zip(labels, truth, strict=True)], found))
    assert original_frame_counts(frames) == tuple(arrays["det/tp_fp_tn_fn"])
    expected = arrays["det/P_R_Acc_Spec_F1_F2"][:, 0]
    found_scores = list(original_frame_scores(frames).values())
    np.testing.assert_allclose(found_scores, expected, rtol=1e-9)
