import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from endofm.data.clip_list import Video
from endofm.data.datasets import reading
from endofm.data.manifests import split_into_clips
from endofm.data.shard_index import INDEX, PackedVideo, ShardIndex
from endofm.data.shards import ClipStore, JoinedClips, StoredClips, is_store, open_store
from endofm.errors import DataError
from tests.data.clip_stores import find, pack, served, write_videos

MOST_MB = 200


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return write_videos(tmp_path)


def stored_clips(address: str) -> StoredClips:
    return StoredClips(open_store(address), clip_frames=15, target_fps=30.0)


def test_the_clips_of_a_store_are_those_of_its_folder(videos: Path, tmp_path: Path) -> None:
    pack(videos, tmp_path / "store")
    clips = [clip for video in find(videos) for clip in split_into_clips(video, clip_frames=15)]
    stored = stored_clips(str(tmp_path / "store"))
    assert len(stored) == len(clips)
    for number, clip in enumerate(clips):
        found = stored[number]
        assert (found.start_frame, found.num_frames, found.fps) == (
            clip.start_frame,
            clip.num_frames,
            clip.fps,
        )
        assert found.path == clip.path.relative_to(videos)
    assert [clip.path for clip in stored[-3:]] == [stored[n].path for n in range(len(clips))][-3:]
    with pytest.raises(IndexError):
        stored[len(clips)]


@pytest.mark.parametrize("is_remote", [False, True])
def test_frames_from_a_store_are_those_from_its_folder(
    videos: Path, tmp_path: Path, *, is_remote: bool
) -> None:
    pack(videos, tmp_path / "store")
    files = [clip for video in find(videos) for clip in split_into_clips(video, clip_frames=15)]
    with served(tmp_path / "store") as url:
        stored = stored_clips(url if is_remote else str(tmp_path / "store"))
        for number in (0, 5, len(files) - 1):
            with reading(stored[number]) as one, reading(files[number]) as other:
                assert np.array_equal(one([0, 7, 14]), other([0, 7, 14]))


def test_a_slow_video_keeps_its_own_rate_in_a_store_too(tmp_path: Path) -> None:
    slow = Video(Path("a.mp4"), 400, 1.0, 8, 9)
    fast = Video(Path("b.mp4"), 400, 25.0, 8, 9, start_s=1.0, end_s=9.0)
    packed = [PackedVideo(video, 0, 512, 10, 0) for video in (slow, fast, slow)]
    index = ShardIndex.of(["s.tar"], [10_240], packed)
    store = ClipStore(str(tmp_path), index, "")
    clips = [clip for item in packed for clip in split_into_clips(item.video)]
    found = StoredClips(store, clip_frames=150, target_fps=30.0)
    assert [(clip.num_frames, clip.fps) for clip in found] == [
        (clip.num_frames, clip.fps) for clip in clips
    ]


def test_several_sequences_are_one(videos: Path, tmp_path: Path) -> None:
    pack(videos, tmp_path / "store")
    stored = stored_clips(str(tmp_path / "store"))
    joined = JoinedClips([stored, [], list(stored)])
    assert len(joined) == 2 * len(stored)
    assert joined[len(stored)] == stored[0]
    assert joined[-1] == stored[-1]


def test_a_million_videos_take_little_memory() -> None:
    count = 1_000_000
    few = [
        PackedVideo(
            Video(
                Path(f"clips/case_{number:07d}/{number % 97:04d}.mp4"),
                150,
                30.0,
                256,
                340,
                label="polyp",
                split="train",
                group=f"case_{number:07d}",
            ),
            0,
            512,
            10,
            7,
        )
        for number in range(count // 100)
    ]
    index = ShardIndex.of(["shard-000000.tar"], [1], few)
    assert index.num_bytes * 100 < MOST_MB * 1e6


@pytest.mark.parametrize("harm", ["no shard", "short shard", "no index", "short index", "foreign"])
def test_a_damaged_store_is_one_line(harm: str, videos: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    pack(videos, store)
    shard = min(store.glob("*.tar"))
    index = store / INDEX
    if harm == "no shard":
        shard.unlink()
    elif harm == "short shard":
        shard.write_bytes(shard.read_bytes()[:-512])
    elif harm == "no index":
        index.unlink()
    elif harm == "short index":
        index.write_bytes(index.read_bytes()[:-20])
    else:
        index.write_bytes(b"\x10\0\0\0\0\0\0\0" + b'{"a": "b"}      ' + bytes(99))

    def use() -> None:
        assert is_store(str(store))
        open_store(str(store))

    with pytest.raises(DataError) as caught:
        use()
    assert "\n" not in str(caught.value)
    assert str(store) in str(caught.value)


def test_a_byte_that_changed_in_a_shard_is_found(videos: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    index = pack(videos, store)
    where = int(index.numbers["offset"][0]) + int(index.numbers["size"][0]) // 2
    shard = store / index.shards[0]
    data = bytearray(shard.read_bytes())
    data[where] ^= 1
    shard.write_bytes(data)
    stored = stored_clips(str(store))[0].stored
    assert stored is not None
    with pytest.raises(DataError):
        stored.read()


def test_a_store_may_be_moved(videos: Path, tmp_path: Path) -> None:
    pack(videos, tmp_path / "store")
    shutil.move(tmp_path / "store", tmp_path / "moved")
    shutil.rmtree(videos)
    stored = stored_clips(str(tmp_path / "moved"))
    assert stored[0].stored is not None
    assert math.isfinite(float(np.mean(list(stored[0].stored.read()))))
