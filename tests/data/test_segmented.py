from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endofm.data.segmented import SegmentedSet, read_segmented
from endofm.errors import DataError, VideoError
from tests.data.segmented_folders import (
    SIZE_HW,
    write_list,
    write_picture,
    write_sequence,
    write_set,
)


def names(found: SegmentedSet) -> dict[str, str]:
    return {split: "".join(item.name for item in part) for split, part in found.splits.items()}


def counts(found: SegmentedSet) -> dict[str, int]:
    return {split: len(part) for split, part in found.splits.items()}


def error(root: Path, **how: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_segmented(root, **how)
    return str(caught.value).replace(f"{root}/", "").replace(str(root), "ROOT")


# Layouts


def test_all_sequences_are_divided_by_seed(tmp_path: Path) -> None:
    found = read_segmented(write_set(tmp_path))
    assert list(found.splits) == ["train", "val", "test"]
    assert counts(found) == {"train": 6, "val": 2, "test": 2}
    assert sorted("".join(names(found).values())) == list("abcdefghij")
    assert found.notes == (
        "no test split: 2 of 10 groups of train were set aside (seed 0)",
        "a sequence without a group is one by itself: those of one patient may be divided between "
        "splits",
        "no val split: 2 of 8 groups of train were set aside (seed 0)",
    )
    assert read_segmented(tmp_path) == found
    assert names(read_segmented(tmp_path, seed=1)) != names(found)
    assert counts(read_segmented(tmp_path, val_share=0.4)) == {"train": 4, "val": 2, "test": 4}


def test_a_folder_a_split(tmp_path: Path) -> None:
    for split, letters in {"train": "abc", "Val": "d", "test": "ef"}.items():
        write_set(tmp_path / split, letters, num_frames=1)
    (tmp_path / "docs").mkdir()
    found = read_segmented(tmp_path)
    assert names(found) == {"train": "abc", "val": "d", "test": "ef"}
    assert found.notes == ()


def test_pictures_directly_in_frames_are_one_sequence(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write_sequence(tmp_path / split, ".", num_frames=2)
    found = read_segmented(tmp_path)
    assert names(found) == {"train": "train", "val": "val"}
    assert [path.name for path in found.splits["train"][0].frames] == ["1.png", "2.png"]


def test_one_sequence_cannot_be_divided(tmp_path: Path) -> None:
    root = tmp_path / "kvasir"
    write_sequence(root, ".")
    assert error(root) == (
        "ROOT: is one sequence, 'kvasir', from which no test split can be taken; give a folder "
        "with frames/SEQUENCE/FRAME.png and masks/SEQUENCE/FRAME.png, or with these two in each "
        "of train/, val/ and test/"
    )


# Lists


def test_a_list_names_splits_and_groups(tmp_path: Path) -> None:
    write_set(tmp_path, ["a", "b", "c,d"], num_frames=1)
    write_list(
        tmp_path, "b,test, p 2 ", '"c,d",val,', "", "a,train,p1", header="sequence,split,group"
    )
    found = read_segmented(tmp_path)
    assert names(found) == {"train": "a", "val": "c,d", "test": "b"}
    assert [part[0].origin for part in found.splits.values()] == ["p1", "c,d", "p 2"]
    assert found.notes == ()


def test_groups_stay_together_when_divided(tmp_path: Path) -> None:
    write_set(tmp_path, "abcdefghijkl", num_frames=1)
    rows = [f"{name},,patient {k // 2}" for k, name in enumerate("abcdefghijkl")]
    write_list(tmp_path, *rows, header="\ufeffsequence,split,group")
    found = read_segmented(tmp_path, val_share=0.3)
    groups = [{item.group for item in part} for part in found.splits.values()]
    assert [len(part) for part in groups] == [3, 1, 2]
    assert len(set.union(*groups)) == 6
    assert not any("by itself" in note for note in found.notes)


def test_without_val_some_of_train_is_set_aside(tmp_path: Path) -> None:
    write_set(tmp_path, num_frames=1)
    write_list(tmp_path, *[f"{name},{'test' if name > 'h' else 'train'}" for name in "abcdefghij"])
    found = read_segmented(tmp_path)
    assert counts(found) == {"train": 6, "val": 2, "test": 2}
    assert names(found)["test"] == "ij"
    assert found.notes[0] == "no val split: 2 of 8 groups of train were set aside (seed 0)"


def test_without_test_there_is_none(tmp_path: Path) -> None:
    write_set(tmp_path, "ab", num_frames=1)
    write_list(tmp_path, "a,train", "b,val")
    found = read_segmented(tmp_path)
    assert names(found) == {"train": "a", "val": "b"}
    assert found.notes == ("no test split: what is reported on val was chosen by val as well",)


def test_selecting_on_test(tmp_path: Path) -> None:
    write_set(tmp_path, "abcd", num_frames=1)
    write_list(tmp_path, "a,train", "b,val", "c,test", "d,test")
    found = read_segmented(tmp_path, select_on_test=True)
    assert names(found) == {"train": "a", "val": "cd", "test": "cd"}
    assert found.notes == (
        "val is test: the epoch is selected on the reported sequences, which flatters the scores",
        "split 'val' is not used: 1 sequence",
    )


def test_selecting_on_test_divides_once(tmp_path: Path) -> None:
    found = read_segmented(write_set(tmp_path, num_frames=1), select_on_test=True)
    assert counts(found) == {"train": 8, "val": 2, "test": 2}
    assert found.splits["val"] == found.splits["test"]


def test_selecting_on_test_needs_a_test(tmp_path: Path) -> None:
    write_set(tmp_path, "ab", num_frames=1)
    write_list(tmp_path, "a,train", "b,val")
    assert error(tmp_path, select_on_test=True) == (
        "ROOT: has no split 'test' to select on; name one, or set select_on_test off"
    )


# Lesions


def test_both_sides_have_lesions_and_their_absence(tmp_path: Path) -> None:
    write_set(tmp_path, "abcdef", num_frames=1)
    write_set(tmp_path, "uvwxyz", num_frames=1, lesion=False)
    for seed in range(5):
        for part in read_segmented(tmp_path, seed=seed).splits.values():
            assert {item.name > "m" for item in part} == {False, True}


def test_no_lesion_to_learn(tmp_path: Path) -> None:
    write_set(tmp_path, "ab", lesion=False)
    write_set(tmp_path, "c")
    write_list(tmp_path, "a,train", "b,train", "c,val")
    expected = "ROOT: no lesion in any training mask; is the threshold right?"
    assert error(tmp_path) == expected
    dark = np.full(SIZE_HW, 100, np.uint8)
    write_picture(tmp_path / "masks/a/2.png", dark)
    assert error(tmp_path) == expected
    assert names(read_segmented(tmp_path, threshold=100))["train"] == "ab"


def test_splits_without_lesions_are_told(tmp_path: Path) -> None:
    write_set(tmp_path, "ab")
    write_set(tmp_path, "c", lesion=False)
    write_list(tmp_path, "a,train", "b,val", "c,test")
    assert read_segmented(tmp_path).notes == ("no mask of split 'test' shows a lesion",)


def test_too_few_with_lesions_to_divide(tmp_path: Path) -> None:
    write_set(tmp_path, "a", num_frames=1)
    write_set(tmp_path, "bcdef", num_frames=1, lesion=False)
    assert error(tmp_path) == (
        "ROOT: has the sequences of 1 group with a lesion only to take a test split from; "
        "3 are needed: add more, or name the splits yourself"
    )


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    write_set(tmp_path / "test", "a")
    assert error(tmp_path) == "ROOT: has no split 'train'; name what to learn from"


# To evaluate


def test_a_set_to_evaluate_stays_as_it_is(tmp_path: Path) -> None:
    write_set(tmp_path, "ab", lesion=False)
    found = read_segmented(tmp_path, divide=False)
    assert names(found) == {"test": "ab"}
    assert found.notes == ("no mask of split 'test' shows a lesion",)
    write_list(tmp_path, "a,val", "b,test")
    assert names(read_segmented(tmp_path, divide=False)) == {"val": "a", "test": "b"}


# What is wrong with pictures


def test_a_mask_of_another_size(tmp_path: Path) -> None:
    write_set(tmp_path, "ab")
    write_picture(tmp_path / "masks/b/2.png", np.zeros((48, 32), np.uint8))
    assert error(tmp_path) == (
        "masks/b/2.png: has 32 x 48 px, its frame 48 x 32 px; make masks of the frames' size"
    )


def test_frames_of_different_sizes(tmp_path: Path) -> None:
    write_set(tmp_path, "a", size_hw=(40, 48))
    write_set(tmp_path, "b")
    assert read_segmented(tmp_path, divide=False).notes == ()  # between sequences it is no matter
    write_picture(tmp_path / "frames/b/2.png", np.zeros((48, 32, 3), np.uint8))
    write_picture(tmp_path / "masks/b/2.png", np.zeros((48, 32), np.uint8))
    assert error(tmp_path) == (
        "frames/b/2.png: has 32 x 48 px, the first frame of its sequence 48 x 32 px; "
        "keep frames of one size in a sequence"
    )


@pytest.mark.parametrize("folder", ["frames", "masks"])
def test_a_picture_that_cannot_be_read(tmp_path: Path, folder: str) -> None:
    write_set(tmp_path, "abc", num_frames=2)
    path = tmp_path / folder / "c" / "2.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(VideoError, match=r"c/2\.png is not a picture, or is damaged or cut short"):
        read_segmented(tmp_path)


def test_every_frame_is_checked_once(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write_set(tmp_path, "abc", num_frames=2)
    write_list(tmp_path, "a,train", "b,test", "c,test")
    read_segmented(
        tmp_path, select_on_test=True, progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(k, 6) for k in range(1, 7)]
