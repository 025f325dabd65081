import shutil
from pathlib import Path

import numpy as np
import pytest

from endofm.data.segmented_search import FrameSequence, find_sequences
from endofm.errors import DataError
from tests.data.segmented_folders import (
    SIZE_HW,
    write_list,
    write_picture,
    write_sequence,
    write_set,
)


def error(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        find_sequences(root)
    return str(caught.value).replace(f"{root}/", "").replace(str(root), "ROOT")


def test_origin_is_the_group_or_else_the_name() -> None:
    assert FrameSequence("a", (), ()).origin == "a"
    assert FrameSequence("a", (), (), group="patient 7").origin == "patient 7"


def test_frames_are_in_natural_order_beside_their_masks(tmp_path: Path) -> None:
    write_sequence(tmp_path, "Größe 2 \u5185\u955c", num_frames=11)
    (sequence,) = find_sequences(tmp_path)[""]
    assert sequence.name == "Größe 2 \u5185\u955c"
    assert [path.stem for path in sequence.frames] == [str(k) for k in range(1, 12)]
    assert [path.stem for path in sequence.masks] == [path.stem for path in sequence.frames]
    assert {path.parent for path in sequence.masks} == {tmp_path / "masks" / sequence.name}


def test_sequences_are_in_natural_order(tmp_path: Path) -> None:
    write_set(tmp_path, ["10", "9", "case1_10", "case1_9"], num_frames=1)
    found = [sequence.name for sequence in find_sequences(tmp_path)[""]]
    assert found == ["9", "10", "case1_9", "case1_10"]


@pytest.mark.parametrize(
    "layout", [("images", "mask"), ("Frame", "GT"), ("Original", "Ground Truth"), ("FRAMES", "gt")]
)
def test_other_names_of_the_two_folders(tmp_path: Path, layout: tuple[str, str]) -> None:
    write_set(tmp_path, "a", layout=layout, suffixes=(".jpg", ".png"))
    (sequence,) = find_sequences(tmp_path)[""]
    assert sequence.frames[0] == tmp_path / layout[0] / "a" / "1.jpg"
    assert sequence.masks[0] == tmp_path / layout[1] / "a" / "1.png"


def test_suffixes_may_be_mixed_and_other_files_lie_around(tmp_path: Path) -> None:
    write_set(tmp_path, "a")
    (tmp_path / "frames" / "a" / "notes.txt").touch()
    (tmp_path / "frames" / "a" / ".2.png").touch()
    (tmp_path / "frames" / ".cache").mkdir()
    write_picture(tmp_path / "frames/a/4.bmp", np.zeros((*SIZE_HW, 3), np.uint8))
    write_picture(tmp_path / "masks/a/4.tif", np.zeros(SIZE_HW, np.uint8))
    (sequence,) = find_sequences(tmp_path)[""]
    assert [path.name for path in sequence.frames] == ["1.png", "2.png", "3.png", "4.bmp"]
    assert [path.name for path in sequence.masks] == ["1.png", "2.png", "3.png", "4.tif"]


# What is wrong with folders


def test_no_such_folder(tmp_path: Path) -> None:
    assert error(tmp_path / "none").startswith("ROOT: no such folder; give a folder with frames/")


def test_the_folder_above_is_told_from_the_right_one(tmp_path: Path) -> None:
    write_set(tmp_path / "inner", "a")
    assert error(tmp_path) == "ROOT: has no folder 'frames'; did you mean inner?"


def test_missing_folders(tmp_path: Path) -> None:
    assert error(tmp_path).startswith("ROOT: has no folder 'frames'; give a folder with frames/")
    write_set(tmp_path, "a")
    shutil.rmtree(tmp_path / "masks")
    assert error(tmp_path).startswith("ROOT: has no folder 'masks'; give a folder with frames/")


def test_two_folders_of_frames(tmp_path: Path) -> None:
    write_set(tmp_path, "a")
    (tmp_path / "Images").mkdir()
    assert error(tmp_path) == "ROOT: has 'Images' and 'frames'; keep one"


def test_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "masks").mkdir()
    assert error(tmp_path).startswith("frames: holds neither pictures nor folders of sequences; ")
    (tmp_path / "frames/a").mkdir()
    (tmp_path / "masks/a").mkdir()
    assert error(tmp_path) == "frames/a: holds no picture; fill or remove the folder"


def test_pictures_beside_folders(tmp_path: Path) -> None:
    write_set(tmp_path, "a")
    write_sequence(tmp_path, ".", num_frames=1)
    assert error(tmp_path) == (
        "frames/1.png: lies beside folders of sequences; move it to its sequence's folder"
    )


def test_frames_and_masks_laid_out_differently(tmp_path: Path) -> None:
    write_set(tmp_path, "a", num_frames=1)
    (tmp_path / "masks/a/1.png").rename(tmp_path / "masks/1.png")
    (tmp_path / "masks/a").rmdir()
    assert error(tmp_path) == (
        "ROOT: has pictures directly in 'masks' but folders of sequences in 'frames'; "
        "lay both out alike"
    )


def test_a_sequence_without_masks_or_frames(tmp_path: Path) -> None:
    write_set(tmp_path, "abc")
    shutil.rmtree(tmp_path / "masks/b")
    same = "; frames and masks must have the same names, but for the suffix"
    assert error(tmp_path) == (
        f"frames/b: has no folder of masks of its name (1 of 3 sequences){same}"
    )
    shutil.rmtree(tmp_path / "frames/b")
    shutil.rmtree(tmp_path / "frames/c")
    assert error(tmp_path) == (
        f"masks/c: has no folder of frames of its name (1 of 2 sequences){same}"
    )


def test_frames_and_masks_that_are_alone(tmp_path: Path) -> None:
    write_set(tmp_path, "a", num_frames=12)
    (tmp_path / "masks/a/2.png").unlink()
    (tmp_path / "masks/a/10.png").unlink()
    same = "; frames and masks must have the same names, but for the suffix"
    assert error(tmp_path) == f"frames/a/2.png: has no mask of its name (2 of 12 frames){same}"
    (tmp_path / "frames/a/2.png").unlink()
    (tmp_path / "frames/a/10.png").unlink()
    (tmp_path / "frames/a/9.png").unlink()
    assert error(tmp_path) == f"masks/a/9.png: has no frame of its name (1 of 10 masks){same}"


def test_two_frames_of_one_name(tmp_path: Path) -> None:
    write_set(tmp_path, "a")
    shutil.copy(tmp_path / "frames/a/1.png", tmp_path / "frames/a/1.jpg")
    assert error(tmp_path) == "frames/a: has 1.jpg and 1.png; keep one of them"


def test_what_lies_beside_splits_is_not_left_out(tmp_path: Path) -> None:
    write_set(tmp_path / "train", "a")
    cure = "keep everything in train/, val/ and test/, or nothing"
    write_set(tmp_path / "validation", "b")
    assert error(tmp_path) == f"validation: lies beside the split 'train'; {cure}"
    shutil.rmtree(tmp_path / "validation")
    write_list(tmp_path, "a,train")
    assert error(tmp_path) == f"sequences.csv: lies beside the split 'train'; {cure}"
    write_set(tmp_path, "b")
    assert error(tmp_path) == f"frames: lies beside the split 'train'; {cure}"


def test_a_group_in_two_splits(tmp_path: Path) -> None:
    write_set(tmp_path, "abc", num_frames=1)
    write_list(tmp_path, "a,train,p 1", "b,train,p2", "c,val,p 1", header="sequence,split,group")
    cure = "keep all of a patient in one split, and give different sequences different names"
    assert error(tmp_path) == f"ROOT: group 'p 1' is in 'train' and in 'val'; {cure}"


def test_a_sequence_in_two_splits(tmp_path: Path) -> None:
    write_set(tmp_path / "train", "ab", num_frames=1)
    write_set(tmp_path / "test", "bc", num_frames=1)
    assert error(tmp_path).startswith("ROOT: sequence 'b' is in 'train' and in 'test'; keep all")


# What is wrong with lists


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,train", "x,train"], "sequences.csv row 3: there is no sequence 'x'; name folders of"),
        (["a,train", "a,val"], "sequences.csv row 3: repeats the sequence 'a'; remove one"),
        (["a,train", "b,dev"], "sequences.csv row 3: has the split 'dev'; write train, val or"),
        (["a,train", "b,"], "sequences.csv row 3: has the split ''; write train, val or test in"),
        (["b,train"], "sequences.csv: has no row for the sequence 'a' (1 of 2 sequences); list"),
        (["a,train", "b"], "sequences.csv row 3: has 1 cells where the header has 2; put quotes"),
    ],
)
def test_wrong_rows(tmp_path: Path, rows: list[str], message: str) -> None:
    write_set(tmp_path, "ab", num_frames=1)
    write_list(tmp_path, *rows)
    assert error(tmp_path).startswith(message)


@pytest.mark.parametrize("header", ["", "sequence", "name,split", "sequence,split,patient"])
def test_wrong_header(tmp_path: Path, header: str) -> None:
    write_set(tmp_path, "a", num_frames=1)
    write_list(tmp_path, header=header)
    assert error(tmp_path) == (
        f"sequences.csv: has the columns {header!r}; "
        "the first row must be sequence,split or sequence,split,group"
    )


def test_a_list_that_is_no_csv(tmp_path: Path) -> None:
    write_set(tmp_path, "a", num_frames=1)
    write_list(tmp_path, '"a,train')
    assert error(tmp_path).startswith("sequences.csv: cannot be read as a list of sequences (")
