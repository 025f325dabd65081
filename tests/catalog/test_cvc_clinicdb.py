import csv
import hashlib
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from endofm.catalog.cvc_clinicdb import (
    LEAKS,
    SEQUENCES_SHA256,
    is_cvc_clinicdb,
    read_cvc_clinicdb,
)
from endofm.data.images import read_image
from endofm.data.masks import read_mask
from endofm.data.segmented import SegmentedSet
from endofm.errors import DataError
from tests.data.segmented_folders import write_cvc, write_picture, write_sequence

REAL = Path(__file__).parents[3] / "shared" / "data" / "cvc-clinicdb"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real frames in {REAL}")
TINY = (6, 8)


@pytest.fixture(scope="module")
def cvc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What looks like CVC-ClinicDB, in the folders that it comes in; do not change it."""
    root = tmp_path_factory.mktemp("cvc")
    write_cvc(root / "CVC-ClinicVideoDB" / "CVC-ClinicDB", size_hw=TINY)
    return root


def numbers(found: SegmentedSet, split: str) -> list[int]:
    return [int(item.name.removeprefix("sequence-")) for item in found.splits[split]]


def firsts(found: SegmentedSet, split: str) -> set[int]:
    return {int(item.frames[0].stem) for item in found.splits[split]}


def test_the_table_is_the_one_that_results_were_made_with() -> None:
    table = resources.files("endofm") / "catalog" / "cvc_clinicdb.csv"
    assert hashlib.sha256(table.read_bytes()).hexdigest() == SEQUENCES_SHA256


def test_our_split_is_blocks_of_sequences(cvc: Path) -> None:
    found = read_cvc_clinicdb(cvc)
    assert numbers(found, "train") == list(range(1, 18))
    assert numbers(found, "val") == list(range(18, 22))
    assert numbers(found, "test") == list(range(22, 30))
    assert list(found.splits) == ["train", "val", "test"]
    assert found.notes == ()
    every = [path for part in found.splits.values() for item in part for path in item.frames]
    assert [int(path.stem) for path in every] == list(range(1, 613))


def test_a_mask_has_the_number_of_its_frame(cvc: Path) -> None:
    for part in read_cvc_clinicdb(cvc).splits.values():
        for item in part:
            assert [path.name for path in item.masks] == [path.name for path in item.frames]
            assert {path.parent.name for path in item.frames} == {"Original"}
            assert {path.parent.name for path in item.masks} == {"Ground Truth"}


def test_the_original_split_leaks_and_says_so(cvc: Path) -> None:
    found = read_cvc_clinicdb(cvc, original_split=True)
    test = {51, 429, 178, 253, 343, 68, 200, 318, 1}
    assert firsts(found, "test") == test
    assert len(found.splits["train"]) == 20
    assert test - firsts(found, "train") == {318, 1}
    assert found.splits["val"] == found.splits["test"]
    assert found.notes[0] == LEAKS
    assert "7 of the 9 test sequences were trained on" in LEAKS
    assert "flatters the scores" in found.notes[1]
    ours = read_cvc_clinicdb(cvc)
    unlisted = set(range(1, 30)) - set(numbers(found, "train")) - set(numbers(found, "test"))
    assert unlisted == {8, 14, 15, 19, 20, 25, 27}
    assert set(found.splits["train"]) < {item for part in ours.splits.values() for item in part}


def test_selecting_on_test(cvc: Path) -> None:
    found = read_cvc_clinicdb(cvc, select_on_test=True)
    assert numbers(found, "val") == numbers(found, "test") == list(range(22, 30))
    assert found.notes[1] == "split 'val' is not used: 4 sequences"


def test_every_frame_is_checked_once(cvc: Path) -> None:
    calls: list[tuple[int, int]] = []
    read_cvc_clinicdb(cvc, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(k, 612) for k in range(1, 613)]


# Where it is


@pytest.mark.parametrize("folder", [".", "a", "a/b", "a/b/c"])
@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".png"])
def test_it_is_found_down_to_three_levels(tmp_path: Path, folder: str, suffix: str) -> None:
    write_cvc(tmp_path / folder, [1, 612], suffix=suffix)
    assert is_cvc_clinicdb(tmp_path)


def test_letters_of_any_case(tmp_path: Path) -> None:
    write_cvc(tmp_path, [1])
    (tmp_path / "Original").rename(tmp_path / "original")
    (tmp_path / "Ground Truth").rename(tmp_path / "ground truth")
    assert is_cvc_clinicdb(tmp_path)


def test_the_uppermost_is_taken(cvc: Path, tmp_path: Path) -> None:
    write_cvc(tmp_path / "A sample", [1])
    for name in ("Original", "Ground Truth"):
        (tmp_path / name).symlink_to(cvc / "CVC-ClinicVideoDB" / "CVC-ClinicDB" / name)
    assert read_cvc_clinicdb(tmp_path).splits["val"][0].frames[0].parent == tmp_path / "Original"


def move(old: str, new: str) -> Callable[[Path], object]:
    def rename(root: Path) -> object:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        return (root / old).rename(root / new)

    return rename


def remove(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).unlink()


@pytest.mark.parametrize(
    "change",
    [
        move("Original", "Frames"),
        move("Ground Truth", "Masks"),
        move("Original/1.png", "Original/613.png"),
        move("Original/1.png", "Original/0.png"),
        move("Original/1.png", "Original/a1.png"),
        move("Original/1.png", "Original/sequence/1.png"),
        move("Ground Truth/1.png", "Ground Truth/p1.png"),
        remove("Ground Truth/1.png"),
    ],
)
def test_what_is_another_set(tmp_path: Path, change: Callable[[Path], object]) -> None:
    write_cvc(tmp_path, [1])
    assert is_cvc_clinicdb(tmp_path)
    change(tmp_path)
    assert not is_cvc_clinicdb(tmp_path)


def test_what_is_too_deep_or_split_already_is_another_set(tmp_path: Path) -> None:
    write_cvc(tmp_path / "a" / "b" / "c" / "d", [1])
    write_cvc(tmp_path / "own" / "Train", [1])
    write_cvc(tmp_path / ".trash", [1])
    assert not is_cvc_clinicdb(tmp_path)


def test_a_set_of_our_layout_may_keep_a_copy_of_it(tmp_path: Path) -> None:
    write_cvc(tmp_path / "raw", [1])
    assert is_cvc_clinicdb(tmp_path)
    write_sequence(tmp_path / "train", "a")
    assert not is_cvc_clinicdb(tmp_path)
    (tmp_path / "train").rename(tmp_path / "other")
    assert is_cvc_clinicdb(tmp_path)
    write_sequence(tmp_path, "a")
    assert not is_cvc_clinicdb(tmp_path)


# What is wrong


def test_it_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_cvc_clinicdb(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: holds no CVC-ClinicDB; "
        "give the folder with Original/1.tif to 612.tif and 'Ground Truth'/1.tif to 612.tif"
    )


def test_a_part_of_it_is_refused(tmp_path: Path) -> None:
    write_cvc(tmp_path, [1, 2, 3, 318], size_hw=TINY)
    with pytest.raises(DataError) as caught:
        read_cvc_clinicdb(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/Original: lacks 608 of the 612 pictures of CVC-ClinicDB, the first: 4; copy "
        "the whole set; if it is another one, make a folder for each of its sequences"
    )


def test_a_lacking_mask_and_a_number_given_twice(cvc: Path, tmp_path: Path) -> None:
    source = cvc / "CVC-ClinicVideoDB" / "CVC-ClinicDB"
    (tmp_path / "Original").symlink_to(source / "Original")
    truth = tmp_path / "Ground Truth"
    truth.mkdir()
    for path in (source / "Ground Truth").iterdir():
        (truth / path.name).symlink_to(path)
    (truth / "77.png").unlink()
    with pytest.raises(
        DataError, match=r"Ground Truth: lacks 1 of the 612 .*, the first: 77; copy"
    ):
        read_cvc_clinicdb(tmp_path)
    for name in ("77.png", "77.tif"):
        write_picture(truth / name, np.zeros(TINY, np.uint8))
    with pytest.raises(DataError, match=r"has 77\.png and 77\.tif; keep one of them"):
        read_cvc_clinicdb(tmp_path)


# The real one


@real
@pytest.mark.real
@pytest.mark.slow
def test_the_real_set() -> None:
    found = read_cvc_clinicdb(REAL)
    sequence_of = {
        int(path.stem): item.name
        for part in found.splits.values()
        for item in part
        for path in item.frames
    }
    with (REAL / "sequences.csv").open(newline="") as file:
        expected = {
            int(row["frame"]): f"sequence-{int(row['sequence']):02d}"
            for row in csv.DictReader(file)
        }
    assert sequence_of == expected
    assert len(sequence_of) == 612
    assert len(set(sequence_of.values())) == 29
    assert found.notes == ()


@real
@pytest.mark.real
def test_real_tiffs_are_read_in_colour_and_lack_the_rest() -> None:
    sample = REAL / "original-tif-sample"
    for number in (1, 320):
        picture = read_image(sample / "Original" / f"{number}.tif")
        assert picture.shape == (288, 384, 3)
        assert (picture[..., 0] > picture[..., 2]).mean() > 0.5  # mucosa is red
        mask = read_mask(sample / "Ground Truth" / f"{number}.tif")
        assert mask.tolist() == read_mask(REAL / "Ground Truth" / f"{number}.png").tolist()
        assert mask.any()
    with pytest.raises(DataError, match=r"Original: lacks 606 of the 612 .*, the first: 4; copy"):
        read_cvc_clinicdb(sample)
