import json
from pathlib import Path
from typing import Any

import pytest

from endofm.data.boxed import BoxedSet
from endofm.data.boxed_checks import complete_boxed
from endofm.data.boxed_coco import coco_files, read_coco
from endofm.errors import DataError
from tests.data.boxed_folders import BOX, coco, shape, write_coco, write_frame
from tests.data.coded_video import SAMPLES


def read(root: Path, **how: Any) -> BoxedSet:
    return complete_boxed(read_coco(root, coco_files(root)), **how)


def error(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix(f"{root}/")


def test_videos_are_sequences_in_order_of_time(tmp_path: Path) -> None:
    content = coco({"a": 12, "b": 1, "c": 1, "d": 1})
    content["images"].reverse()
    write_coco(tmp_path, content)
    found = read(tmp_path, divide=False)
    assert shape(found) == {"test": {"a": [1] * 12, "b": [1], "c": [1], "d": [1]}}
    first = next(one for one in found.splits["test"] if one.name == "a")
    assert [frame.path.stem for frame in first.frames] == [str(k) for k in range(12)]
    assert first.frames[0].boxes_xyxy == (BOX,)
    assert (first.frames[0].labels, first.frames[0].lesions) == ((1,), ("0",))
    assert (found.classes, found.skipped, found.notes) == (("polyp",), (), ())


def test_one_file_a_split(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_coco(tmp_path, coco({f"of {split}": 2}), f"annotations/instances_{split}2019.json")
    found = read(tmp_path)
    assert shape(found) == {split: {f"of {split}": [1, 1]} for split in ("train", "val", "test")}
    write_coco(tmp_path, coco({"a": 1}), "annotations/val.json")
    assert "has instances_val2019.json and val.json; keep one" in error(tmp_path)


def test_splits_and_patients_may_stand_in_one_file(tmp_path: Path) -> None:
    content = coco({"a": 1, "b": 1, "c": 1})
    for video, split in zip(content["videos"], ("train", "val", "test"), strict=True):
        video |= {"split": split, "patient": f"p{video['id'] % 2}"}
    write_coco(tmp_path, content)
    assert "group 'p0' is in 'train' and in 'test'" in error(tmp_path)
    for video in content["videos"]:
        video["patient"] = video["name"]
    write_coco(tmp_path, content)
    found = read(tmp_path)
    assert [found.splits[split][0].group for split in ("train", "val", "test")] == ["a", "b", "c"]


def test_categories_are_in_order_of_their_ids(tmp_path: Path) -> None:
    categories = [{"id": 10, "name": "b"}, {"id": 7, "name": "a"}]
    content = coco({"a": 1, "b": 1, "c": 1, "d": 1}, categories=categories)
    content["annotations"][0]["category_id"] = 10
    write_coco(tmp_path, content)
    found = read(tmp_path, divide=False)
    assert found.classes == ("a", "b")
    assert [one.frames[0].labels for one in found.splits["test"]] == [(2,), (1,), (1,), (1,)]


def test_frames_of_a_video_file(tmp_path: Path) -> None:
    SAMPLES["mpeg4_mp4"].write(tmp_path, "v", num_frames=6)
    content = coco({"v.mp4": 3})
    content["videos"][0] |= {"file_name": "v.mp4", "fps": 25}
    for image in content["images"]:
        del image["file_name"], image["width"], image["height"]
        image["frame_index"] *= 2
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    sequence = read(tmp_path, divide=False).splits["test"][0]
    assert [(frame.path.name, frame.index) for frame in sequence.frames] == [
        ("v.mp4", k) for k in (0, 2, 4)
    ]
    assert sequence.fps == 12.5
    content["images"][2]["frame_index"] = 6
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    found = read(tmp_path, divide=False)
    assert len(found.splits["test"][0].frames) == 2
    assert "6 frames" in found.skipped[0].reason


def test_images_of_no_video_are_alone_and_told(tmp_path: Path) -> None:
    content = coco({"a": 4})
    for image in content["images"]:
        del image["video_id"]
    write_coco(tmp_path, content)
    found = read(tmp_path, divide=False)
    assert len(found.splits["test"]) == 4
    assert found.notes[0].startswith("4 images name no video: each is a sequence of its own")


def test_what_is_no_box_is_counted_and_listed(tmp_path: Path) -> None:
    boxes = [
        (10, 5, 20, 20),
        (40, 20, 20, 20),  # reaches out of the frame
        (60, 5, 10, 10),  # outside
        (10, 5, 0, 20),
        (10, 5, -4, 20),
    ]
    content = coco({"a": 1}, boxes_xywh=boxes)
    content["annotations"] += [
        {"image_id": 99, "category_id": 7, "bbox": [0, 0, 1, 1]},
        {"image_id": 0, "category_id": 99, "bbox": [0, 0, 1, 1]},
        {"image_id": 0, "category_id": 7, "bbox": [0, 0, 1, 1], "iscrowd": 1},
    ]
    write_coco(tmp_path, content)
    found = read(tmp_path, divide=False)
    assert list(found.splits["test"][0].frames[0].boxes_xyxy) == [BOX, (40, 20, 48, 32)]
    assert found.notes == ("6 boxes left out: see skipped.csv",)
    assert [one.reason.removeprefix("box ") for one in found.skipped] == [
        "is of image 99, which is not in the file",
        "is of category 99, which is not in the file",
        "marks a crowd, not one lesion",
        "(60, 5, 70, 15) lies outside the frame of 48 x 32 px",
        "(10, 5, 10, 25) has no area",
        "(10, 5, 6, 25) has no area",
    ]


def test_pictures_that_are_missing_or_damaged_are_listed(tmp_path: Path) -> None:
    write_coco(tmp_path, coco({"a": 4}))
    (tmp_path / "frames/a/1.png").unlink()
    (tmp_path / "frames/a/2.png").write_bytes(b"no picture")
    write_frame(tmp_path / "frames/a/3.png", size_hw=(64, 96))
    assert "3.png has 96 x 64 px" in error(tmp_path)
    write_coco(tmp_path, coco({"a": 4}))
    (tmp_path / "frames/a/1.png").unlink()
    (tmp_path / "frames/a/2.png").write_bytes(b"no picture")
    found = read(tmp_path, divide=False)
    assert shape(found) == {"test": {"a": [1, 1]}}
    assert found.notes == ("2 frames left out: see skipped.csv",)
    assert "1.png: is missing" in found.skipped[0].reason
    assert "2.png is not a picture" in found.skipped[1].reason


def test_frames_of_another_size_than_most_are_listed(tmp_path: Path) -> None:
    content = coco({"a": 3})
    del content["images"][1]["width"]
    write_coco(tmp_path, content)
    write_frame(tmp_path / "frames/a/1.png", size_hw=(64, 96))
    found = read(tmp_path, divide=False)
    assert shape(found) == {"test": {"a": [1, 1]}}
    assert found.skipped[0].reason == "has 96 x 64 px, most frames of its sequence 48 x 32 px"


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    write_coco(tmp_path, coco({"a": 2}))
    for path in (tmp_path / "frames/a").iterdir():
        path.unlink()
    assert "has no frame that can be used; the first: " in error(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": None}, "is not COCO: images"),
        ({"annotations": [{"image_id": 0}]}, "is not COCO: annotations[0].category_id"),
        (
            {"annotations": [{"image_id": 0, "category_id": 7, "bbox": [0, 0, 1]}]},
            "is not COCO: annotations[0].bbox",
        ),
        ({"categories": [{"id": 7, "name": "a"}, {"id": 7, "name": "b"}]}, "two of the category"),
        ({"videos": [{"id": 0, "name": "a"}, {"id": 0, "name": "b"}]}, "two of the video id 0"),
    ],
)
def test_a_file_that_is_not_coco(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    content = coco({"a": 1, "b": 1})
    write_coco(tmp_path, content)
    (tmp_path / "boxes.json").write_text(json.dumps({**content, **change}))
    assert words in error(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("frame_index", None, "has images without frame_index"),
        ("frame_index", 1, "repeats a frame_index"),
        ("file_name", "../../x.png", "'../../x.png' is no path inside"),
        ("file_name", "/etc/passwd", "'/etc/passwd' is no path inside"),
        ("file_name", "a/1.png", "repeats the frame of"),
        ("file_name", "", "has no file_name, and its video neither"),
        ("split", "somewhere", "has the split 'somewhere'"),
    ],
)
def test_an_image_that_contradicts(key: str, value: object, words: str, tmp_path: Path) -> None:
    content = coco({"a": 3})
    write_coco(tmp_path, content)
    content["images"][0][key] = value
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    assert words in error(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": 1e999}', "\0"])
def test_what_is_no_json(text: str, tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text(text)
    assert "boxes.json: is not" in error(tmp_path)


@pytest.mark.parametrize("box", [[1e300, 0, 1, 1], [0, 0, 1e9, 1]])
def test_absurd_numbers_are_an_error(box: list[float], tmp_path: Path) -> None:
    write_coco(tmp_path, coco({"a": 1}, boxes_xywh=[box]))
    assert "is the file damaged?" in error(tmp_path)
    content = json.dumps(coco({"a": 1}, boxes_xywh=[[0, 0, 1, 1]])).replace("[0, 0, 1, 1]", "[NaN]")
    (tmp_path / "boxes.json").write_text(content)
    assert "is not" in error(tmp_path)


def test_other_folders_hold_none(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    assert coco_files(tmp_path) == {}
