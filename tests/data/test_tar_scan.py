import io
import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from endofm.data.shard_index import INDEX
from endofm.data.shards import StoredClips, open_store
from endofm.data.tar_scan import index_shards
from endofm.errors import DataError
from tests.data.clip_stores import find, pack, write_videos


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp("scan"))


@pytest.fixture(scope="module")
def video_bytes(videos: Path) -> bytes:
    return (videos / "a.mp4").read_bytes()


def file_member(name: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, data


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def write_tar(path: Path, members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as shard:
        for member, data in members:
            shard.addfile(member, io.BytesIO(data))
    return path


def test_shards_of_others_become_a_store(tmp_path: Path, video_bytes: bytes) -> None:
    about = json.dumps({"label": "polyp", "group": "p1", "split": 3, "fps": 1}).encode()
    long_name = "deep/" * 30 + "Ж.mp4"
    write_tar(
        tmp_path / "x-10.tar", [file_member(long_name, video_bytes), file_member("bad.mp4", b"no")]
    )
    write_tar(
        tmp_path / "x-2.tar",
        [
            special("sub", tarfile.DIRTYPE),
            file_member("sub/a.json", about),
            file_member("sub/a.front.MP4", video_bytes),
            file_member("sub/a.cls", b"1"),
            file_member("b.json", b"[1, 2]"),
            file_member("b.mp4", video_bytes),
            file_member("c.json", b"{broken"),
            file_member("c.mp4", video_bytes),
        ],
    )
    found = index_shards(tmp_path)
    assert list(found.index.shards) == ["x-2.tar", "x-10.tar"]
    names = [Path("sub/a.front.MP4"), Path("b.mp4"), Path(long_name)]
    assert [found.index.video(n).path for n in range(len(found.index))] == names
    first = found.index.video(0)
    assert (first.label, first.group, first.split) == ("polyp", "p1", "3")
    assert (first.num_frames, first.fps, first.height, first.width) == (40, 25.0, 48, 64)
    assert found.index.video(1).label == ""
    assert [str(item.path.name) for item in found.skipped] == ["c.mp4", "bad.mp4"]
    assert "x-2.tar: c.json is not JSON" in found.skipped[0].reason
    assert "x-10.tar: bad.mp4 is not a video" in found.skipped[1].reason
    found.index.write(tmp_path / INDEX)
    for clip in StoredClips(open_store(str(tmp_path)), clip_frames=150, target_fps=25.0):
        assert clip.stored is not None
        assert clip.stored.read() == video_bytes


def test_a_name_that_stands_twice_is_refused(tmp_path: Path, video_bytes: bytes) -> None:
    one = file_member("a.mp4", video_bytes)
    write_tar(tmp_path / "x.tar", [one, file_member("a.json", b"{}"), one])
    with pytest.raises(DataError, match=r"x.tar: holds 'a.mp4' twice"):
        index_shards(tmp_path)


def test_our_own_shards_are_indexed_as_when_they_were_packed(videos: Path, tmp_path: Path) -> None:
    packed = pack(videos, tmp_path)
    found = index_shards(tmp_path).index
    assert len(found) == len(find(videos))
    for number in range(len(found)):
        one, other = packed.video(number), found.video(number)
        assert vars(one) | {"path": other.path} == vars(other)
        assert packed.stored_bytes(number, address="x") == found.stored_bytes(number, address="x")


UNSAFE = [
    (special("a.mp4", tarfile.SYMTYPE, "/etc/passwd"), "is a link or a special file"),
    (special("a.mp4", tarfile.LNKTYPE, "b.mp4"), "is a link or a special file"),
    (special("a", tarfile.FIFOTYPE), "is a link or a special file"),
    (special("a", tarfile.CHRTYPE), "is a link or a special file"),
    (file_member("../a.mp4", b"x"), "leads out of the shard"),
    (file_member("a/../../b.mp4", b"x"), "leads out of the shard"),
    (file_member("/a.mp4", b"x"), "leads out of the shard"),
]


@pytest.mark.parametrize(("member", "told"), UNSAFE)
def test_what_a_shard_has_no_need_for_is_refused(
    tmp_path: Path, member: tuple[tarfile.TarInfo, bytes], told: str, video_bytes: bytes
) -> None:
    path = write_tar(tmp_path / "a.tar", [file_member("v.mp4", video_bytes), member])
    with pytest.raises(DataError) as caught:
        index_shards(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)


def test_sizes_that_cannot_be_true(tmp_path: Path, video_bytes: bytes) -> None:
    member, _ = file_member("a.mp4", b"")
    for size in (2**40, 2**62, len(video_bytes) + 5000, -512, -(2**40)):
        member.size = size
        (tmp_path / "a.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + video_bytes)
        with pytest.raises(DataError) as caught:
            index_shards(tmp_path)
        assert str(caught.value).startswith(f"{tmp_path}/a.tar: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"no tar" * 200, b"\x1f\x8b" + bytes(1000), bytes(10_240)])
def test_what_is_no_shard(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(DataError) as caught:
        index_shards(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_names_that_an_address_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no shard \(\.tar\)"):
        index_shards(tmp_path)
    write_tar(tmp_path / "a b?.tar", [])
    with pytest.raises(DataError, match="has a name that an address cannot hold"):
        index_shards(tmp_path)


def test_no_video_behind_a_damaged_header_is_lost_unseen(
    video_bytes: bytes, tmp_path: Path
) -> None:
    members = [file_member(name, video_bytes) for name in ("a.mp4", "b.mp4")]
    shard = write_tar(tmp_path / "s.tar", members)
    data = bytearray(shard.read_bytes())
    data[512 + len(video_bytes) + -len(video_bytes) % 512] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match="bad checksum"):
        index_shards(tmp_path)


def test_half_a_character_in_a_label_does_not_stop_the_index(
    video_bytes: bytes, tmp_path: Path
) -> None:
    about = file_member("a.json", b'{"label": "\\ud800x"}')
    write_tar(tmp_path / "s.tar", [file_member("a.mp4", video_bytes), about])
    assert index_shards(tmp_path).index.video(0).label == "?x"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s.tar")
    with pytest.raises(DataError, match="not a regular file"):
        index_shards(tmp_path)
