import gc
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from endofm.data import shard_writer
from endofm.data.clip_list import write_clip_list
from endofm.data.manifests import Video, scan
from endofm.data.shard_index import INDEX
from endofm.data.shard_writer import pack_videos
from endofm.errors import DataError
from tests.data.clip_stores import SHARD_BYTES, find, pack, write_videos


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp("pack"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_each_video_comes_back_with_all_that_is_known_of_it(videos: Path, tmp_path: Path) -> None:
    index = pack(videos, tmp_path / "store")
    found = find(videos)
    assert len(index) == len(found) == 8
    assert len(index.shards) > 2
    for number, video in enumerate(found):
        packed = index.video(number)
        assert packed.path == video.path.relative_to(videos)
        assert vars(packed) == vars(video) | {"path": packed.path}
        stored = index.stored_bytes(number, address=str(tmp_path / "store"))
        assert stored.read() == video.path.read_bytes()


def test_a_shard_is_a_plain_tar_of_videos_and_json(videos: Path, tmp_path: Path) -> None:
    index = pack(videos, tmp_path / "store")
    members: list[tuple[str, bytes]] = []
    for name, size in zip(index.shards, index.shard_sizes, strict=True):
        path = tmp_path / "store" / name
        assert path.stat().st_size == size <= SHARD_BYTES
        with tarfile.open(path) as shard:
            for member in shard:
                assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
                file = shard.extractfile(member)
                assert file is not None
                members.append((member.name, file.read()))
    for number, video in enumerate(find(videos)):
        (name, data), (json_name, facts) = members[2 * number : 2 * number + 2]
        assert (name, json_name) == (f"{number:09}{video.path.suffix}", f"{number:09}.json")
        assert data == video.path.read_bytes()
        assert json.loads(facts)["path"] == video.path.relative_to(videos).as_posix()
        assert json.loads(facts)["num_frames"] == 40


# The library leaves its files open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_webdataset_reads_a_shard(videos: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    index = pack(videos, tmp_path / "store")
    urls = [str(tmp_path / "store" / name) for name in index.shards]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode())
    gc.collect()  # here, where its warnings are passed over
    assert len(samples) == 8
    for number, (sample, video) in enumerate(zip(samples, find(videos), strict=True)):
        assert sample["__key__"] == f"{number:09}"
        assert sample[video.path.suffix[1:]] == video.path.read_bytes()
        assert sample["json"]["path"] == video.path.relative_to(videos).as_posix()


def test_the_same_videos_give_the_same_bytes(videos: Path, tmp_path: Path) -> None:
    pack(videos, tmp_path / "one")
    for path in find(videos):
        os.utime(path.path, (1e9, 1e9))
    pack(videos, tmp_path / "two")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert {p.suffix for p in (tmp_path / "one").iterdir()} == {".tar", ".safetensors"}


def test_a_clip_list_keeps_what_it_says(videos: Path, tmp_path: Path) -> None:
    first, second = find(videos)[:2]
    facts = {"label": "polyp", "split": "train", "group": "Ä", "start_s": 0.2, "end_s": 1.0}
    listed = [Video(**{**vars(first), **facts}), second]
    write_clip_list(videos / "some.csv", listed)
    found = scan([videos / "some.csv"], min_frames=1).videos
    (videos / "some.csv").unlink()
    index = pack_videos(found, tmp_path / "store", root=videos)
    for number, video in enumerate(listed):
        assert index.video(number) == Video(
            **{**vars(video), "path": video.path.relative_to(videos)}
        )


def break_off(monkeypatch: pytest.MonkeyPatch, error: BaseException, *, after: int) -> None:
    """Let packing fail while it copies the video after so many."""
    original = shard_writer._copy
    copied: list[shard_writer._Member] = []

    def copy(member: shard_writer._Member, file: object) -> int:
        if len(copied) == after:
            raise error
        copied.append(member)
        return original(member, file)  # type: ignore[arg-type]  # the same file

    monkeypatch.setattr(shard_writer, "_copy", copy)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interruption_keeps_finished_shards_and_goes_on(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    pack(videos, tmp_path / "whole")
    to = tmp_path / "store"
    with monkeypatch.context() as patch:
        break_off(patch, error, after=5)
        with pytest.raises(type(error)):
            pack(videos, to)
    kept = sorted(to.glob("*.tar"))
    assert [path.read_bytes() for path in kept] == [
        (tmp_path / "whole" / path.name).read_bytes() for path in kept
    ]
    assert kept
    assert not (to / INDEX).exists()
    assert not list(to.glob("*.part*"))
    (to / ".shard-000009.1.part.tar").write_bytes(b"left by a kill")
    times = [path.stat().st_mtime_ns for path in kept]
    pack(videos, to)
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert files_of(to) == files_of(tmp_path / "whole")


DAMAGES: list[Callable[[bytes], bytes]] = [
    lambda data: data[:-512],
    lambda data: b"x" + data[1:],
    lambda data: data.replace(b'"num_frames": 40', b'"num_frames": 41', 1),
    lambda data: data.replace(b'"crc32": "', b'"crc32": "x', 1)[: len(data)],
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_finished_shard_that_is_damaged_is_written_anew(
    videos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[bytes], bytes],
) -> None:
    pack(videos, tmp_path / "whole")
    to = tmp_path / "store"
    with monkeypatch.context() as patch:
        break_off(patch, KeyboardInterrupt(), after=5)
        with pytest.raises(KeyboardInterrupt):
            pack(videos, to)
    shard = to / "shard-000000.tar"
    shard.write_bytes(damage(shard.read_bytes()))
    pack(videos, to)
    assert files_of(to) == files_of(tmp_path / "whole")


def refusal(videos: list[Video], to: Path, root: Path, shard_bytes: int = SHARD_BYTES) -> str:
    with pytest.raises(DataError) as caught:
        pack_videos(videos, to, root=root, shard_bytes=shard_bytes)
    return str(caught.value)


def test_what_cannot_be_packed(videos: Path, tmp_path: Path) -> None:
    found = list(find(videos))
    to = tmp_path / "store"
    (tmp_path / "frames").mkdir()
    folder = Video(tmp_path / "frames", 2, 25.0, 8, 8)
    assert "is a folder of frames, and shards hold video files; make videos" in refusal(
        [folder], to, tmp_path
    )
    assert "MB, more than the 0.001 MB allowed; cut it into clips, or" in refusal(
        found, to, videos, 1000
    )
    assert not to.exists()


def test_a_video_that_changes_meanwhile(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find(videos)
    original = shard_writer._member

    def shorter(*args: object, **options: object) -> shard_writer._Member:
        member = original(*args, **options)  # type: ignore[arg-type]  # as they come
        return replace(member, size=member.size - 1)

    monkeypatch.setattr(shard_writer, "_member", shorter)
    told = refusal(list(found), tmp_path / "store", videos)
    assert told.startswith(f"{found[0].path}: has changed while it was packed")
    assert not list((tmp_path / "store").glob("*.tar"))


def test_a_full_disk_is_told_before(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    told = refusal(list(find(videos)), tmp_path / "store", videos)
    assert "0 MB free, but the shards need" in told
