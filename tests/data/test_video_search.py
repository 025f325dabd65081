import os
from pathlib import Path

import pytest

from endofm.data.video_search import find_videos, frame_files, natural_key
from endofm.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(root: Path) -> list[str]:
    return [os.fspath(path.relative_to(root)) for path in find_videos(root)]


def test_numbers_sort_by_value() -> None:
    names = ["f10", "f2", "F1", "f01", "2b", "10a", "x9y10", "x9y2", "x"]
    expected = ["2b", "10a", "F1", "f01", "f2", "f10", "x", "x9y2", "x9y10"]
    assert sorted(names, key=natural_key) == expected


def test_videos_of_all_folders_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "v10.mp4", "v2.AVI", "b/c/1.webm", "b/1.mkv", "b2/1.mov", "b10/1.mp4", "a.txt")
    assert found(tmp_path) == [
        "b/1.mkv",
        "b/c/1.webm",
        "b2/1.mov",
        "b10/1.mp4",
        "v2.AVI",
        "v10.mp4",
    ]


def test_folder_of_two_pictures_is_one_video(tmp_path: Path) -> None:
    touch(tmp_path, "frames/1.png", "frames/2.PNG", "frames/more/clip.mp4", "poster/one.jpg")
    assert found(tmp_path) == ["frames", "frames/more/clip.mp4"]


def test_the_root_may_itself_be_a_folder_of_frames(tmp_path: Path) -> None:
    touch(tmp_path, "1.tif", "2.tif")
    assert find_videos(tmp_path) == [tmp_path]


def test_the_root_may_be_one_video(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "a.txt")
    assert find_videos(tmp_path / "a.mp4") == [tmp_path / "a.mp4"]
    assert find_videos(tmp_path / "a.txt") == []


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "._a.mp4", ".hidden/a.mp4", "frames/.1.png", "frames/2.png", "a.mp4")
    assert found(tmp_path) == ["a.mp4"]


def test_names_may_hold_anything(tmp_path: Path) -> None:
    touch(tmp_path, "with space.mp4", "two\nlines.mp4", "内視鏡 ٣.mp4", "a:b.mp4", "-x.mp4")
    assert set(found(tmp_path)) == {
        "with space.mp4",
        "two\nlines.mp4",
        "内視鏡 ٣.mp4",
        "a:b.mp4",
        "-x.mp4",
    }


def test_links_are_followed_without_end_or_repetition(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/a.mp4", "root/b.mp4")
    (tmp_path / "root/loop").symlink_to(tmp_path / "root")
    (tmp_path / "root/one").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/two").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path / "root") == ["b.mp4", "one/a.mp4"]


def test_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing does not exist; check the name"):
        find_videos(tmp_path / "missing")


def test_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="cannot be listed: Permission denied; check its perm"):
        find_videos(tmp_path)


def test_frame_files_are_the_pictures_of_the_folder_itself(tmp_path: Path) -> None:
    touch(tmp_path, "10.png", "9.jpeg", ".8.png", "sub/1.png", "notes.txt")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in frame_files(tmp_path)] == ["9.jpeg", "10.png"]
