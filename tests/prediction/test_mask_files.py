import csv
import json
from pathlib import Path

import numpy as np
import pytest

from endofm.data import rle
from endofm.data.masks import read_mask
from endofm.prediction.mask_files import (
    mask_names,
    write_areas,
    write_pictures,
    write_run_lengths,
)
from tests.prediction.mask_builder import square

SIZE_HW = (17, 23)


def masks() -> list[np.ndarray]:
    """Nothing, everything, a lesion at a corner, and noise."""
    rng = np.random.default_rng(0)
    corner = np.zeros(SIZE_HW, bool)
    corner[:3, :2] = True
    return [np.zeros(SIZE_HW, bool), np.ones(SIZE_HW, bool), corner, rng.random(SIZE_HW) > 0.7]


def test_pictures_are_grey_of_0_and_255_and_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    names = ["a", "b 1", "c.x", "Größe"]
    write_pictures(folder, names, iter(masks()))
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.png" for name in names)
    for name, mask in zip(names, masks(), strict=True):
        np.testing.assert_array_equal(read_mask(folder / f"{name}.png", threshold=255), mask)
    assert [path.name for path in tmp_path.iterdir()] == ["masks"]


def test_a_failure_midway_leaves_no_pictures(tmp_path: Path) -> None:
    def failing() -> object:
        yield square(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pictures(tmp_path / "masks", ["0", "1"], failing())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_run_lengths_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "masks.json"
    write_run_lengths(path, (rle.encode(mask) for mask in masks()), SIZE_HW)
    stored = json.loads(path.read_text())
    assert list(stored) == ["size", "counts"]
    assert stored["size"] == list(SIZE_HW)
    for counts, mask in zip(stored["counts"], masks(), strict=True):
        np.testing.assert_array_equal(rle.decode(counts, SIZE_HW), mask)
    assert len(path.read_text().splitlines()) == len(masks()) + 2


def test_areas_are_a_row_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    write_areas(
        path,
        ["000000", "000001"],
        np.array([0.0, 0.1]),
        np.array([0, 30]),
        num_px=120,
        confidence=np.array([0.25, 1.0]),
    )
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["frame", "time_s", "area_px", "area_share", "confidence"],
            ["000000", "0.000", "0", "0.000000", "0.250000"],
            ["000001", "0.100", "30", "0.250000", "1.000000"],
        ]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["2.png", "10.png", "1.png"], ("1", "2", "10")),
        (["a.png", "a.jpg", "b.png"], ("a.jpg", "a.png", "b.png")),
        (["a.png", "A.jpg"], ("A.jpg", "a.png")),
    ],
)
def test_masks_are_named_as_the_frames(
    tmp_path: Path, files: list[str], names: tuple[str, ...]
) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert set(mask_names(tmp_path, len(files))) == set(names)
    assert mask_names(Path("film.mp4"), 2) == ("000000", "000001")
