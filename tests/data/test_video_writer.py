from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.data.video_reader import VideoReader
from endofm.data.video_writer import write_video
from endofm.errors import VideoError
from tests.data.coded_video import coded_frame, num_open_files, numbers_of


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def coded_frames(num_frames: int) -> Iterator[NDArray[np.uint8]]:
    return (coded_frame(number) for number in range(num_frames))


@pytest.mark.parametrize("fps", [25, 30.0, 30000 / 1001, 12.5])
def test_frames_come_back(tmp_path: Path, fps: float) -> None:
    write_video(tmp_path / "a.mp4", coded_frames(40), fps=fps)
    with VideoReader(tmp_path / "a.mp4") as video:
        assert numbers_of(list(video.stream())) == list(range(40))
        assert video.info.fps == pytest.approx(fps, rel=1e-9)
        assert (video.info.height, video.info.width) == (48, 64)
    assert names_in(tmp_path) == ["a.mp4"]


def test_file_is_h264_that_plays_everywhere(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", coded_frames(3), fps=25)
    with av.open(str(tmp_path / "a.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        assert (codec.colorspace, codec.color_primaries, codec.color_trc) == (1, 1, 1)
        assert codec.color_range == 1
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("rgb", [(255, 255, 255), (200, 80, 60), (30, 200, 220), (0, 0, 255)])
def test_colours_come_back(tmp_path: Path, rgb: tuple[int, int, int]) -> None:
    write_video(tmp_path / "a.mp4", [np.full((48, 64, 3), rgb, dtype=np.uint8)] * 3, fps=25)
    with VideoReader(tmp_path / "a.mp4") as video:
        assert np.abs(video.frames([1])[0].astype(int) - rgb).max() <= 3


@pytest.mark.parametrize("size_hw", [(47, 63), (48, 63), (47, 64), (3, 5)])
def test_odd_sides_are_made_even_by_repetition(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[-1], picture[:, -1] = 255, 255
    write_video(tmp_path / "a.mp4", [picture], fps=25, crf=1)
    with VideoReader(tmp_path / "a.mp4") as video:
        (read,) = video.frames([0])
    assert read.shape == (height + height % 2, width + width % 2, 3)
    assert read[:height, :width].astype(int) == pytest.approx(picture.astype(int), abs=30)
    assert read[height - 1 :].min() > 225
    assert read[:, width - 1 :].min() > 225


def test_quality_is_an_option(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 48, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", noise, fps=25)
    write_video(tmp_path / "b.mp4", noise, fps=25, crf=40)
    assert (tmp_path / "b.mp4").stat().st_size < (tmp_path / "a.mp4").stat().st_size / 2


def key_frames_of(path: Path) -> list[int]:
    """The numbers of the key frames, counted in the order in which frames are shown."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    shown = sorted(packets, key=lambda packet: packet.pts or 0)
    return [number for number, packet in enumerate(shown) if packet.is_keyframe]


@pytest.mark.parametrize("keyframe_every", [1, 2, 7, 30, 250])
@pytest.mark.parametrize("num_frames", [1, 2, 6, 30, 31, 75])
def test_key_frames_are_as_frequent_as_asked_for(
    tmp_path: Path, num_frames: int, keyframe_every: int
) -> None:
    still = [np.full((16, 16, 3), 90, dtype=np.uint8)] * num_frames
    write_video(tmp_path / "a.mp4", still, fps=25, keyframe_every=keyframe_every)
    assert key_frames_of(tmp_path / "a.mp4") == list(range(0, num_frames, keyframe_every))


def test_key_frames_are_no_further_apart_whatever_is_shown(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scenes = rng.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    frames = scenes[np.sort(rng.integers(0, 5, 100))]
    write_video(tmp_path / "a.mp4", frames, fps=25, keyframe_every=12)
    key_frames = key_frames_of(tmp_path / "a.mp4")
    assert key_frames[0] == 0
    assert max(np.diff([*key_frames, 100])) <= 12


def test_a_key_frame_every_30_unless_told_otherwise(tmp_path: Path) -> None:
    still = [np.full((16, 16, 3), 90, dtype=np.uint8)] * 61
    write_video(tmp_path / "a.mp4", still, fps=25)
    assert key_frames_of(tmp_path / "a.mp4") == [0, 30, 60]


def failing_frames() -> Iterator[NDArray[np.uint8]]:
    yield from coded_frames(20)
    raise KeyError("of the caller")


def test_failure_leaves_what_was_there(tmp_path: Path) -> None:
    open_files = num_open_files()
    with pytest.raises(KeyError, match="of the caller"):
        write_video(tmp_path / "a.mp4", failing_frames(), fps=25)
    assert names_in(tmp_path) == []
    (tmp_path / "a.mp4").write_text("from before")
    with pytest.raises(KeyError, match="of the caller"):
        write_video(tmp_path / "a.mp4", failing_frames(), fps=25)
    assert (tmp_path / "a.mp4").read_text() == "from before"
    assert names_in(tmp_path) == ["a.mp4"]
    assert num_open_files() == open_files


def test_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("from before")
    write_video(str(tmp_path / "a.mp4"), coded_frames(2), fps=25)
    with VideoReader(tmp_path / "a.mp4") as video:
        assert video.info.num_frames == 2


def test_partial_file_is_hidden(tmp_path: Path) -> None:
    def watching() -> Iterator[NDArray[np.uint8]]:
        for frame in coded_frames(60):
            assert all(name.startswith(".") for name in names_in(tmp_path))
            yield frame

    write_video(tmp_path / "a.mp4", watching(), fps=25)


WRONG_FRAMES: dict[str, NDArray[Any]] = {
    "of another size": np.zeros((48, 66, 3), dtype=np.uint8),
    "of real numbers": np.zeros((48, 64, 3), dtype=np.float32),
    "grey": np.zeros((48, 64), dtype=np.uint8),
    "with alpha": np.zeros((48, 64, 4), dtype=np.uint8),
}


@pytest.mark.parametrize("kind", WRONG_FRAMES)
def test_frames_that_do_not_fit(tmp_path: Path, kind: str) -> None:
    wrong = WRONG_FRAMES[kind]
    with pytest.raises(VideoError) as caught:
        write_video(tmp_path / "a.mp4", [coded_frame(0), wrong], fps=25)
    assert str(caught.value) == (
        f"{tmp_path}/a.mp4 cannot take frame 1, {wrong.dtype} of shape {wrong.shape}; "
        "give uint8 frames of one shape (height, width, 3)"
    )
    assert names_in(tmp_path) == []


def test_no_frames(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"a\.mp4 would have no frames; give at least one"):
        write_video(tmp_path / "a.mp4", [], fps=25)
    assert names_in(tmp_path) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    hint = "check that its folder exists, may be written to and has room"
    with pytest.raises(VideoError) as caught:
        write_video(tmp_path / "missing/a.mp4", coded_frames(60), fps=25)
    assert str(caught.value) == (
        f"{tmp_path}/missing/a.mp4 cannot be written: No such file or directory; {hint}"
    )
    (tmp_path / "file").touch()
    with pytest.raises(VideoError, match=f"cannot be written: Not a directory; {hint}"):
        write_video(tmp_path / "file/a.mp4", coded_frames(60), fps=25)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(VideoError, match=f"cannot be written: Is a directory; {hint}"):
        write_video(tmp_path / "folder.mp4", coded_frames(2), fps=25)
    assert names_in(tmp_path) == ["file", "folder.mp4"]
