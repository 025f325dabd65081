import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from endofm.errors import RunError
from endofm.report.gallery import DRAWN_WIDTH_PX, OUTLINE_PX, PREDICTED_COLOUR, TRUTH_COLOUR
from endofm.report.segment_gallery import outlined, read_gallery
from tests.report.segment_builder import disc, write_shown

SIZE_HW = (60, 80)
TIMES = DRAWN_WIDTH_PX // SIZE_HW[1]


def drawn(truth: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Where each colour is, with the margin, (H, W) bool."""
    picture = outlined(np.zeros((*SIZE_HW, 3), np.uint8), truth=truth, predicted=predicted)
    content = base64.b64decode(picture.split(",", maxsplit=1)[1])
    pixels = imread(io.BytesIO(content), format="jpg") / 255  # (H, W, 3)
    colours = {"truth": TRUTH_COLOUR, "predicted": PREDICTED_COLOUR}
    return {
        name: np.abs(pixels - to_rgb(colour)).max(axis=2) < 0.35 for name, colour in colours.items()
    }


def enlarged(mask: np.ndarray) -> np.ndarray:
    return np.pad(mask.repeat(TIMES, axis=0).repeat(TIMES, axis=1), OUTLINE_PX)


def test_both_outlines_are_where_the_masks_end() -> None:
    truth, predicted = disc((30, 30), 15, SIZE_HW), disc((30, 45), 15, SIZE_HW)
    found = drawn(truth, predicted)
    assert found["truth"].sum() > 500
    assert found["predicted"].sum() > 500
    assert (found["truth"] & enlarged(truth)).sum() < 0.1 * found["truth"].sum()
    assert (found["predicted"] & ~enlarged(predicted)).sum() < 0.1 * found["predicted"].sum()
    left, right = (np.flatnonzero(found["truth"].any(axis=0))[k] for k in (0, -1))
    assert (left, right) == pytest.approx((15 * TIMES, 46 * TIMES), abs=2 * OUTLINE_PX)


def test_both_outlines_are_seen_where_the_masks_agree() -> None:
    mask = disc((30, 40), 15, SIZE_HW)
    found = drawn(mask, mask)
    assert min(found["truth"].sum(), found["predicted"].sum()) > 500


def test_masks_that_fill_the_frame_are_outlined_at_its_edge() -> None:
    full = np.ones(SIZE_HW, bool)
    found = drawn(full, full)
    assert min(found["truth"].sum(), found["predicted"].sum()) > 500


def test_an_empty_mask_has_no_outline() -> None:
    empty = np.zeros(SIZE_HW, bool)
    found = drawn(empty, empty)
    assert not found["truth"].any()
    assert not found["predicted"].any()


def test_frames_stand_in_rows_by_kind(tmp_path: Path) -> None:
    found = read_gallery(write_shown(tmp_path, size_px=16))
    assert found is not None
    assert [[frame.kind for frame in row] for row in found.rows] == [
        ["best"] * 3,
        ["median"] * 3,
        ["worst"] * 3,
    ]
    last = found.rows[2][2]
    assert (last.sequence, last.place) == ("seq8", 8)
    assert last.dice == pytest.approx(0.1)
    assert last.picture.startswith("data:image/jpeg;base64,")


def test_no_frames_are_no_gallery(tmp_path: Path) -> None:
    assert read_gallery(tmp_path / "none.npz") is None
    assert read_gallery(write_shown(tmp_path, num=0)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"truth0": np.zeros((16, 16), np.uint8)},
        {"predicted0": np.zeros((8, 16), bool)},
        {"picture0": np.zeros((16, 16), np.uint8)},
        {"picture0": np.zeros((16, 16, 3))},
        {"picture0": np.zeros((0, 0, 3), np.uint8)},
        {"kinds": np.array(["best"])},
        {"places": np.array(["x", "y"])},
        {"dice": np.array(0.5)},
    ],
)
def test_damaged_arrays_are_one_clear_error(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"segmented-test\.npz cannot be shown"):
        read_gallery(write_shown(tmp_path, num=2, size_px=16, **changes))
