import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from endofm.errors import RunError
from endofm.report.detect_gallery import boxed, read_gallery
from endofm.report.gallery import DRAWN_WIDTH_PX, OUTLINE_PX, PREDICTED_COLOUR, TRUTH_COLOUR
from tests.report.detect_builder import write_shown

SIZE_HW = (60, 80)
TIMES = DRAWN_WIDTH_PX // SIZE_HW[1]
NONE = np.zeros((0, 4))


def drawn(truth: np.ndarray, found: np.ndarray) -> dict[str, np.ndarray]:
    """Where each colour is, with the margin, (H, W) bool."""
    picture = boxed(np.zeros((*SIZE_HW, 3), np.uint8), truth_xyxy=truth, found_xyxy=found)
    pixels = imread(io.BytesIO(base64.b64decode(picture.split(",", maxsplit=1)[1])), format="jpg")
    colours = {"truth": TRUTH_COLOUR, "found": PREDICTED_COLOUR}
    return {
        name: np.abs(pixels / 255 - to_rgb(colour)).max(axis=2) < 0.35
        for name, colour in colours.items()
    }


def reach(where: np.ndarray) -> list[int]:
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_the_truth_is_drawn_outside_and_the_prediction_inside() -> None:
    box = np.array([[20, 10, 50, 40]])
    found = drawn(box, box)
    edges = box[0] * TIMES + OUTLINE_PX
    outwards = np.array([-OUTLINE_PX, -OUTLINE_PX, OUTLINE_PX, OUTLINE_PX])
    assert reach(found["found"]) == pytest.approx(edges, abs=2)
    assert reach(found["truth"]) == pytest.approx(edges + outwards, abs=2)
    for where in found.values():
        assert not where[20 * TIMES : 30 * TIMES, 30 * TIMES : 40 * TIMES].any()


def test_a_box_as_large_as_the_frame_is_seen() -> None:
    whole = np.array([[0, 0, 80, 60]])
    assert drawn(whole, NONE)["truth"].sum() > 500
    assert drawn(NONE, whole)["found"].sum() > 500


def test_no_boxes_draw_nothing() -> None:
    assert not any(where.any() for where in drawn(NONE, NONE).values())


def test_frames_stand_in_rows_by_kind(tmp_path: Path) -> None:
    found = read_gallery(write_shown(tmp_path, size_px=16))
    assert found is not None
    assert [[frame.kind for frame in row] for row in found.rows] == [
        ["found"],
        ["missed"],
        ["false alarms"] * 2,
    ]
    last = found.rows[2][1]
    assert (last.sequence, last.place, last.num_lesions) == ("seq3", 1, 1)
    assert last.said == (("polyp", 0.75), ("adenoma", 0.5))


@pytest.mark.parametrize(
    "changes",
    [
        {"truth0": np.zeros((1, 3))},
        {"found0": np.full((1, 4), np.nan)},
        {"scores0": np.zeros(2)},
        {"labels0": np.array([9])},
        {"picture0": np.zeros((16, 16), np.uint8)},
        {"kinds": np.array(["found"])},
        {"classes": np.zeros(0)},
    ],
)
def test_damaged_arrays_are_one_clear_error(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"boxed-test\.npz cannot be shown"):
        read_gallery(write_shown(tmp_path, size_px=16, **changes))
