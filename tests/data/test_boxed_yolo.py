from pathlib import Path

import pytest

from endofm.data.boxed_checks import complete_boxed
from endofm.data.boxed_found import FoundSet
from endofm.data.boxed_yolo import read_yolo, yolo_file
from endofm.errors import DataError
from tests.data.boxed_folders import BOX, SIZE_HW, shape, write_frame, write_yolo

H, W = SIZE_HW
LINE = f"0 {20 / W} {15 / H} {20 / W} {20 / H}"


def read(root: Path, text: str = "names: [polyp, ulcer]\n") -> FoundSet:
    path = root / "data.yaml"
    path.write_text(text)
    assert yolo_file(root) == path
    return read_yolo(root, path)


def error(root: Path, text: str) -> str:
    with pytest.raises(DataError) as caught:
        read(root, text)
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix(f"{root}/")


def test_boxes_are_shares_from_their_centre(tmp_path: Path) -> None:
    for name in ("a/2", "a/10", "b/1", "c/1", "d/1"):
        write_yolo(tmp_path, name, LINE)
    found = complete_boxed(read(tmp_path))
    frames = [one for part in found.splits.values() for s in part for one in s.frames]
    assert len(frames) == 5
    for frame in frames:
        assert frame.boxes_xyxy[0] == pytest.approx(BOX, abs=1e-4)
        assert frame.labels == (1,)
    assert found.classes == ("polyp", "ulcer")


def test_a_polygon_has_a_box_around_it(tmp_path: Path) -> None:
    write_yolo(tmp_path, "a/1", "1 0.25 0.5 0.5 0.25 0.75 0.5 0.5 0.75")
    box = read(tmp_path).sequences[0].frames[0].boxes[0]
    assert (box.xyxy, box.name) == ((0.25, 0.25, 0.75, 0.75), "ulcer")


def test_without_a_text_file_there_is_no_lesion(tmp_path: Path) -> None:
    write_yolo(tmp_path, "a/1")
    write_frame(tmp_path / "images/a/2.jpg")
    found = read(tmp_path)
    assert [len(frame.boxes) for frame in found.sequences[0].frames] == [0, 0]
    assert found.notes == ("1 picture has no file of boxes: counted as lesion-free",)


ROBOFLOW = "names: {0: polyp}\ntrain: ../train/images\nval: val/images\ntest: test/images"
ULTRALYTICS = "names: [polyp]\npath: /x\ntrain: images/train\nvalid: images/val\ntest: images/test"


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("names: [polyp]", "images/{}"),
        ("names: [polyp]", "{}/images"),
        (ROBOFLOW, "{}/images"),
        (ULTRALYTICS, "images/{}"),
    ],
)
def test_splits_are_folders(text: str, folder: str, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        images = folder.format(split)
        write_yolo(tmp_path, "a/1", LINE, folders=(images, images.replace("images", "labels")))
    assert shape(complete_boxed(read(tmp_path, text))) == {
        split: {f"{split}/a": [1]} for split in ("train", "val", "test")
    }


def test_lines_that_are_no_box_are_listed(tmp_path: Path) -> None:
    write_yolo(tmp_path, "a/1", LINE, "0 0.5 0.5", "0 x 0.5 0.1 0.1", "1.5 0.5 0.5 0.1 0.1", "")
    write_yolo(tmp_path, "a/2", "7 0.5 0.5 0.1 0.1", "0 2 2 0.1 0.1", "0 0.5 0.5 0 0.1")
    for name in "bcd":
        write_yolo(tmp_path, f"{name}/1", LINE)
    found = complete_boxed(read(tmp_path))
    assert "6 boxes left out: see skipped.csv" in found.notes
    told = [one.reason for one in found.skipped]
    assert sum("is no box" in reason for reason in told) == 3
    for words in ("unknown class '7'", "lies outside the frame of 48 x 32 px", "has no area"):
        assert any(words in reason for reason in told), words
    assert all("\n" not in reason for reason in told)


def test_a_file_that_is_no_text_costs_its_frame(tmp_path: Path) -> None:
    write_yolo(tmp_path, "a/1", LINE)
    write_yolo(tmp_path, "a/2").write_bytes(b"\xff\xfe\x00")
    found = read(tmp_path)
    assert len(found.sequences[0].frames) == 1
    assert [Path(one.what).name for one in found.lost_frames] == ["2.txt"]


def test_a_missing_picture_is_listed(tmp_path: Path) -> None:
    for name in ("a/1", "a/2"):
        write_yolo(tmp_path, name, LINE)
    (tmp_path / "images/a/2.jpg").unlink()
    found = read(tmp_path)
    assert len(found.sequences[0].frames) == 1
    (lost,) = found.lost_frames
    assert (Path(lost.what).name, lost.reason) == ("2.txt", "its picture is missing")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("names: [", "data.yaml: is no YAML"),
        ("!!python/object/apply:os.system ['true']", "data.yaml: is no YAML"),
        ("- polyp", "data.yaml: is no list of settings"),
        ("nc: 2", "data.yaml: has no names of classes"),
        ("names: {polyp: 0}", "data.yaml: has no names of classes"),
        ("names: [polyp]\ntrain: images/no", "train names 'images/no', which is no folder"),
        ("names: [polyp]\ntrain: /etc", "train: '/etc' is no path inside"),
        ("names: [polyp]\ntrain: images/../../x", "is no path inside"),
        ("names: [polyp]\ntrain: [a, b]", "train is no folder"),
        ("names: [polyp]", "names no train folder, and there is no images/ beside it"),
    ],
)
def test_a_yaml_file_that_cannot_be_used(text: str, words: str, tmp_path: Path) -> None:
    assert words in error(tmp_path, text)
