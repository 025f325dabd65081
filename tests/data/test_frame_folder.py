from pathlib import Path

import cv2
import numpy as np
import pytest

from endofm.data.frame_folder import FolderReader
from endofm.errors import VideoError
from tests.data.coded_video import coded_frame, numbers_of


def write_picture(path: Path, number: int, *, height: int = 48) -> None:
    cv2.imwrite(str(path), coded_frame(number, height=height)[..., ::-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Frames 0 to 11, numbered without leading zeros."""
    for number in range(12):
        write_picture(tmp_path / f"frame {number}.png", number)
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".frame 3.png").write_text("hidden")
    return tmp_path


def test_frames_come_in_natural_order(folder: Path) -> None:
    with FolderReader(folder) as video:
        assert numbers_of(list(video.stream())) == list(range(12))
        pictures = video.frames([11, 2, 11, 0])
        assert numbers_of(pictures) == [11, 2, 11, 0]
        assert pictures[0] is pictures[2]
        np.testing.assert_array_equal(pictures[1], coded_frame(2))


def test_info_and_times(folder: Path) -> None:
    with FolderReader(str(folder), fps=25) as video:
        info = video.info
        assert (info.path, info.num_frames, info.fps) == (folder, 12, 25)
        assert (info.height, info.width) == (48, 64)
        np.testing.assert_allclose(video.times_s, np.arange(12) / 25)
        assert numbers_of(video.frames_at([0.2, 0.04])) == [5, 1]


def test_kinds_of_pictures_may_be_mixed(folder: Path) -> None:
    write_picture(folder / "frame 12.bmp", 12)
    write_picture(folder / "frame 13.JPG", 13)
    write_picture(folder / "frame 14.tiff", 14)
    with FolderReader(folder) as video:
        assert numbers_of(list(video.stream())) == list(range(15))


def test_one_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 9)
    with FolderReader(tmp_path) as video:
        assert numbers_of(list(video.stream())) == [9]


@pytest.mark.parametrize("index", [-1, 12])
def test_frames_that_are_not_there(folder: Path, index: int) -> None:
    with FolderReader(folder) as video, pytest.raises(VideoError, match=f"no frame {index};"):
        video.frames([index])


def test_pictures_of_other_sizes(folder: Path) -> None:
    write_picture(folder / "frame 5.png", 5, height=50)
    with FolderReader(folder) as video, pytest.raises(VideoError) as caught:
        video.frames(range(12))
    assert str(caught.value) == (
        f"{folder}/frame 5.png has 64 x 50 px, the first frame of its folder 64 x 48; "
        "keep pictures of one size in a folder of frames"
    )


def test_pictures_that_are_empty(folder: Path) -> None:
    (folder / "frame 5.png").write_bytes(b"")
    with pytest.raises(VideoError, match=r"frame 5\.png is empty \(0 bytes\); copy it again"):
        FolderReader(folder)


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"holds no pictures; name a folder of frames"):
        FolderReader(tmp_path)
    with pytest.raises(VideoError, match=r"missing cannot be read: No such file or directory;"):
        FolderReader(tmp_path / "missing")
    (tmp_path / "1.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(VideoError, match=r"1\.png cannot be read: No such file or directory;"):
        FolderReader(tmp_path)
