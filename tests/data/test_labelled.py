from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from endofm.data.labelled import LabelledSet, read_labelled, targets
from endofm.data.manifests import Video, write_clip_list
from endofm.errors import DataError
from tests.data.labelled_videos import (
    NUM_FRAMES,
    TRAIN,
    VAL,
    AddVideo,
    MakeLists,
    grouped,
    listed,
    rows,
)


def stems(found: LabelledSet) -> dict[str, str]:
    return {
        split: "".join(sorted(video.path.stem for video in videos))
        for split, videos in found.splits.items()
    }


# PolypDiag


def test_the_published_val_list_is_what_is_reported_on(polypdiag: MakeLists) -> None:
    found = read_labelled(polypdiag(train=TRAIN, val=VAL))
    assert found.classes == ("0", "1")
    assert not found.multi_label
    assert list(found.splits) == ["train", "val", "test"]
    assert stems(found)["test"] == "klmn"
    assert len(found.splits["val"]) == 2
    assert sorted(video.label for video in found.splits["val"]) == ["0", "1"]
    assert sorted(stems(found)["train"] + stems(found)["val"]) == list("abcdefghij")
    assert found.notes == (
        "split 'val' is the only one held out: it is used as 'test', to report on",
        "no val split: 2 of 10 groups of train were set aside (seed 0)",
        "a video without a group is one by itself: those of one patient may be divided between "
        "splits",
    )


def test_three_lists_are_taken_as_they_are(polypdiag: MakeLists) -> None:
    found = read_labelled(polypdiag(train=TRAIN, val=VAL, test=rows("o", 0) + rows("p", 1)))
    assert stems(found) == {"train": "abcdefghij", "val": "klmn", "test": "op"}
    assert found.notes == ()


def test_the_original_selected_on_what_it_reported(polypdiag: MakeLists) -> None:
    found = read_labelled(polypdiag(train=TRAIN, val=VAL), select_on_test=True)
    assert stems(found) == {"train": "abcdefghij", "val": "klmn", "test": "klmn"}
    assert {video.split for video in found.splits["val"]} == {"val"}
    assert any("flatters the scores" in note for note in found.notes)


def test_selecting_on_test_leaves_a_val_list_unused_and_says_so(polypdiag: MakeLists) -> None:
    root = polypdiag(train=TRAIN, val=VAL, test=rows("o", 0) + rows("p", 1))
    found = read_labelled(root, select_on_test=True)
    assert stems(found)["val"] == "op"
    assert "the 4 videos of split 'val' are not used" in found.notes


def test_videos_are_described_as_they_are(polypdiag: MakeLists) -> None:
    calls: list[tuple[int, int]] = []
    root = polypdiag(train=TRAIN, val=VAL, test=rows("o", 0))
    found = read_labelled(root, progress=lambda done, total: calls.append((done, total)))
    expected = Video(root / "videos/o.mp4", NUM_FRAMES, 25.0, 32, 48, label="0", split="test")
    assert found.splits["test"] == (expected,)
    assert calls == [(k, 15) for k in range(1, 16)]
    assert "class '1' has no video in split 'test'" in found.notes


def test_blanks_empty_lines_marks_and_commas_in_names_do_no_harm(
    polypdiag: MakeLists, add: AddVideo
) -> None:
    add("videos/u, v.mp4")
    text = "\ufeff\r\n a.mp4 , 0 \r\nu, v.mp4,1\r\n" + rows("bcd", 0) + rows("efg", 1)
    found = read_labelled(polypdiag(train=text, val=VAL, test=rows("op", 1)))
    labels = {video.path.stem: video.label for video in found.splits["train"]}
    assert (labels["a"], labels["u, v"]) == ("0", "1")


def test_selecting_on_test_needs_a_test(polypdiag: MakeLists) -> None:
    with pytest.raises(DataError, match="has no held-out split to select on; name one"):
        read_labelled(polypdiag(train=TRAIN), select_on_test=True)


# A folder a class


def test_folders_name_classes_and_splits(add: AddVideo, tmp_path: Path) -> None:
    for split, count in [("train", 3), ("val", 1), ("test", 2)]:
        for k in range(count):
            add(f"{split}/polyp/{split}{k}.mp4")
            add(f"{split}/normal/deeper/{split}{k}.mp4")
    add("train/.hidden/x.mp4")
    found = read_labelled(tmp_path)
    assert found.classes == ("normal", "polyp")
    assert {name: len(videos) for name, videos in found.splits.items()} == {
        "train": 6,
        "val": 2,
        "test": 4,
    }
    assert found.notes == ()
    assert {video.label for video in found.splits["val"]} == {"normal", "polyp"}


def test_without_splits_test_and_val_are_set_aside(add: AddVideo, tmp_path: Path) -> None:
    for k in range(10):
        add(f"normal/{k}.mp4")
        folder = tmp_path / f"polyp/{k}"
        folder.mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(folder / f"{number}.png"), np.zeros((32, 48, 3), np.uint8))
    found = read_labelled(tmp_path, folder_fps=12.5)
    counts = {
        split: [sum(video.label == name for video in videos) for name in found.classes]
        for split, videos in found.splits.items()
    }
    assert counts == {"train": [6, 6], "val": [2, 2], "test": [2, 2]}
    assert {video.fps for video in found.splits["test"] if video.label == "polyp"} == {12.5}
    assert found.notes[0] == "no test split: 4 of 20 groups of train were set aside (seed 0)"
    assert found.notes[-1] == "no val split: 4 of 16 groups of train were set aside (seed 0)"
    assert sum(len(videos) for videos in found.splits.values()) == 20
    other = read_labelled(tmp_path, seed=1)
    assert [video.path for video in other.splits["test"]] != [
        video.path for video in found.splits["test"]
    ]
    original = read_labelled(tmp_path, select_on_test=True)
    assert len(original.splits["train"]) == 16
    assert len(original.splits["val"]) == len(original.splits["test"]) == 4


def test_classes_are_in_natural_order(add: AddVideo, tmp_path: Path) -> None:
    for name in ("10", "9", "0"):
        for k in range(3):
            add(f"{name}/{k}.mp4")
    found = read_labelled(tmp_path)
    assert found.classes == ("0", "9", "10")
    assert all(len(videos) == 3 for videos in found.splits.values())


# Clip lists


def test_groups_stay_together_whatever_the_order_of_rows(add: AddVideo, tmp_path: Path) -> None:
    videos = grouped(add, 12)
    write_clip_list(tmp_path / "clips.csv", videos)
    write_clip_list(tmp_path / "other.csv", videos[::-1])
    found = read_labelled(tmp_path, val_share=0.3)
    other = read_labelled(tmp_path / "other.csv", val_share=0.3)
    assert stems(found) == stems(other)
    groups = [{video.group for video in part} for part in found.splits.values()]
    assert [len(part) for part in groups] == [6, 2, 4]
    assert len(set.union(*groups)) == 12
    assert not any("by itself" in note for note in found.notes)


def test_the_parts_of_a_video_stay_together(add: AddVideo, tmp_path: Path) -> None:
    videos = [
        listed(add(f"{k}.mp4"), label=label, start_s=start_s, end_s=end_s)
        for k in range(8)
        for label, start_s, end_s in [("a", 0.0, 0.1), ("b", 0.1, 0.3)]
    ]
    write_clip_list(tmp_path / "clips.csv", videos)
    found = read_labelled(tmp_path)
    paths = [{video.path for video in part} for part in found.splits.values()]
    assert [len(part) for part in paths] == [5, 1, 2]
    assert len(set.union(*paths)) == 8
    assert {(v.label, v.start_s, v.end_s) for v in found.splits["test"]} == {
        ("a", 0.0, 0.1),
        ("b", 0.1, 0.3),
    }


def test_a_sole_held_out_split_of_a_list_is_test(add: AddVideo, tmp_path: Path) -> None:
    videos = grouped(add, 10, split="train")
    videos = [
        replace(v, split="test") if v.group in {"patient 0", "patient 1"} else v for v in videos
    ]
    write_clip_list(tmp_path / "clips.csv", videos)
    found = read_labelled(tmp_path)
    assert {name: len(part) for name, part in found.splits.items()} == {
        "train": 12,
        "val": 4,
        "test": 4,
    }
    assert found.notes == ("no val split: 2 of 8 groups of train were set aside (seed 0)",)


# Several labels


def test_semicolons_make_a_multi_label_set(add: AddVideo, tmp_path: Path) -> None:
    labels = ["polyp", "blood", "polyp; blood", ""] * 3
    videos = [listed(add(f"{k}.mp4"), label=label) for k, label in enumerate(labels)]
    write_clip_list(tmp_path / "clips.csv", videos)
    found = read_labelled(tmp_path)
    assert found.multi_label
    assert found.classes == ("blood", "polyp")
    for part in found.splits.values():
        assert targets(part, found.classes, multi_label=True).any(0).all()


def test_a_multi_label_set_may_have_one_class_but_not_none(add: AddVideo, tmp_path: Path) -> None:
    videos = [listed(add(f"{k}.mp4"), label="blood" * (k % 2)) for k in range(10)]
    write_clip_list(tmp_path / "clips.csv", videos)
    found = read_labelled(tmp_path, multi_label=True)
    assert found.classes == ("blood",)
    for part in found.splits.values():
        assert set(targets(part, found.classes, multi_label=True)[:, 0].tolist()) == {0, 1}
    write_clip_list(tmp_path / "clips.csv", [replace(video, label="") for video in videos])
    with pytest.raises(DataError, match="row 2: has no label, nor has any other video"):
        read_labelled(tmp_path, multi_label=True)


def test_classes_tied_in_a_ring_cannot_be_divided(add: AddVideo, tmp_path: Path) -> None:
    videos = [
        listed(add(f"{k}.mp4"), label=label, split="train")
        for k, label in enumerate(["a;b", "b;c", "c;a"])
    ]
    write_clip_list(tmp_path / "clips.csv", videos)
    with pytest.raises(DataError, match="found no val split by group with every class on both"):
        read_labelled(tmp_path)


# Known classes


def test_a_set_to_evaluate_stays_as_it_is(add: AddVideo, tmp_path: Path) -> None:
    add("b/1.mp4")
    found = read_labelled(tmp_path, classes=["b", "a"])
    assert found.classes == ("b", "a")
    assert stems(found) == {"test": "1"}
    with pytest.raises(DataError, match=r"1\.mp4: has the unknown label 'b'; known labels: a, c"):
        read_labelled(tmp_path, classes=["a", "c"])


def test_the_sole_held_out_split_to_evaluate_is_test(polypdiag: MakeLists) -> None:
    found = read_labelled(polypdiag(train=TRAIN, val=VAL), classes=["0", "1"])
    assert stems(found) == {"train": "abcdefghij", "test": "klmn"}


def test_known_classes_say_whether_labels_are_several(add: AddVideo, tmp_path: Path) -> None:
    write_clip_list(tmp_path / "clips.csv", [listed(add("1.mp4"), label="a;b")])
    found = read_labelled(tmp_path, classes=["a", "b"], multi_label=True)
    assert found.multi_label
    with pytest.raises(DataError, match="unknown label 'a;b'"):
        read_labelled(tmp_path, classes=["a", "b"])


# Targets


def some(label: str) -> Video:
    return Video(Path("v.mp4"), 8, 25.0, 32, 48, label=label)


def test_targets_are_class_numbers_or_ones() -> None:
    single = targets([some("b"), some("a"), some(" b ")], ["a", "b"], multi_label=False)
    assert single.dtype == np.int64
    assert single.tolist() == [1, 0, 1]
    several = targets([some("c; a"), some(""), some("b;")], ["a", "b", "c"], multi_label=True)
    assert several.dtype == np.int64
    assert several.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert targets([], ["a", "b"], multi_label=False).shape == (0,)
    assert targets([], ["a", "b"], multi_label=True).shape == (0, 2)


@pytest.mark.parametrize(
    ("label", "multi_label", "message"),
    [
        ("c", False, "unknown label 'c'"),
        ("", False, "no label"),
        ("a;c", True, "unknown label 'c'"),
    ],
)
def test_targets_must_be_known(label: str, multi_label: bool, message: str) -> None:
    with pytest.raises(DataError, match=rf"v\.mp4: has (the )?{message}"):
        targets([some(label)], ["a", "b"], multi_label=multi_label)
