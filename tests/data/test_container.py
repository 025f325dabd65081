import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame

from endofm.data.container import ffmpeg_errors, open_container, packets_of
from endofm.errors import VideoError
from tests.data.coded_video import drop_frame_20, num_open_files, write_frames


def refusal(path: Path) -> str:
    """What is said of a file that cannot be opened, after its name."""
    with pytest.raises(VideoError) as caught:
        open_container(path, num_threads=1)
    name, _, said = str(caught.value).partition(f"{path.name} ")
    assert name == f"{path.parent}/"
    return said


def test_what_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.mp4") == "does not exist; check the name and the data folder"
    assert refusal(tmp_path) == "is a folder, not a video file; name a file in it"
    os.mkfifo(tmp_path / "pipe.mp4")
    assert refusal(tmp_path / "pipe.mp4") == "is not a regular file; name a video file"


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    assert refusal(tmp_path / "a.mp4") == "is empty (0 bytes); copy it again from its source"


GARBAGE = {
    "noise": np.random.default_rng(0).bytes(20_000),
    "text": b"not a video\n" * 100,
    "play list": b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nb.mp4\n#EXT-X-ENDLIST\n",
    "concatenation": b"ffconcat version 1.0\nfile b.mp4\n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "one byte": b"a",
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=list(GARBAGE))
def test_what_is_no_video(
    tmp_path: Path,
    sample: Callable[[str], Path],
    data: bytes,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shutil.copy(sample("h264_mp4"), tmp_path / "b.mp4")  # for the play lists to find
    capfd.readouterr()
    (tmp_path / "a.mp4").write_bytes(data)
    assert refusal(tmp_path / "a.mp4") == (
        "is not a video, or is damaged from its start; copy it again from its source, or leave it "
        "out"
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["h264_mp4", "h264_mov"])
def test_index_that_is_missing(tmp_path: Path, sample: Callable[[str], Path], name: str) -> None:
    data = sample(name).read_bytes()
    (tmp_path / "a.mp4").write_bytes(data[: data.index(b"moov") - 4])
    assert refusal(tmp_path / "a.mp4") == (
        "has no usable index (moov): it was cut short or never finished; copy it again from its "
        "source, or repair it with a tool such as untrunc"
    )


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        assert isinstance(stream, AudioStream)
        silence = np.zeros((1, 1024), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert refusal(path) == "has no video stream, only audio; leave it out"


def test_unknown_codec(tmp_path: Path, sample: Callable[[str], Path]) -> None:
    data = sample("h264_mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    assert refusal(tmp_path / "a.mkv") == (
        "is coded in a way that FFmpeg does not know, or its header is damaged; copy it again from "
        "its source, or re-encode it"
    )


def test_absurd_size(tmp_path: Path) -> None:
    write_frames(tmp_path / "a.mov", [VideoFrame(16_400, 16, "rgb24")], codec="png")
    assert refusal(tmp_path / "a.mov") == (
        "claims frames of 16400 x 16 px; the longest side may be 16384 px; leave it out or scale "
        "it down"
    )


def test_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"data")

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(tmp_path / "a.mp4") == (
        "cannot be read: Permission denied; check its permissions and the disk"
    )


NAMES = [
    "with space.mp4",
    "two\nlines.mp4",
    "内視鏡.mp4",
    "a:b.mp4",
    "%03d.mp4",
    "-i.mp4",
    b"\xff.mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_may_hold_anything(
    tmp_path: Path,
    sample: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str | bytes,
) -> None:
    path = tmp_path / os.fsdecode(name)
    shutil.copy(sample("h264_mp4"), path)
    monkeypatch.chdir(tmp_path)
    container, stream = open_container(Path(path.name), num_threads=1)
    with container:
        assert stream.codec_context.width == 64


def test_metadata_in_another_encoding(tmp_path: Path, sample: Callable[[str], Path]) -> None:
    with av.open(str(sample("h264_mkv"))) as source:
        assert source.metadata["ENCODER"].startswith("Lavf")
    data = sample("h264_mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(data.replace(b"Lavf", b"L\xe9vf"))
    container, _ = open_container(tmp_path / "a.mkv", num_threads=1)
    container.close()


def test_refused_files_are_closed(tmp_path: Path, sample: Callable[[str], Path]) -> None:
    write_frames(tmp_path / "a.mov", [VideoFrame(16_400, 16, "rgb24")], codec="png")
    (tmp_path / "b.mp4").write_bytes(sample("h264_mp4").read_bytes()[:1000])
    open_files = num_open_files()
    refusal(tmp_path / "a.mov")
    refusal(tmp_path / "b.mp4")
    assert num_open_files() == open_files


def test_empty_packets_within_the_file_are_left_out(
    sample: Callable[[str], Path], tmp_path: Path
) -> None:
    path = drop_frame_20(sample("mjpeg_mov"), tmp_path / "a.mov")
    container, video = open_container(path, num_threads=1)
    with container:
        sizes = [packet.size for packet in packets_of(container, video)]
    assert len(sizes) == 40
    assert sizes[-1] == 0
    assert min(sizes[:-1]) > 0


def test_errors_of_ffmpeg_become_errors_of_the_file() -> None:
    with (
        pytest.raises(VideoError, match=r"a\.mp4 is damaged or cut short \(Invalid data found"),
        ffmpeg_errors(Path("a.mp4")),
    ):
        raise av.InvalidDataError(-1094995529, "Invalid data found when processing input")


def test_times_are_not_invented(sample: Callable[[str], Path]) -> None:
    container, stream = open_container(sample("h264_avi"), num_threads=1)
    with container:
        assert {packet.pts for packet in container.demux(stream)} == {None}
    assert Fraction(1, 25) == stream.time_base
