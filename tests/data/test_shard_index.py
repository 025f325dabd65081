import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from endofm.data.clip_list import Video
from endofm.data.shard_index import INDEX, PackedVideo, ShardIndex, read_index
from endofm.data.shards import ClipStore, StoredClips
from endofm.data.text_columns import Categories, Texts
from endofm.errors import DataError

METADATA = {"format": "endofm-shards-1"}


@pytest.fixture
def index() -> ShardIndex:
    first = Video(Path("a b.mp4"), 40, 25.0, 48, 64, label="polyp", start_s=0.2, end_s=1.6)
    second = Video(Path("\udcff/Ж.avi"), 7, 30_000 / 1001, 1080, 1920, group="p1")
    packed = [PackedVideo(first, 0, 512, 100, 2**32 - 1), PackedVideo(second, 1, 1024, 90, 5)]
    return ShardIndex.of(["a.tar", "b.tar"], [10_240, 2**40], packed)


def test_an_index_comes_back(index: ShardIndex, tmp_path: Path) -> None:
    path = tmp_path / INDEX
    index.write(path)
    read = read_index(path, called="x")
    for number in range(2):
        assert read.video(number) == index.video(number)
        assert read.stored_bytes(number, address="s3://b/") == index.stored_bytes(
            number, address="s3://b"
        )
    assert read.video(0).end_s == 1.6
    assert read.video(1).path == Path("\udcff/Ж.avi")
    assert read.video(1).fps == 30_000 / 1001
    assert read.stored_bytes(1, address="s3://b").address == "s3://b/b.tar"
    data = path.read_bytes()
    read.write(path)
    assert path.read_bytes() == data


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_index(path, called="STORE")
    told = str(caught.value)
    assert told.startswith("STORE: is ")
    assert "\n" not in told
    return told


WRONG: list[tuple[str, Any, str]] = [
    ("offset", np.array([512], np.uint64), "its columns differ in length"),
    ("label.codes", np.array([0], np.uint32), "its columns differ in length"),
    ("label.codes", np.array([0, 9], np.uint32), "its texts do not end where it says"),
    ("names.ends", np.array([9, 2], np.uint64), "its texts do not end where it says"),
    ("offset", np.array([512], np.uint32), "column offset is uint32"),
    ("shard_sizes", np.array([10_240], np.uint64), "not the size of each shard"),
    ("shard", np.array([0, 2], np.uint32), "a video lies in a shard that is not listed"),
    ("offset", np.array([10_200, 1024], np.uint64), "a video lies outside its shard"),
    ("offset", np.array([2**64 - 1, 1024], np.uint64), "a video lies outside its shard"),
    ("size", np.array([2**64 - 1, 90], np.uint64), "a video lies outside its shard"),
    ("size", np.array([0, 90], np.uint64), "a video lies outside its shard"),
    ("fps", np.array([25, np.nan]), "a frame rate is not above 0"),
    ("fps", np.array([25, -1.0]), "a frame rate is not above 0"),
    ("fps", np.array([25, 1e-323]), "a frame rate is not above 0"),
    ("num_frames", np.array([40, 0], np.uint32), "a video has no frames"),
    ("end_s", np.array([1.7, np.nan]), "a part of a video lies outside it"),
    ("start_s", np.array([1.6, np.nan]), "a part of a video lies outside it"),
    ("crc32", None, "crc32"),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_contradicts_itself_is_refused(
    index: ShardIndex, tmp_path: Path, wrong: tuple[str, Any, str]
) -> None:
    name, column, told = wrong
    path = tmp_path / INDEX
    index.write(path)
    columns = load_file(path)
    columns[name] = column
    if column is None:
        del columns[name]
    save_file(columns, path, metadata=METADATA)
    assert told in refusal(path)


@pytest.mark.parametrize("name", ["../a.tar", "/a.tar", "a", "b.tar", "x?.tar", "a.tar\n", ".tar"])
def test_a_shard_cannot_lead_elsewhere(index: ShardIndex, tmp_path: Path, name: str) -> None:
    replace(index, shards=Texts.of([name, "b.tar"])).write(tmp_path / INDEX)
    assert "a shard has no proper name" in refusal(tmp_path / INDEX)


def test_damage_is_one_line(index: ShardIndex, tmp_path: Path) -> None:
    path = tmp_path / INDEX
    index.write(path)
    data = path.read_bytes()
    for damaged in (data[:-1], data[:20], b"", b"\xff" * 8 + data[8:], data + b"x"):
        path.write_bytes(damaged)
        assert "damaged" in refusal(path)
    exotic = data.replace(b'"dtype":"F64","shape":[2]', b'"dtype":"F8_E4M3","shape":[16]', 1)
    grown = int.from_bytes(data[:8], "little") + len(exotic) - len(data)
    path.write_bytes(grown.to_bytes(8, "little") + exotic[8:])
    assert "damaged" in refusal(path)
    save_file({}, path, metadata={"format": "endofm-shards-2"})
    assert "no index of a clip store that this version reads" in refusal(path)


def test_an_empty_index_is_refused(tmp_path: Path) -> None:
    ShardIndex.of([], [], []).write(tmp_path / INDEX)
    assert "it lists no videos" in refusal(tmp_path / INDEX)


def million() -> ShardIndex:
    """A million videos of 0.9 MB in a thousand shards, with paths of 49 bytes."""
    num_videos, num_shards = 1_000_000, 1000
    number = np.arange(num_videos)
    ends = np.arange(1, num_videos + 1, dtype=np.uint64) * 49
    names = b"".join(b"hospital-07/examination-%08d/clip-%07d.mp4" % (k // 99, k) for k in number)
    assert len(names) == int(ends[-1])
    whole = np.full(num_videos, np.nan)
    return ShardIndex(
        shards=Texts.of(f"shard-{k:06}.tar" for k in range(num_shards)),
        shard_sizes=np.full(num_shards, 10**9, np.uint64),
        names=Texts(np.frombuffer(names, np.uint8), ends),
        numbers={
            "shard": (number // 1000).astype(np.uint32),
            "offset": (number % 1000 * 1_000_000 + 512).astype(np.uint64),
            "size": np.full(num_videos, 900_000, np.uint64),
            "crc32": np.zeros(num_videos, np.uint32),
            "num_frames": np.full(num_videos, 150, np.uint32),
            "fps": np.full(num_videos, 30.0),
            "height": np.full(num_videos, 256, np.uint16),
            "width": np.full(num_videos, 340, np.uint16),
            "start_s": whole,
            "end_s": whole,
        },
        texts={
            "label": Categories(Texts.of(["a", "b"]), (number % 2).astype(np.uint32)),
            "split": Categories(Texts.of(["train"]), np.zeros(num_videos, np.uint32)),
            "group": Categories(
                Texts.of(f"patient-{k:06}" for k in range(10_000)),
                (number // 100).astype(np.uint32),
            ),
        },
    )


def test_a_million_clips_take_less_than_200_mb(tmp_path: Path) -> None:
    path = tmp_path / INDEX
    million().write(path)
    tracemalloc.start()
    try:
        index = read_index(path, called="x")
        clips = StoredClips(ClipStore("s3://b", index, ""), clip_frames=150, target_fps=30.0)
        kept_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(clips) == 1_000_000
    assert clips[987_654].path.name == "clip-0987654.mp4"
    assert kept_bytes >= index.num_bytes > 100e6
    assert kept_bytes < 150e6
    assert peak_bytes < 200e6
