from pathlib import Path

import pytest

from endofm.catalog.detection import read_boxes
from endofm.catalog.kumc import CLASSES, is_kumc, read_kumc
from endofm.data.boxed import BoxedSet
from endofm.errors import DataError
from tests.data.boxed_folders import shape, voc_text, write_voc

SHUFFLED = {
    "10000": ("adenomatous", "adenoma/video 7", "adenoma_10.jpg"),
    "10001": ("adenomatous", "adenoma/video 7", "adenoma_2.jpg"),
    "10002": ("hyperplastic", "/home/x/hyperplastic/3/5.jpg", "5.jpg"),
    "10003": ("hyperplastic", "/home/y/hyperplastic/3/1.png", "1.png"),
    "10004": ("hyperplastic", "C:\\data\\hyperplastic\\4\\1.jpg", "1.jpg"),
    "10005": ("hyperplastic", "C:\\data\\hyperplastic\\4\\12.jpg", "12.jpg"),
}
"""Class, path and filename of each frame of ``train2019``."""
BOX = (11, 6, 30, 25)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What looks like KUMC PolypsSet, nested as its archive is."""
    base = tmp_path / "dataverse" / "PolypsSet" / "PolypsSet"
    train = base / "train2019"
    for name, (label, path, filename) in SHUFFLED.items():
        text = voc_text([(label, BOX)], folder=label, path=path, filename=filename)
        write(train, name, text)
    for split in ("val2019", "test2019"):
        for name in ("1/1", "1/2", "1/10", "2/1"):
            text = voc_text([] if name == "1/2" else [("adenomatous", (" 11", "6 ", 30, "25\n"))])
            write(base / split, name, text)
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    return write_voc(folder, name, text, folders=("Image", "Annotation"))


def names(found: BoxedSet, split: str) -> dict[str, list[str]]:
    return {one.name: [frame.path.stem for frame in one.frames] for one in found.splits[split]}


def test_shuffled_frames_are_put_back_into_videos(root: Path) -> None:
    assert is_kumc(root)
    found = read_boxes(root)
    assert names(found, "train") == {
        "train/adenoma/video 7": ["10001", "10000"],
        "train/x/hyperplastic/3": ["10002"],
        "train/y/hyperplastic/3": ["10003"],
        "train/data/hyperplastic/4": ["10004", "10005"],
    }
    assert found.classes == CLASSES
    labels = {one.name: one.frames[0].labels for one in found.splits["train"]}
    assert labels["train/adenoma/video 7"] == (1,)
    assert labels["train/data/hyperplastic/4"] == (2,)
    assert found.notes[0] == (
        "train2019 is flat and shuffled: 6 frames were put back into 4 videos"
    )


def test_splits_are_kept_apart_in_order_of_time(root: Path) -> None:
    found = read_boxes(root)
    for split in ("val", "test"):
        assert names(found, split) == {f"{split}/1": ["1", "2", "10"], f"{split}/2": ["1"]}
        assert shape(found)[split] == {f"{split}/1": [1, 0, 1], f"{split}/2": [1]}
        assert found.splits[split][0].frames[0].boxes_xyxy == ((10, 5, 30, 25),)
    assert "class 'hyperplastic' has no box in split 'val'" in found.notes


def test_frames_that_tell_nothing_are_alone(root: Path) -> None:
    train = next(root.rglob("train2019"))
    write(train, "10006", voc_text([]))
    for name in ("10007", "10008"):  # written by a tool that came after the shuffling
        path = f"/mnt/train2019/Image/{name}.jpg"
        write(train, name, voc_text([], path=path, filename=f"{name}.jpg"))
    found = read_boxes(root)
    assert {k for k, v in names(found, "train").items() if len(v) == 1 and k.endswith("jpg")} == {
        f"train/{name}.jpg" for name in ("10006", "10007", "10008")
    }
    assert found.notes[0].endswith(
        "4 videos, 3 whose XML file does not tell are each a sequence of its own"
    )


def test_damage_is_listed(root: Path) -> None:
    train = next(root.rglob("train2019"))
    write(train, "10006", "<annotation>")
    write(train, "10007", voc_text([("polyp", BOX)], path="adenoma/video 7", filename="3.jpg"))
    (train / "Image" / "10000.jpg").unlink()
    found = read_boxes(root)
    told = {Path(one.what).stem: one.reason for one in found.skipped}
    assert set(told) == {"10000", "10006", "10007"}
    assert "picture is missing" in told["10000"]
    assert "damaged XML" in told["10006"]
    assert "unknown class 'polyp'" in told["10007"]


def test_lists_are_compared_with_what_is_there(root: Path) -> None:
    base = next(root.rglob("train2019")).parent
    (base / "ImageSets").mkdir()
    (base / "ImageSets" / "val.txt").write_text("1 0 1 3\n1 0 10 3\n2 0 1 1\n3 0 1 1\n")
    found = read_boxes(root)
    assert "1 frames take part that val.txt does not list" in found.notes
    assert [one.reason for one in found.skipped] == ["is listed, but its picture is gone"]
    assert shape(found)["val"] == {"val/1": [1, 0, 1], "val/2": [1]}


def test_the_processed_form(tmp_path: Path) -> None:
    for name in ("7/1", "7/2"):
        write(tmp_path / "train2019", name, voc_text([("adenomatous", BOX)]))
    write(tmp_path / "val2019", "1/1", voc_text([("adenomatous", BOX)]))
    found = read_boxes(tmp_path)
    assert shape(found) == {"train": {"train/7": [1, 1]}, "val": {"val/1": [1]}}


def test_other_folders_are_none(tmp_path: Path) -> None:
    assert not is_kumc(tmp_path)
    with pytest.raises(DataError, match="holds no KUMC PolypsSet; give the folder with train2019"):
        read_kumc(tmp_path)
