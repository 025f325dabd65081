from pathlib import Path

import pytest

from endofm.catalog.detection import read_boxes
from endofm.errors import DataError
from tests.data.boxed_folders import coco, shape, write_coco, write_voc, write_yolo
from tests.data.segmented_folders import write_sequence


def test_each_layout_is_known(tmp_path: Path) -> None:
    for name in "abcd":
        write_voc(tmp_path / "voc", f"{name}/1")
        write_yolo(tmp_path / "yolo", f"{name}/1", "0 0.5 0.5 0.2 0.2")
        write_sequence(tmp_path / "masks", name, num_frames=1)
    (tmp_path / "yolo" / "data.yaml").write_text("names: [polyp]")
    write_coco(tmp_path / "coco", coco(dict.fromkeys("abcd", 1)))
    for layout, label in {
        "voc": "polyp",
        "yolo": "polyp",
        "coco": "polyp",
        "masks": "lesion",
    }.items():
        found = read_boxes(tmp_path / layout, divide=False)
        assert shape(found) == {"test": {name: [1] for name in "abcd"}}, layout
        assert found.classes == (label,)


def test_masks_take_the_class_of_the_network(tmp_path: Path) -> None:
    write_sequence(tmp_path, "a")
    assert read_boxes(tmp_path, classes=("polyp",), divide=False).classes == ("polyp",)


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_what_holds_no_boxes(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(holds no boxes|no such folder).*Pascal VOC.*YOLO"):
        read_boxes(tmp_path / name)


def test_a_file_is_not_its_folder(tmp_path: Path) -> None:
    path = write_coco(tmp_path, coco({"a": 1}))
    with pytest.raises(
        DataError, match=f"is a file; give the folder that it describes: {tmp_path}"
    ):
        read_boxes(path)
