"""Leaving out H.264 pictures that no other refers to changes no picture that is given."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from endofm.data import h264
from endofm.data.decoder import FrameDecoder
from endofm.errors import VideoError
from tests.data.coded_video import copy_packets, write_frames

NUM_FRAMES = 48
GROUPS = "keyint=24:scenecut=0:b-adapt=0"
MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Kind:
    """A way of coding a video."""

    x264: str = ""
    suffix: str = ".mp4"
    codec: str = "libx264"
    codec_options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    pixel_format: str = "yuv420p"
    is_rate_constant: bool = True


LEFT_OUT = {
    "pyramid": Kind("bframes=3"),
    "matroska": Kind("bframes=3", ".mkv"),
    "quicktime": Kind("bframes=3", ".mov"),
    "no pyramid": Kind("bframes=3:b-pyramid=none"),
    "strict pyramid": Kind("bframes=5:b-pyramid=strict"),
    "16 B-frames": Kind("bframes=16"),
    "open groups": Kind("bframes=4:open-gop=1"),
    "many references": Kind("bframes=3:ref=16:weightp=2:direct=temporal"),
    "intra refresh": Kind("bframes=3:intra-refresh=1"),
    "slices": Kind("bframes=3:slices=3"),
    "delimiters": Kind("bframes=3:aud=1:pic-struct=1"),
    "no CABAC": Kind("bframes=3:cabac=0"),
    "10 bit": Kind("bframes=3", pixel_format="yuv420p10le"),
    "fragmented": Kind("bframes=3", container_options={"movflags": "frag_keyframe+empty_moov"}),
    "negative offsets": Kind("bframes=5", container_options={"movflags": "negative_cts_offsets"}),
    "variable rate": Kind("bframes=3", is_rate_constant=False),
    "variable rate in Matroska": Kind("bframes=5", ".mkv", is_rate_constant=False),
}
KEPT = {
    "no B-frames": Kind("bframes=0"),
    "constrained baseline": Kind(codec_options={"profile": "baseline"}),
    "interlaced": Kind("bframes=3", codec_options={"flags": "+ildct+ilme"}),
    "MPEG-TS": Kind("bframes=3", ".ts"),
    "AVI": Kind("bframes=3", ".avi"),
    "MPEG-4": Kind(
        codec="mpeg4", codec_options={"bf": "2", "g": "24", "sc_threshold": "1000000000"}
    ),
    "HEVC": Kind(
        codec="libx265", codec_options={"x265-params": "log-level=none:keyint=24:bframes=3"}
    ),
    "VP9": Kind(suffix=".webm", codec="libvpx-vp9", codec_options={"g": "24", "cpu-used": "8"}),
}


def moving_texture() -> Iterator[NDArray[np.uint8]]:
    """Pictures that change in every way that a picture can refer to another for."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (40, 60, 3)).repeat(3, axis=0).repeat(3, axis=1)
    for number in range(NUM_FRAMES):
        row, column = int(9 + 9 * np.sin(number / 5)), 2 * number
        brightness = 0.7 + 0.3 * np.cos(number / 7)
        noisy = brightness * texture[row : row + 48, column : column + 64]
        yield (noisy + rng.normal(0, 4, (48, 64, 1))).clip(0, 255).astype(np.uint8)


def write(path: Path, kind: Kind) -> None:
    times_ms = np.random.default_rng(1).integers(10, 90, NUM_FRAMES).cumsum().tolist()

    def prepare(stream: VideoStream) -> None:
        if not kind.is_rate_constant:
            stream.codec_context.time_base = MILLISECOND

    frames = []
    for picture, time_ms in zip(moving_texture(), times_ms, strict=True):
        frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=kind.pixel_format)
        if not kind.is_rate_constant:
            frame.pts, frame.time_base = time_ms, MILLISECOND
        frames.append(frame)
    x264 = {"x264-params": f"{GROUPS}:{kind.x264}"} if kind.codec == "libx264" else {}
    write_frames(
        path,
        frames,
        codec=kind.codec,
        codec_options=x264 | kind.codec_options,
        container_options=kind.container_options,
        prepare=prepare,
    )


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``coded("slices")`` is the path of that kind of video; do not change it."""
    folder = tmp_path_factory.mktemp("kinds")

    @cache
    def path_of(name: str) -> Path:
        kind = (LEFT_OUT | KEPT)[name]
        path = folder / f"{name.replace(' ', '-')}{kind.suffix}"
        write(path, kind)
        return path

    return path_of


def in_order(path: Path) -> list[NDArray[Any]]:
    """All frames by plain decoding."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def check_many_orders(
    path: Path, expected: Sequence[NDArray[Any]], *, num_threads: int = 1
) -> None:
    rng = np.random.default_rng(2)
    num_frames = len(expected)
    orders = [list(range(first, num_frames, 5)) for first in range(5)]
    orders += [list(range(first, num_frames, 2)) for first in range(2)]
    orders.append(rng.permutation(num_frames).tolist())
    for num_asked in (1, 1, 2, 2, 5):
        orders.append(sorted(rng.choice(num_frames, num_asked, replace=False).tolist()))
    for order in orders:
        decoder = FrameDecoder(path, num_threads=num_threads)
        assert len(decoder.index.times_s) == num_frames
        for number in order:
            assert (decoder.frame(number).to_ndarray() == expected[number]).all(), number
        decoder.close()


@pytest.mark.parametrize("name", LEFT_OUT | KEPT)
def test_frames_are_those_of_plain_decoding(coded: Callable[[str], Path], name: str) -> None:
    check_many_orders(coded(name), in_order(coded(name)))


@pytest.mark.parametrize("name", ["pyramid", "open groups"])
def test_several_threads(coded: Callable[[str], Path], name: str) -> None:
    check_many_orders(coded(name), in_order(coded(name)), num_threads=3)


@pytest.mark.parametrize("name", ["pyramid", "open groups", "16 B-frames"])
@pytest.mark.parametrize("hidden", [1, 6, 27])
def test_frames_that_an_edit_list_hides(
    coded: Callable[[str], Path], tmp_path: Path, name: str, hidden: int
) -> None:
    path = copy_packets(coded(name), tmp_path / "a.mp4", shift_frames=-hidden)
    check_many_orders(path, in_order(coded(name))[hidden:])


def numbers_decoded(monkeypatch: pytest.MonkeyPatch, path: Path, *, until: int) -> list[int]:
    """The frames that come out of FFmpeg on the way from frame 0 to another."""
    numbers = []
    decode = FrameDecoder._decode_packets

    def noting(decoder: FrameDecoder) -> Iterator[VideoFrame]:
        for counted, frame in enumerate(decode(decoder)):
            numbers.append(decoder._number(frame, counted))
            yield frame

    monkeypatch.setattr(FrameDecoder, "_decode_packets", noting)
    decoder = FrameDecoder(path, num_threads=1)
    decoder.frame(0)
    decoder.frame(until)
    decoder.close()
    return numbers


@pytest.mark.parametrize(
    ("name", "referenced"),
    [
        ("no pyramid", [0, 4, 8, 12, 16]),
        ("pyramid", [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]),
        ("16 B-frames", [0, 8, 17]),
    ],
)
def test_what_nothing_refers_to_is_not_decoded(
    coded: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    referenced: Sequence[int],
) -> None:
    decoded = numbers_decoded(monkeypatch, coded(name), until=19)
    assert decoded == [*referenced, 19]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_less_is_decoded(
    coded: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert len(numbers_decoded(monkeypatch, coded(name), until=22)) <= 17


@pytest.mark.parametrize("name", KEPT)
def test_all_is_decoded_where_packets_do_not_tell(
    coded: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name not in ("no B-frames", "constrained baseline"):  # these tell that there is nothing
        monkeypatch.setattr(h264, "is_unreferenced", lambda packet, length_size: True)
    decoded = numbers_decoded(monkeypatch, coded(name), until=22)
    assert [number for number in decoded if number <= 22] == list(range(23))


def with_damage(path: Path, target: Path, *, packet_number: int) -> Path:
    """A copy of a video in which a packet has only its first length and the byte after it left."""
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[packet_number]
    assert packet.pos is not None
    data = bytearray(path.read_bytes())
    data[packet.pos + 5 : packet.pos + packet.size] = bytes(packet.size - 5)
    target.write_bytes(data)
    return target


def test_damage_to_a_frame_without_references_spoils_no_other(
    coded: Callable[[str], Path], tmp_path: Path
) -> None:
    expected = in_order(coded("no pyramid"))
    path = with_damage(coded("no pyramid"), tmp_path / "a.mp4", packet_number=2)  # frame 1
    decoder = FrameDecoder(path, num_threads=1)
    for number in (22, 4, 40, 8, 4):
        np.testing.assert_array_equal(decoder.frame(number).to_ndarray(), expected[number])
        with pytest.raises(VideoError, match=r"a\.mp4 is damaged: frame 1 of 48"):
            decoder.frame(1)
    decoder.close()


@pytest.mark.parametrize("name", ["pyramid", "slices"])
def test_what_is_given_of_a_damaged_file_is_unharmed(
    coded: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    expected = in_order(coded(name))
    rng = np.random.default_rng(3)
    num_refused = 0
    for packet_number in range(1, NUM_FRAMES, 3):
        path = with_damage(coded(name), tmp_path / "a.mp4", packet_number=packet_number)
        decoder = FrameDecoder(path, num_threads=1)
        for number in rng.permutation(NUM_FRAMES)[:8].tolist():
            try:
                given = decoder.frame(number).to_ndarray()
            except VideoError:
                num_refused += 1
            else:
                np.testing.assert_array_equal(given, expected[number])
        decoder.close()
    assert num_refused > 10


def test_beginning_of_the_file_is_always_right(
    coded: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = in_order(coded("pyramid"))
    monkeypatch.setattr(h264, "is_unreferenced", lambda packet, length_size: True)
    decoder = FrameDecoder(coded("pyramid"), num_threads=1)
    for number in (40, 26, 45):  # their key frame is left out
        np.testing.assert_array_equal(decoder.frame(number).to_ndarray(), expected[number])
    decoder.close()
