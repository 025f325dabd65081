from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from endofm.data.video import (
    VideoInfo,
    check_video,
    find_videos,
    open_video,
    resampled_indices,
    write_video,
)
from endofm.errors import VideoError
from tests.data.coded_video import SAMPLES, coded_frame, num_open_files, numbers_of


def write_pictures(folder: Path, num_frames: int) -> Path:
    folder.mkdir()
    for number in range(num_frames):
        cv2.imwrite(str(folder / f"{number}.png"), coded_frame(number)[..., ::-1])
    return folder


def test_files_and_folders_read_alike(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "frames", 8)
    write_video(tmp_path / "video.mp4", (coded_frame(number) for number in range(8)), fps=25)
    kinds = []
    for path in find_videos(tmp_path):
        with open_video(path, folder_fps=25) as video:
            kinds.append(type(video).__name__)
            assert video.info == VideoInfo(path, 8, 25.0, 48, 64)
            np.testing.assert_allclose(video.times_s, np.arange(8) / 25)
            indices = resampled_indices(video.times_s, video.info.duration_s, 12.5)
            assert numbers_of(video.frames(indices.tolist())) == [0, 2, 4, 6]
            assert numbers_of(video.frames_at([0.1])) == [2]
            assert numbers_of(list(video.stream())) == list(range(8))
    assert kinds == ["FolderReader", "VideoReader"]
    assert find_videos(tmp_path)[0] == folder


@pytest.mark.parametrize("name", SAMPLES)
def test_sound_videos_pass(sample: Callable[[str], Path], name: str) -> None:
    path = sample(name)
    scale = SAMPLES[name].scale
    assert check_video(path) == VideoInfo(path, 40, 25.0, 48 * scale, 64 * scale)


CUT = [
    "h264_mp4",
    "h264_faststart_mp4",
    "h264_mov",
    "h264_mkv",
    "h264_avi",
    "hevc_mp4",
    "mpeg4_faststart_mov",
    "mpeg4_avi",
    "mpeg4_b_avi",
    "vp9_webm",
    "vp9_mp4",
    "av1_mp4",
    "av1_10bit_mkv",
    "mjpeg_avi",
    "mjpeg_mov",
]


@pytest.mark.parametrize("name", CUT)
def test_videos_that_are_cut_short_fail(
    sample: Callable[[str], Path],
    tmp_path: Path,
    name: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    data = sample(name).read_bytes()
    capfd.readouterr()
    path = tmp_path / f"a{sample(name).suffix}"
    open_files = num_open_files()
    for share in (0.02, 0.3, 0.5, 0.7, 0.85):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(VideoError, match=rf"a{path.suffix} .*(copy it again|leave it out)"):
            check_video(path)
    assert num_open_files() == open_files
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["h264_faststart_mp4", "mpeg4_faststart_mov", "hevc_mp4"])
def test_videos_with_a_blank_end_fail(
    sample: Callable[[str], Path], tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(sample(name).read_bytes())
    capfd.readouterr()
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") if b"moov" in data[start:] else len(data)
    blank_from = start + (end - start) * 3 // 4
    data[blank_from : end - 8] = bytes(end - 8 - blank_from)  # as of a copy that was broken off
    path = tmp_path / f"a{sample(name).suffix}"
    path.write_bytes(data)
    with pytest.raises(VideoError, match="is damaged: frame 39 of 40 cannot be decoded"):
        check_video(path)
    assert capfd.readouterr() == ("", "")


def test_every_way_to_be_no_video_is_told_apart(
    sample: Callable[[str], Path], tmp_path: Path
) -> None:
    cut_short = sample("h264_faststart_mp4").read_bytes()
    files = {
        "empty": b"",
        "garbage": np.random.default_rng(0).bytes(5000),
        "no index": sample("h264_mp4").read_bytes()[:1500],
        "cut short": cut_short[: len(cut_short) * 3 // 4],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder").mkdir()
    told = set()
    for name in (*files, "folder", "missing"):
        with pytest.raises(VideoError) as caught:
            check_video(tmp_path / name)
        assert name in caught.value.message
        assert caught.value.hint
        told.add(caught.value.message.replace(name, ""))
    assert len(told) == 6


def test_folders_are_checked_at_both_ends(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "frames", 5)
    assert check_video(folder, folder_fps=10) == VideoInfo(folder, 5, 10, 48, 64)
    data = (folder / "4.png").read_bytes()
    (folder / "4.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match=r"4\.png is not a picture, or is damaged or cut short"):
        check_video(folder)
    (folder / "2.png").write_bytes(b"")
    with pytest.raises(VideoError, match=r"2\.png is empty"):
        check_video(folder)
