from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from endofm.data.container import open_container
from endofm.data.frame_index import FrameIndex, index_frames, index_packets
from endofm.errors import VideoError
from tests.data.coded_video import SAMPLES, coded_frame, copy_packets, drop_frame_20, write_frames

COUNTED = {"h264_avi", "mpeg4_b_avi", "mpeg2_mpg"}


def from_packets(path: Path) -> FrameIndex | None:
    container, stream = open_container(path, num_threads=1)
    with container:
        return index_packets(path, container, stream)


def known(path: Path) -> FrameIndex:
    index = from_packets(path)
    assert index is not None
    return index


def by_decoding(path: Path) -> FrameIndex:
    container, stream = open_container(path, num_threads=1)
    with container:
        return index_frames(path, container, stream)


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - COUNTED))
def test_packets_tell_the_frames(sample: Callable[[str], Path], name: str) -> None:
    index = known(sample(name))
    np.testing.assert_allclose(index.times_s, np.arange(40) / 25, atol=1e-9)
    assert index.fps == 25
    assert list(index.number_of_pts.values()) == list(range(40))
    assert index.key_numbers[0] == 0
    assert index.key_numbers == sorted(index.key_numbers)


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_packets_without_times_tell_nothing(sample: Callable[[str], Path], name: str) -> None:
    assert from_packets(sample(name)) is None


@pytest.mark.parametrize("name", sorted(COUNTED | {"h264_mp4", "vp9_webm"}))
def test_decoding_tells_the_frames(sample: Callable[[str], Path], name: str) -> None:
    index = by_decoding(sample(name))
    np.testing.assert_allclose(index.times_s, np.arange(40) / 25, atol=1e-9)
    assert index.fps == 25
    assert index.key_before(39) == -1


def test_key_before() -> None:
    index = FrameIndex(np.arange(9) / 25, 25, {}, [100, 400, 600], [1, 4, 6])
    assert [index.key_before(number) for number in range(8)] == [-1, 0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_times_count_from_the_first_frame(
    sample: Callable[[str], Path], tmp_path: Path, suffix: str
) -> None:
    late = copy_packets(sample("h264_mp4"), tmp_path / f"a{suffix}", shift_frames=1000)
    index = known(late)
    np.testing.assert_allclose(index.times_s, np.arange(40) / 25, atol=1e-9)
    assert index.fps == 25


@pytest.mark.parametrize("hidden", [3, 14])
def test_frames_that_an_edit_list_hides_do_not_count(
    sample: Callable[[str], Path], tmp_path: Path, hidden: int
) -> None:
    edited = copy_packets(sample("h264_mp4"), tmp_path / "a.mp4", shift_frames=-hidden)
    index = known(edited)
    np.testing.assert_allclose(index.times_s, np.arange(40 - hidden) / 25, atol=1e-9)
    assert index.fps == 25


def write_at(
    path: Path,
    ticks: list[int],
    *,
    time_base: Fraction,
    codec_options: dict[str, str] | None = None,
) -> Path:
    frames = []
    for number, tick in enumerate(ticks):
        rgb = VideoFrame.from_ndarray(coded_frame(number), format="rgb24")
        frame = rgb.reformat(format="yuv420p")
        frame.pts, frame.time_base = tick, time_base
        frames.append(frame)

    def prepare(stream: VideoStream) -> None:
        stream.codec_context.time_base = time_base

    write_frames(path, frames, codec="mpeg4", codec_options=codec_options, prepare=prepare)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_rate_of_a_video_that_varies_is_the_mean(tmp_path: Path, suffix: str) -> None:
    ticks = [0, 40, 80, 500, 540, 580, 1000, 1010, 1500]
    index = known(write_at(tmp_path / f"a{suffix}", ticks, time_base=Fraction(1, 1000)))
    np.testing.assert_allclose(index.times_s, np.array(ticks) / 1000, atol=1e-9)
    assert 9 / index.fps == pytest.approx(1.54, abs=0.05)


def test_frames_that_avi_drops_leave_gaps(tmp_path: Path) -> None:
    ticks = [0, 1, 2, 5, 6, 9]
    index = known(write_at(tmp_path / "a.avi", ticks, time_base=Fraction(1, 25)))
    np.testing.assert_allclose(index.times_s, np.array(ticks) / 25)
    assert index.fps == pytest.approx(6 / 0.4)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_single_frame(tmp_path: Path, suffix: str) -> None:
    index = known(write_at(tmp_path / f"a{suffix}", [0], time_base=Fraction(1, 25)))
    np.testing.assert_array_equal(index.times_s, [0])
    assert index.fps == pytest.approx(25)


def write_with_sound(path: Path) -> Path:
    """10 frames, 0.4 s of them, with 2.1 s of sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        sound = container.add_stream("aac", rate=48_000)
        assert isinstance(sound, AudioStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            picture = VideoFrame.from_ndarray(coded_frame(number), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for _ in range(100):
            silence = np.zeros((1, 1024), dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.rate = 48_000
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_sound_that_lasts_longer_is_no_loss(tmp_path: Path, suffix: str) -> None:
    index = known(write_with_sound(tmp_path / f"a{suffix}"))
    assert len(index.times_s) == 10
    assert index.fps == 25


@pytest.mark.parametrize("tag", [b"not a duration at.", b"00:00:09.400000000"])
def test_wrong_tag_is_no_loss(tmp_path: Path, tag: bytes) -> None:
    data = write_with_sound(tmp_path / "a.mkv").read_bytes()
    assert data.count(b"00:00:00.400000000") == 1
    (tmp_path / "b.mkv").write_bytes(data.replace(b"00:00:00.400000000", tag))
    assert len(known(tmp_path / "b.mkv").times_s) == 10


def test_tag_tells_a_loss_beside_sound(tmp_path: Path) -> None:
    data = write_with_sound(tmp_path / "a.mkv").read_bytes()
    (tmp_path / "b.mkv").write_bytes(data.replace(b"00:00:00.400000000", b"00:00:00.440000000"))
    with pytest.raises(VideoError, match="it holds 10 frames, which end before its stated end"):
        from_packets(tmp_path / "b.mkv")


def cut(path: Path, target: Path, *, share: float) -> Path:
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("h264_faststart_mp4", r"it lists 40 frames and holds \d+"),
        ("mpeg4_faststart_mov", r"it lists 40 frames and holds \d+"),
        ("h264_mkv", r"it holds \d+ frames, which end before its stated end"),
        ("hevc_10bit_mkv", r"it holds \d+ frames, which end before its stated end"),
        ("vp9_webm", r"it holds \d+ frames, which end before its stated end"),
        ("mjpeg_avi", r"it holds \d+ frames, which end before its stated end"),
    ],
)
def test_video_that_is_cut_short(
    sample: Callable[[str], Path], tmp_path: Path, name: str, said: str
) -> None:
    for share in (0.9, 0.8, 0.7):
        path = cut(sample(name), tmp_path / f"a{sample(name).suffix}", share=share)
        with pytest.raises(VideoError, match=rf"{path.name} is cut short: {said}; copy it again"):
            from_packets(path)


def test_last_frame_that_is_cut_short(sample: Callable[[str], Path], tmp_path: Path) -> None:
    data = sample("h264_fragmented_mp4").read_bytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(data[: data.rindex(b"mfra") - 4 - 5])  # five bytes of the last frame
    with pytest.raises(VideoError, match="is cut short: the last of its 40 frames is incomplete"):
        from_packets(path)


def test_what_is_lost_behind_the_frames_is_no_loss(
    sample: Callable[[str], Path], tmp_path: Path
) -> None:
    data = sample("mpeg4_avi").read_bytes()
    path = tmp_path / "a.avi"
    path.write_bytes(data[: data.rindex(b"idx1")])
    assert len(known(path).times_s) == 40


def test_stream_without_frames(sample: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", container_options={"movflags": "empty_moov"}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    with pytest.raises(VideoError, match=r"a\.mp4 has a video stream without frames; leave it"):
        from_packets(path)


def test_frame_that_is_shown_on_has_no_packet(
    sample: Callable[[str], Path], tmp_path: Path
) -> None:
    index = known(drop_frame_20(sample("mjpeg_mov"), tmp_path / "a.mov"))
    np.testing.assert_allclose(index.times_s, np.delete(np.arange(40), 20) / 25)


def test_last_frame_without_a_duration_is_no_loss(
    sample: Callable[[str], Path], tmp_path: Path
) -> None:
    index = known(copy_packets(sample("vp9_webm"), tmp_path / "a.mkv"))
    assert len(index.times_s) == 40
    assert index.fps == 25


def test_frames_that_avi_drops_leave_gaps_among_b_frames(tmp_path: Path) -> None:
    ticks = [*range(10), *range(20, 30)]
    path = write_at(tmp_path / "a.avi", ticks, time_base=Fraction(1, 25), codec_options={"bf": "2"})
    assert from_packets(path) is None
    times_s = by_decoding(path).times_s
    np.testing.assert_allclose(times_s, np.array(ticks) / 25, atol=0.5)
    assert times_s[-1] == pytest.approx(29 / 25, abs=0.05)


def test_vp8_packets_that_are_not_shown_hold_no_frame(
    sample: Callable[[str], Path], tmp_path: Path
) -> None:
    with av.open(str(sample("vp8_webm"))) as old, av.open(str(tmp_path / "a.webm"), "w") as new:
        template = old.streams.video[0]
        stream = new.add_stream_from_template(template)
        for number, packet in enumerate(old.demux(template)):
            if not packet.size:
                break
            copy = av.Packet(bytes(packet))
            if number == 20:
                copy.update(bytes([bytes(packet)[0] & ~0x10]) + bytes(packet)[1:])
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            copy.is_keyframe = packet.is_keyframe
            copy.stream = stream
            new.mux(copy)
    index = known(tmp_path / "a.webm")
    np.testing.assert_allclose(index.times_s, np.delete(np.arange(40), 20) / 25)
    np.testing.assert_allclose(by_decoding(tmp_path / "a.webm").times_s, index.times_s)
