from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from endofm.data.decoder import FrameDecoder
from endofm.errors import VideoError
from tests.data.coded_video import SAMPLES, copy_packets, drop_frame_20, num_open_files, number_of


def number_in(frame: VideoFrame) -> int:
    return number_of(np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8))


def opened(path: Path, *, num_threads: int = 1) -> FrameDecoder:
    return FrameDecoder(path, num_threads=num_threads)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the frames that are decoded and the places that decoding starts at."""
    counts: Counter[str] = Counter()
    decode, start = FrameDecoder._decode_packets, FrameDecoder._start_at

    def counting_decode(decoder: FrameDecoder) -> Iterator[VideoFrame]:
        for frame in decode(decoder):
            counts["decoded"] += 1
            yield frame

    def counting_start(decoder: FrameDecoder, key: int | None) -> None:
        counts["beginnings" if key is None else "keys"] += 1
        start(decoder, key)

    monkeypatch.setattr(FrameDecoder, "_decode_packets", counting_decode)
    monkeypatch.setattr(FrameDecoder, "_start_at", counting_start)
    return counts


@pytest.mark.parametrize("name", SAMPLES)
def test_every_frame_backwards(sample: Callable[[str], Path], name: str) -> None:
    decoder = opened(sample(name))
    for number in reversed(range(40)):
        assert number_in(decoder.frame(number)) == number
    decoder.close()


@pytest.mark.parametrize("name", ["mpeg4_mp4", "h264_mkv", "vp9_webm", "mpeg4_avi"])
def test_frames_in_order_are_decoded_once(
    sample: Callable[[str], Path], name: str, work: Counter[str]
) -> None:
    decoder = opened(sample(name))
    for number in range(40):
        decoder.frame(number)
        decoder.frame(number)
    decoder.close()
    assert work == {"keys": 1, "decoded": 40}


def test_what_lies_far_ahead_is_sought(sample: Callable[[str], Path], work: Counter[str]) -> None:
    decoder = opened(sample("mpeg4_mp4"))  # key frames 0, 12, 24, 36
    work.clear()
    decoder.frame(37)
    assert work == {"keys": 1, "decoded": 2}
    decoder.frame(38)
    assert work == {"keys": 1, "decoded": 3}
    decoder.frame(13)
    assert work == {"keys": 2, "decoded": 5}
    decoder.frame(17)
    assert work == {"keys": 2, "decoded": 9}
    decoder.frame(26)  # the key frame 24 is near
    assert work == {"keys": 2, "decoded": 18}
    decoder.close()


def test_videos_without_times_are_decoded_from_the_beginning(
    sample: Callable[[str], Path], work: Counter[str]
) -> None:
    decoder = opened(sample("mpeg4_b_avi"))
    assert work == {}
    decoder.frame(30)
    decoder.frame(35)
    assert work == {"beginnings": 1, "decoded": 36}
    decoder.frame(3)
    assert work == {"beginnings": 2, "decoded": 40}
    decoder.close()


def test_no_more_is_decoded_than_key_frames_make_necessary(
    sample: Callable[[str], Path], work: Counter[str]
) -> None:
    decoder = opened(sample("h264_mp4"))
    for number in np.random.default_rng(0).permutation(40):
        work.clear()
        decoder.frame(int(number))
        assert work["beginnings"] == 0
        assert work["decoded"] <= 12 + 8
    decoder.close()


@pytest.mark.parametrize("wrong_key", [10, 22])
def test_frames_wrongly_marked_as_key_do_no_harm(
    sample: Callable[[str], Path], wrong_key: int
) -> None:
    decoder = opened(sample("h264_mp4"))
    pts_of = {number: pts for pts, number in decoder.index.number_of_pts.items()}
    decoder.index = replace(decoder.index, key_pts=[pts_of[wrong_key + 5]], key_numbers=[wrong_key])
    for number in (39, wrong_key, wrong_key + 2, 0):
        assert number_in(decoder.frame(number)) == number
    decoder.close()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("name", ["h264_mp4", "hevc_mp4"])
def test_stream_that_begins_between_key_frames(
    sample: Callable[[str], Path], tmp_path: Path, name: str, suffix: str
) -> None:
    path = copy_packets(sample(name), tmp_path / f"a{suffix}", skip=5)
    decoder = opened(path)
    num_frames = len(decoder.index.times_s)
    numbers = [number_in(decoder.frame(number)) for number in range(num_frames)]
    assert numbers == list(range(40 - num_frames, 40))
    assert num_frames >= 28
    assert number_in(decoder.frame(3)) == 40 - num_frames + 3
    np.testing.assert_allclose(decoder.index.times_s, np.arange(num_frames) / 25, atol=1e-9)
    decoder.close()


@pytest.mark.parametrize("name", ["h264_mp4", "mpeg4_mp4", "hevc_mp4"])
@pytest.mark.parametrize("hidden", [3, 14])
def test_frames_that_an_edit_list_hides(
    sample: Callable[[str], Path], tmp_path: Path, name: str, hidden: int
) -> None:
    decoder = opened(copy_packets(sample(name), tmp_path / "a.mp4", shift_frames=-hidden))
    for number in (0, 39 - hidden, 20, 1, 11):
        assert number_in(decoder.frame(number)) == number + hidden
    decoder.close()


def damaged(path: Path, target: Path, *, packet_number: int) -> Path:
    """A copy of a video in which one packet has lost its data."""
    with av.open(str(path)) as container:
        packets = list(container.demux(video=0))
    position = packets[packet_number].pos
    assert position is not None
    data = bytearray(path.read_bytes())
    # The length in front of H.264 and HEVC data stays.
    data[position + 4 : position + packets[packet_number].size] = bytes(
        packets[packet_number].size - 4
    )
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("name", ["h264_mp4", "hevc_mp4", "mpeg4_mp4", "vp9_mp4"])
def test_damage_is_told_of_the_frames_that_it_spoils(
    sample: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    path = damaged(sample(name), tmp_path / f"a{sample(name).suffix}", packet_number=13)
    decoder = opened(path)
    for number in (*range(11), *range(24, 40), 3):  # 24 is the next key frame
        assert number_in(decoder.frame(number)) == number
    for number in range(15, 24):  # packet 13 holds frame 15 or one that it refers to
        with pytest.raises(VideoError) as caught:
            decoder.frame(number)
        assert str(caught.value) == (
            f"{path} is damaged: frame {number} of 40 cannot be decoded; "
            "copy it again from its source, or re-encode what is left of it"
        )
    decoder.close()


@pytest.mark.parametrize(
    ("name", "packet_number"), [("h264_mp4", 1), ("h264_mp4", 7), ("mpeg4_mp4", 27)]
)
def test_frames_that_are_given_are_unharmed(
    sample: Callable[[str], Path], tmp_path: Path, name: str, packet_number: int
) -> None:
    whole = opened(sample(name))
    part = opened(damaged(sample(name), tmp_path / "a.mp4", packet_number=packet_number))
    num_given = 0
    for number in range(40):
        expected = whole.frame(number).to_ndarray(format="rgb24")
        with suppress(VideoError):
            np.testing.assert_array_equal(part.frame(number).to_ndarray(format="rgb24"), expected)
            num_given += 1
    whole.close()
    part.close()
    assert 20 < num_given < 40


def test_container_that_seeks_too_early(sample: Callable[[str], Path], work: Counter[str]) -> None:
    decoder = opened(sample("wmv2_wmv"))
    work.clear()
    assert number_in(decoder.frame(13)) == 13
    assert work["keys"] == 1
    decoder.close()


def test_frame_that_is_shown_on(sample: Callable[[str], Path], tmp_path: Path) -> None:
    decoder = opened(drop_frame_20(sample("mjpeg_mov"), tmp_path / "a.mov"))
    numbers = [number_in(decoder.frame(number)) for number in range(39)]
    assert numbers == [*range(20), *range(21, 40)]
    decoder.close()


def test_damage_at_the_beginning(sample: Callable[[str], Path], tmp_path: Path) -> None:
    path = damaged(sample("mpeg4_mp4"), tmp_path / "a.mp4", packet_number=0)
    open_files = num_open_files()
    with pytest.raises(VideoError, match=r"a\.mp4 is damaged or cut short \(Invalid data found"):
        opened(path)
    assert num_open_files() == open_files


def test_threads_change_nothing(sample: Callable[[str], Path]) -> None:
    for name in ("h264_mp4", "vp9_webm", "mpeg4_b_avi"):
        one, three = opened(sample(name)), opened(sample(name), num_threads=3)
        for number in (39, 0, 20, 21, 22, 5):
            expected = one.frame(number).to_ndarray(format="rgb24")
            np.testing.assert_array_equal(three.frame(number).to_ndarray(format="rgb24"), expected)
        one.close()
        three.close()


def num_threads_running() -> int:
    listing = Path("/proc/self/task")
    if not listing.exists():
        pytest.skip("this system does not list the threads of a process in /proc")
    return sum(1 for _ in listing.iterdir())


@pytest.mark.parametrize("name", ["h264_mp4", "hevc_mp4", "vp9_webm", "av1_mp4", "mpeg4_mp4"])
def test_one_thread_is_one_thread(sample: Callable[[str], Path], name: str) -> None:
    before = num_threads_running()
    decoder = opened(sample(name))
    decoder.frame(30)
    assert num_threads_running() == before
    decoder.close()


def test_closed_file(sample: Callable[[str], Path]) -> None:
    open_files = num_open_files()
    decoder = opened(sample("h264_avi"))
    decoder.frame(3)
    decoder.close()
    decoder.close()
    assert num_open_files() == open_files
    with pytest.raises(VideoError, match="has been closed; read it inside its with block"):
        decoder.frame(3)
    assert num_open_files() == open_files
