from pathlib import Path

import pytest

from endofm.data.boxed_found import MAX_FILE_BYTES
from endofm.data.voc_xml import MAX_DEPTH, read_voc_file
from endofm.errors import DataError
from tests.data.boxed_folders import BOX, voc_text

BOMB = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10 if k else "x" * 10}">' for k in range(9))


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "1.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def error(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_voc_file(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


def test_pixels_are_counted_from_one(tmp_path: Path) -> None:
    found = read_voc_file(written(tmp_path, voc_text(folder="a", filename="7.jpg", path="/x/7")))
    assert [(box.xyxy, box.name, box.lesion) for box in found.boxes] == [(BOX, "polyp", "")]
    assert (found.folder, found.filename, found.path) == ("a", "7.jpg", "/x/7")
    assert found.size_hw == (32, 48)


def test_blanks_do_not_matter(tmp_path: Path) -> None:
    text = voc_text([(" polyp\n", ("\n 11 ", "6 ", "\t30", " 25.0 "))])
    assert read_voc_file(written(tmp_path, text)).boxes[0].xyxy == BOX
    assert read_voc_file(written(tmp_path, text)).boxes[0].name == "polyp"


def test_no_object_is_no_box(tmp_path: Path) -> None:
    found = read_voc_file(written(tmp_path, voc_text([], size_hw=(0, 0))))
    assert (found.boxes, found.lost, found.size_hw) == ((), (), None)


def test_what_is_no_box_is_told(tmp_path: Path) -> None:
    given = [("polyp", (1, 2, 3, "")), ("", (1, 2, 3, 4)), ("polyp", (11, 6, 30, 25))]
    found = read_voc_file(written(tmp_path, voc_text(given)))
    assert len(found.boxes) == 1
    assert found.lost == ("object 1 has no number as ymax: ''", "object 2 has no name")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is damaged XML"),
        ("<annotation><object>", "is damaged XML"),
        ("\0\1", "is damaged XML"),
        (b'<?xml version="1.0" encoding="no-such"?><annotation/>', "is damaged XML"),
        ("<svg/>", "its root is <svg>"),
        (f"<!DOCTYPE a [{BOMB}]><annotation>&e8;</annotation>", "declares a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "declares a document type"),
        ("<a>" * (MAX_DEPTH + 1), "nested more than"),
        ("<annotation>" + " " * MAX_FILE_BYTES, "has more than 1,000,000 bytes"),
    ],
)
def test_mischief_is_one_line(content: str | bytes, words: str, tmp_path: Path) -> None:
    assert words in error(written(tmp_path, content))


def test_entities_are_refused_in_any_encoding(tmp_path: Path) -> None:
    text = f'<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [{BOMB}]><annotation/>'
    assert "declares a document type" in error(written(tmp_path, text.encode("utf-16")))
