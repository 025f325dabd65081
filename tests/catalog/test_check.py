from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from endofm.catalog.check import Checked, check_set
from endofm.cli import run
from endofm.data.clip_list import Video, write_clip_list
from endofm.data.manifests import scan
from endofm.errors import DataError
from tests.catalog import public_layouts
from tests.catalog.public_layouts import mask, picture, text, video


def told(checked: Checked) -> list[tuple[str, str, bool]]:
    return [(one.kind, one.what, one.is_error) for one in checked.problems]


def write_list(root: Path, **labels: tuple[str, str, str]) -> list[Video]:
    """A video a name, with label, split and group."""
    videos = []
    for name, (label, split, group) in labels.items():
        video(root / f"{name}.mp4", num_frames=12)
        (found,) = scan([root / f"{name}.mp4"]).videos
        videos.append(replace(found, label=label, split=split, group=group))
    write_clip_list(root / "clips.csv", videos)
    return videos


def test_a_clean_set_has_nothing_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "set", a=("x", "train", "1"), b=("x", "test", "2"))
    assert run(["data", "check", str(tmp_path / "set"), "--out", str(tmp_path / "c.html")]) == 0
    assert "2 videos: no errors" in capsys.readouterr().out
    assert "No errors in" in (tmp_path / "c.html").read_text()


def test_videos_that_cannot_be_used_are_all_named(tmp_path: Path) -> None:
    videos = write_list(tmp_path, a=("", "", ""), b=("", "", ""), c=("", "", ""), d=("", "", ""))
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: len(whole) // 2])
    video(tmp_path / "b.mp4", num_frames=5)
    wrong = [replace(videos[2], num_frames=11), replace(videos[3], fps=25.0)]
    write_clip_list(tmp_path / "clips.csv", [*videos[:2], *wrong])
    found = check_set(tmp_path)
    assert [one.kind for one in found.problems] == ["video", "video", "list", "list", "list"]
    assert [Path(one.where).stem for one in found.problems] == ["a", "b", "b", "c", "d"]
    assert found.problems[3].what.endswith("the list says 11 of 48 x 40")
    assert found.counts == {"videos": 4}


def test_damage_between_the_ends_shows_only_if_every_frame_is_decoded(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", num_frames=90)
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 60] = bytes(60)
    path.write_bytes(data)
    assert not check_set(tmp_path).problems
    (problem,) = check_set(tmp_path, every_frame=True).problems
    assert "damaged" in problem.what


def test_labels_groups_and_splits(tmp_path: Path) -> None:
    write_list(
        tmp_path,
        a=("Polyp", "train", "p1"),
        b=("polyp", "test", "p1"),
        c=("", "", "p2"),
        d=("normal", "training", "p3"),
        e=("Polyp", "train", "p4"),
    )
    found = told(check_set(tmp_path))
    assert [what for _, what, is_error in found if is_error] == [
        "has no label, as 1 of 5 videos",
        "'polyp' and 'Polyp' are two classes",
        "is in test and train: what is learnt would be tested",
        "'training' is no split",
        "1 of 5 videos are in no split, the others are",
    ]
    assert [what for _, what, is_error in found if not is_error] == [
        "class 'polyp' is of one group only, 'p1'",
        "class 'normal' is of one group only, 'p3'",
    ]


def test_masks_are_all_looked_at(tmp_path: Path) -> None:
    for number in range(5):
        picture(tmp_path / "frames" / "s" / f"{number}.png")
        mask(tmp_path / "masks" / "s" / f"{number}.png")
    folder = tmp_path / "masks" / "s"
    cv2.imwrite(str(folder / "0.png"), np.full((30, 48), 255, np.uint8))
    cv2.imwrite(str(folder / "1.png"), np.full((40, 48), 255, np.uint8))
    cv2.imwrite(str(folder / "2.png"), np.full((40, 48, 3), (0, 0, 255), np.uint8))
    (folder / "3.png").write_bytes(b"")
    found = told(check_set(tmp_path))
    assert [(kind, is_error) for kind, _, is_error in found] == [
        ("mask", True),
        ("mask", False),
        ("mask", True),
        ("mask", True),
    ]
    assert found[0][1] == "is of 48 x 30 px, its frame of 48 x 40"
    assert found[1][1] == "marks 100% of the frame as lesion"
    assert "has colours" in found[2][1]
    assert "is empty" in found[3][1]


def test_boxes_that_would_be_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "frames" / "a.png")
    text(
        tmp_path / "boxes.json",
        [
            '{"categories": [{"id": 1, "name": "polyp"}], "images": [{"id": 1, "file_name": '
            '"frames/a.png", "width": 48, "height": 40}], "annotations": [{"id": 1, "image_id": 1, '
            '"category_id": 1, "bbox": [1, 1, 9, 9]}, {"id": 2, "image_id": 1, "category_id": 1, '
            '"bbox": [5, 5, 0, 4]}]}'
        ],
    )
    found = check_set(tmp_path)
    assert found.counts == {"frames with boxes known": 1, "boxes": 1}
    assert [one.kind for one in found.problems if one.is_error] == ["box"]


def test_errors_give_exit_status_1_and_foreign_folders_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ["--out", str(tmp_path / "c.html")]
    video(tmp_path / "set" / "<b>.mp4", num_frames=3)
    assert run(["data", "check", str(tmp_path / "set"), *page]) == 1
    assert "error: video: " in capsys.readouterr().out
    assert "&lt;b&gt;.mp4" in (tmp_path / "c.html").read_text()
    (tmp_path / "empty").mkdir()
    assert run(["data", "check", str(tmp_path / "empty"), *page]) == 2
    with pytest.raises(DataError, match="no such folder"):
        check_set(tmp_path / "none")
    public_layouts.cvc_clinicvideodb(tmp_path / "raw")
    assert check_set(tmp_path / "raw").counts["videos"] == 2


def test_a_list_of_nothing_is_an_error(tmp_path: Path) -> None:
    video(tmp_path / "a.mp4")
    (tmp_path / "clips.csv").write_text("path,num_frames,fps,height,width\n")
    (found,) = check_set(tmp_path).problems
    assert (found.kind, found.what) == ("list", "lists no video")


def test_every_wrong_row_of_a_list_is_named_and_the_others_are_checked(tmp_path: Path) -> None:
    write_list(tmp_path, a=("x", "", "1"), b=("x", "", "2"), c=("y", "", "3"), d=("y", "", "4"))
    (tmp_path / "a.mp4").unlink()
    (tmp_path / "c.mp4").write_bytes(b"no video")
    with (tmp_path / "clips.csv").open("a") as file:
        file.write("b.mp4,12\n")
    checked = check_set(tmp_path)
    assert [(one.kind, one.what.split(";")[0]) for one in checked.problems if one.is_error] == [
        ("list", "row 2: 'a.mp4' is missing"),
        ("list", "row 6: has 2 cells where the header has 7"),
        ("video", "is not a video, or is damaged from its start"),
    ]
    assert checked.counts == {"videos": 3}
