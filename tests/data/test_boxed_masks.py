import json
from pathlib import Path

import numpy as np
import pytest

from endofm.catalog.detection import read_boxes
from endofm.data.boxed_masks import LEAST_PX, boxed_from_masks, boxes_of_mask
from endofm.data.segmented import read_segmented
from tests.data.segmented_folders import write_sequence

REAL = Path(__file__).parents[3] / "shared" / "data" / "cvc-clinicdb"


def test_each_part_has_a_box() -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:15, 10:30] = True
    mask[15:20, 30:40] = True  # touches at a corner
    mask[30:36, 50:60] = True
    mask[38, : LEAST_PX - 1] = True  # too small
    assert boxes_of_mask(mask) == ((10, 5, 40, 20), (50, 30, 60, 36))
    assert boxes_of_mask(np.zeros((4, 4), bool)) == ()


def test_sequences_and_splits_stay(tmp_path: Path) -> None:
    for place, name in enumerate("abcdef"):
        write_sequence(tmp_path, name, lesion=place != 2)
    segmented = read_segmented(tmp_path)
    calls: list[tuple[int, int]] = []
    found = boxed_from_masks(
        segmented, label="polyp", progress=lambda done, total: calls.append((done, total))
    )
    assert found.classes == ("polyp",)
    assert found.notes == segmented.notes
    assert calls == [(k, 18) for k in range(1, 19)]
    for split, sequences in segmented.splits.items():
        assert [one.name for one in found.splits[split]] == [one.name for one in sequences]
    counts = {
        one.name: [len(frame.boxes_xyxy) for frame in one.frames]
        for part in found.splits.values()
        for one in part
    }
    assert counts == {name: [0 if name == "c" else 1] * 3 for name in "abcdef"}


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real frames in {REAL}")
def test_real_masks_give_the_boxes_that_were_counted_elsewhere() -> None:
    expected = json.loads((REAL / "boxes_from_masks.json").read_text())["boxes"]
    found = read_boxes(REAL)
    frames = [one for part in found.splits.values() for s in part for one in s.frames]
    assert len(frames) == 612
    for frame in frames:
        assert sorted(map(list, frame.boxes_xyxy)) == sorted(expected.get(frame.path.stem, []))
