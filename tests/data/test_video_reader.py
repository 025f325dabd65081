from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from endofm.data.video_reader import VideoReader
from endofm.errors import VideoError
from tests.data.coded_video import (
    SAMPLES,
    coded_frame,
    num_open_files,
    numbers_of,
    write_frames,
)

GOLDEN = sorted((Path(__file__).parents[1] / "parity/data/videos").glob("idx*.mp4"))


@pytest.mark.parametrize("name", SAMPLES)
def test_any_order_gives_the_frames_that_a_player_shows(
    sample: Callable[[str], Path], name: str
) -> None:
    with VideoReader(sample(name)) as video:
        assert video.info.num_frames == 40
        assert video.info.fps == 25
        np.testing.assert_allclose(video.times_s, np.arange(40) / 25, atol=1e-9)
        in_order = list(video.stream())
        assert numbers_of(in_order) == list(range(40))
        order = np.random.default_rng(0).permutation(40).tolist()
        for index, picture in zip(order, video.frames(order), strict=True):
            np.testing.assert_array_equal(picture, in_order[index])
        for index in order[:10]:
            np.testing.assert_array_equal(video.frames([index])[0], in_order[index])


@pytest.mark.parametrize("name", SAMPLES)
def test_a_video_in_memory_is_that_of_the_file(sample: Callable[[str], Path], name: str) -> None:
    path = sample(name)
    in_memory = VideoReader("name of its own", data=path.read_bytes())
    with VideoReader(path) as video, in_memory:
        assert replace(in_memory.info, path=path) == video.info
        np.testing.assert_array_equal(in_memory.times_s, video.times_s)
        for order in ([30, 3], range(40)):
            for one, other in zip(in_memory.frames(order), video.frames(order), strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("length", [0, 1, 40, 3000])
def test_damage_in_memory_is_told_as_that_of_a_file(
    sample: Callable[[str], Path], tmp_path: Path, length: int
) -> None:
    path = tmp_path / "a.mp4"
    for name in ("h264_mp4", "h264_faststart_mp4"):
        data = sample(name).read_bytes()[:length]
        path.write_bytes(data)
        with pytest.raises(VideoError) as of_file:
            VideoReader(path)
        with pytest.raises(VideoError) as in_memory:
            VideoReader(path, data=data)
        assert str(in_memory.value) == str(of_file.value)


def golden_number(picture: NDArray[np.uint8]) -> int:
    """Bit b is the b-th column of 16 px from the left, white for 1."""
    columns = picture.mean(axis=(0, 2)).reshape(-1, 16)[:, 4:12].mean(axis=1)
    return sum(1 << bit for bit, value in enumerate(columns) if value > 128)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_videos(path: Path) -> None:
    num_frames = int(path.stem.removeprefix("idx"))
    with VideoReader(path) as video:
        assert video.info.num_frames == num_frames
        assert video.info.fps == 30
        order = np.random.default_rng(num_frames).permutation(num_frames).tolist()
        assert [golden_number(picture) for picture in video.frames(order)] == order


def test_golden_videos_are_there() -> None:
    assert len(GOLDEN) == 7


def test_repeated_frames_are_decoded_once(sample: Callable[[str], Path]) -> None:
    with VideoReader(sample("h264_mp4")) as video:
        pictures = video.frames([7, 3, 7, 7])
        assert numbers_of(pictures) == [7, 3, 7, 7]
        assert pictures[0] is pictures[2]
        assert video.frames([]) == []


def test_later_frames_leave_earlier_ones_alone(sample: Callable[[str], Path]) -> None:
    with VideoReader(sample("h264_mp4")) as video:
        pictures = video.frames([0, 20])
        streamed = [picture for picture, _ in zip(video.stream(), range(3), strict=False)]
        video.frames(range(40))
    assert numbers_of([*pictures, *streamed]) == [0, 20, 0, 1, 2]
    assert all(picture.flags.writeable for picture in pictures)


@pytest.mark.parametrize("index", [-1, 40])
def test_frames_that_are_not_there(sample: Callable[[str], Path], index: int) -> None:
    path = sample("h264_mp4")
    with VideoReader(path) as video, pytest.raises(VideoError) as caught:
        video.frames([0, index])
    assert str(caught.value).startswith(f"{path} has 40 frames, so there is no frame {index}; ")


def test_frames_at_times(sample: Callable[[str], Path]) -> None:
    with VideoReader(sample("h264_mkv")) as video:
        times_s = [0.4, 0.398, 0.0, 1.59, 7.0, -1.0]
        assert numbers_of(video.frames_at(times_s)) == [10, 9, 0, 39, 39, 0]


def test_rate_that_varies(tmp_path: Path) -> None:
    ticks = [0, 40, 300, 340, 900, 910, 920, 1500]
    frames = []
    for number, tick in enumerate(ticks):
        rgb = VideoFrame.from_ndarray(coded_frame(number), format="rgb24")
        frame = rgb.reformat(format="yuv420p")
        frame.pts, frame.time_base = tick, Fraction(1, 1000)
        frames.append(frame)
    path = tmp_path / "a.mkv"
    write_frames(
        path,
        frames,
        codec="libx264",
        prepare=lambda stream: setattr(stream.codec_context, "time_base", Fraction(1, 1000)),
    )
    with VideoReader(path) as video:
        np.testing.assert_allclose(video.times_s, np.array(ticks) / 1000)
        assert numbers_of(video.frames_at([0.2, 0.35, 0.915, 1.4, 1.5])) == [1, 3, 5, 6, 7]
        assert video.info.duration_s == pytest.approx(1.5, abs=0.1)


def test_info_is_of_the_frames_as_displayed(tmp_path: Path) -> None:
    frame = VideoFrame.from_ndarray(coded_frame(5), format="rgb24").reformat(format="yuv420p")
    path = tmp_path / "a.mp4"
    write_frames(
        path, [frame], codec="mpeg4", prepare=lambda stream: stream.set_display_rotation(90)
    )
    with VideoReader(str(path)) as video:
        assert video.info.path == path
        assert (video.info.height, video.info.width) == (64, 48)
        assert video.frames([0])[0].shape == (64, 48, 3)


def test_frames_that_change_their_size(tmp_path: Path) -> None:
    small = VideoFrame.from_ndarray(coded_frame(1), format="rgb24")
    frames = [small.reformat(format="yuvj420p"), small.reformat(96, 80, "yuvj420p")]
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        container.start_encoding()
        for number, frame in enumerate(frames):
            encoder = av.VideoCodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
            encoder.framerate, encoder.time_base = Fraction(25), Fraction(1, 25)
            frame.pts = number
            for packet in encoder.encode(frame):
                packet.stream = stream
                container.mux(packet)
    with VideoReader(path) as video:
        assert video.frames([0])[0].shape == (48, 64, 3)
        with pytest.raises(VideoError) as caught:
            video.frames([0, 1])
    assert str(caught.value) == (
        f"{path} changes its frames from 64 x 48 to 96 x 80 px at frame 1; "
        "cut it there, or re-encode it to one size"
    )


def test_colours_that_cannot_be_converted(
    sample: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with VideoReader(sample("h264_mp4")) as video:
        decode = video._decoder.frame

        def reserved_matrix(number: int) -> VideoFrame:
            frame = decode(number)
            frame.colorspace = 3
            return frame

        monkeypatch.setattr(video._decoder, "frame", reserved_matrix)
        with pytest.raises(VideoError, match=r"h264_mp4\.mp4 .*\(Operation not supported\)"):
            video.frames([0])


def test_file_is_open_within_the_block_alone(sample: Callable[[str], Path]) -> None:
    path = sample("h264_mp4")
    open_files = num_open_files()
    with VideoReader(path) as video:
        video.frames([3])
        assert num_open_files() == open_files + 1
    assert num_open_files() == open_files
    with pytest.raises(VideoError, match="has been closed; read it inside its with block"):
        video.frames([3])


def test_file_is_closed_after_an_error(sample: Callable[[str], Path], tmp_path: Path) -> None:
    data = sample("h264_faststart_mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(data[: len(data) * 3 // 4])
    open_files = num_open_files()
    for _ in range(3):
        with pytest.raises(VideoError, match="is cut short"):
            VideoReader(tmp_path / "a.mp4")
    assert num_open_files() == open_files
