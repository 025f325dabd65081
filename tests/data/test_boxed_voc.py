from pathlib import Path

import pytest

from endofm.data.boxed_checks import complete_boxed
from endofm.data.boxed_voc import is_voc, read_voc
from endofm.errors import DataError
from tests.data.boxed_folders import BOX, shape, voc_text, write_frame, write_voc


def test_a_folder_is_a_video(tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "a/10", "b/1", "c/1", "d/1"):
        write_voc(tmp_path, name, voc_text() if name != "a/2" else voc_text([]))
    assert is_voc(tmp_path)
    found = read_voc(tmp_path)
    assert [(one.name, one.split) for one in found.sequences] == [(n, "") for n in "abcd"]
    assert [frame.path.name for frame in found.sequences[0].frames] == ["1.jpg", "2.jpg", "10.jpg"]
    assert found.classes == ("polyp",)
    completed = complete_boxed(found)
    frames = [one for part in completed.splits.values() for s in part for one in s.frames]
    assert sorted(len(one.boxes_xyxy) for one in frames) == [0, 1, 1, 1, 1, 1]
    assert {box for one in frames for box in one.boxes_xyxy} == {BOX}


def test_pictures_of_no_video_are_alone_and_told(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        write_voc(tmp_path, name, folders=("", ""))
    write_frame(tmp_path / "4.jpg")
    found = read_voc(tmp_path)
    assert [one.name for one in found.sequences] == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert found.notes == (
        "4 pictures lie in no folder of a video: each is a sequence of its own, and those of one "
        "patient may be divided between splits",
        "1 picture has no file of boxes: counted as lesion-free",
    )


def test_splits_are_folders(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write_voc(tmp_path / split, "a/1")
    assert shape(complete_boxed(read_voc(tmp_path))) == {
        "train": {"train/a": [1]},
        "val": {"val/a": [1]},
        "test": {"test/a": [1]},
    }
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match=r"has val/ and valid/; keep one"):
        read_voc(tmp_path)


@pytest.mark.parametrize("folder", ["ImageSets/Main", "ImageSets"])
def test_lists_name_the_splits(tmp_path: Path, folder: str) -> None:
    for name in ("a/1", "a/2", "b/1", "c 1/1", "d/1"):
        write_voc(tmp_path, name)
    lists = tmp_path / folder
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a 0 2 2\na 0 1 2\n")
    (lists / "trainval.txt").write_text("nowhere\n")
    (lists / "val.txt").write_text("c 1/1\n\n")
    (lists / "test.txt").write_text("b/1 -1\n")
    found = read_voc(tmp_path)
    assert [(one.split, one.name, len(one.frames)) for one in found.sequences] == [
        ("train", "train/a", 2),
        ("val", "val/c 1", 1),
        ("test", "test/b", 1),
    ]
    assert [frame.path.name for frame in found.sequences[0].frames] == ["1.jpg", "2.jpg"]


def test_a_list_may_name_what_is_gone_but_not_lead_out(tmp_path: Path) -> None:
    write_voc(tmp_path, "a/1")
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "train.txt").write_text("a/1\na/3\n")
    found = read_voc(tmp_path)
    assert len(found.sequences[0].frames) == 1
    (lost,) = found.lost_frames
    assert lost.what.endswith("train.txt line 2")
    assert lost.reason == "'a/3' is no picture"
    (tmp_path / "ImageSets" / "train.txt").write_text("a/1\n../../a/1\n")
    with pytest.raises(DataError, match=r"line 2: '../../a/1' is no path inside"):
        read_voc(tmp_path)


def test_damage_is_counted_and_listed(tmp_path: Path) -> None:
    for name in ("a/1", "b/1", "c/1", "d/1"):
        write_voc(tmp_path, name)
    write_voc(tmp_path, "a/2", "<annotation>")
    write_voc(tmp_path, "a/3", '<!DOCTYPE a [<!ENTITY e "x">]><annotation>&e;</annotation>')
    write_voc(tmp_path, "a/4", voc_text([("polyp", (1, 2, "?", 4)), ("polyp", (40, 20, 20, 30))]))
    write_voc(tmp_path, "a/5")
    (tmp_path / "JPEGImages/a/5.jpg").unlink()
    found = complete_boxed(read_voc(tmp_path))
    assert {"3 frames left out: see skipped.csv", "2 boxes left out: see skipped.csv"} <= set(
        found.notes
    )
    reasons = sorted((Path(one.what).name, one.reason) for one in found.skipped)
    assert [name for name, _ in reasons] == ["2.xml", "3.xml", "4.xml", "4.xml", "5.xml"]
    for (_, reason), words in zip(
        reasons,
        [
            "damaged XML",
            "entities",
            "box (39, 19, 20, 30) has no area",
            "no number as xmax",
            "missing",
        ],
        strict=True,
    ):
        assert words in reason


def test_another_size_than_the_file_says(tmp_path: Path) -> None:
    write_voc(tmp_path, "a/1", voc_text(size_hw=(64, 96)))
    with pytest.raises(DataError, match=r"1\.xml: says 96 x 64 px, but .*1\.jpg has 48 x 32 px"):
        complete_boxed(read_voc(tmp_path))


def test_other_folders_are_none(tmp_path: Path) -> None:
    write_frame(tmp_path / "JPEGImages" / "1.jpg")
    (tmp_path / "Annotations").mkdir()
    assert not is_voc(tmp_path)
