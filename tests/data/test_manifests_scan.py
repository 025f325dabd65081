import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from endofm.data import manifests
from endofm.data.manifests import Skipped, Video, scan, video_paths, write_clip_list
from endofm.data.video import write_video
from endofm.errors import DataError, VideoError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def write_grey_video(path: Path, num_frames: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, [np.full((32, 48, 3), 90, np.uint8)] * num_frames, fps=25)
    return path


def test_scan_finds_folders_files_and_lists_in_order(tmp_path: Path) -> None:
    second = write_grey_video(tmp_path / "videos/v10.mp4", 12)
    first = write_grey_video(tmp_path / "videos/v9.mp4", 10)
    short = write_grey_video(tmp_path / "videos/short.mp4", 3)
    broken = tmp_path / "videos/broken.mp4"
    broken.write_bytes(first.read_bytes()[:-500])
    single = write_grey_video(tmp_path / "single.mp4", 9)
    listed = Video(write_grey_video(tmp_path / "lists/listed.mp4", 9), 9, 30.0, 32, 48, label="x")
    cut = Video(write_grey_video(tmp_path / "lists/cut.mp4", 9), 10, 30.0, 32, 48)
    write_clip_list(tmp_path / "lists/clips.csv", [listed, cut])
    calls: list[tuple[int, int]] = []
    found = scan(
        [single, tmp_path / "videos", tmp_path / "lists/clips.csv", single],
        min_frames=8,
        num_workers=2,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert [video.path for video in found.videos] == [single, first, second, listed.path]
    assert found.videos[0] == Video(single, 9, 25.0, 32, 48)
    assert found.videos[3] == listed
    reasons = {skipped.path: skipped.reason for skipped in found.skipped}
    assert reasons.keys() == {broken, short, cut.path}
    assert str(broken) in reasons[broken]
    assert reasons[short] == f"{short}: has 3 frames, at least 8 needed"
    assert reasons[cut.path] == f"{cut.path}: has 9 frames, its list says 10"
    assert calls == [(k, 7) for k in range(1, 8)]


def test_a_folder_with_a_list_is_what_the_list_says(tmp_path: Path) -> None:
    listed = write_grey_video(tmp_path / "videos/a.mp4", 9)
    write_grey_video(tmp_path / "masks/a.mp4", 9)
    write_clip_list(tmp_path / "clips.csv", [Video(listed, 9, 25.0, 32, 48)])
    assert [video.path for video in scan([tmp_path]).videos] == [listed]
    assert video_paths(tmp_path) == video_paths(tmp_path / "clips.csv") == [listed]
    assert video_paths(tmp_path / "masks") == [tmp_path / "masks/a.mp4"]


def test_scan_takes_the_rate_of_frame_folders_from_its_caller(tmp_path: Path) -> None:
    folder = tmp_path / "set/frames"
    folder.mkdir(parents=True)
    for k in range(9):
        assert cv2.imwrite(str(folder / f"{k}.png"), np.full((32, 48, 3), k, np.uint8))
    found = scan([tmp_path / "set"], folder_fps=12.5)
    assert found.videos == (Video(folder, 9, 12.5, 32, 48),)


def test_scan_keeps_its_order_whichever_video_is_ready_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [touch(tmp_path / f"{k}.mp4") for k in range(4)]
    last_done = threading.Event()

    def check(path: Path, *, folder_fps: float) -> Video:
        if path == paths[0]:
            assert last_done.wait(10)
        if path == paths[1]:
            last_done.set()
            raise VideoError(f"{path}: bad", "throw it away")
        return Video(path, 10, folder_fps, 8, 9)

    monkeypatch.setattr(manifests, "check_video", check)
    found = scan(paths, num_workers=2)
    assert [video.path for video in found.videos] == [paths[0], *paths[2:]]
    assert found.skipped == (Skipped(paths[1], f"{paths[1]}: bad; throw it away"),)


def test_scan_stops_at_once_when_its_progress_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def check(path: Path, *, folder_fps: float) -> Video:
        opened.append(path)
        return Video(path, 10, folder_fps, 8, 9)

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(manifests, "check_video", check)
    with pytest.raises(KeyboardInterrupt):
        scan([touch(tmp_path / f"{k}.mp4") for k in range(2000)], num_workers=1, progress=interrupt)
    assert len(opened) < 2000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: [root / "gone"], "gone: no such file or folder; check the spelling"),
        (lambda root: [root], "holds no video and no folder of frames; name another folder"),
    ],
)
def test_scan_refuses_what_holds_no_videos(
    tmp_path: Path, make: Callable[[Path], Sequence[Path]], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        scan(make(tmp_path))
    assert str(caught.value).endswith(message)
