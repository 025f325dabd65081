from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from endofm.batch import ViewBatch
from endofm.data.clip_list import Video
from endofm.data.datasets import ViewDataset, reading
from endofm.data.loaders import StartMethod, StepSampler, make_loader
from endofm.data.manifests import Clip, split_into_clips, whole_clip
from endofm.data.shard_index import INDEX, PackedVideo, ShardIndex
from endofm.data.shards import (
    ClipStore,
    JoinedClips,
    StoredClips,
    is_store,
    open_store,
    skipped_videos,
)
from endofm.data.views import ViewSettings
from endofm.errors import DataError, VideoError
from tests.data.clip_stores import find, pack, served, write_videos

SETTINGS = ViewSettings(global_frames=(2, 3), local_frames=(2,), global_size_px=24, local_size_px=8)
CLIP_FRAMES = 12


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def store(videos: Path) -> Path:
    pack(videos, videos.parent / "store")
    return videos.parent / "store"


@pytest.fixture(params=["disk", "memory", "http"])
def address(request: pytest.FixtureRequest, store: Path) -> Iterator[str]:
    """The store, near or far."""
    with ExitStack() as stack:
        if request.param == "disk":
            yield str(store)
        elif request.param == "memory":
            files = fsspec.filesystem("memory")
            for path in store.iterdir():
                files.pipe_file(f"/store/{path.name}", path.read_bytes())
            stack.callback(files.rm, "/store", recursive=True)
            yield "memory://store"
        else:
            pytest.importorskip("aiohttp", reason="pip install 'endofm[remote]'")
            yield stack.enter_context(served(store))


def stored_clips(address: str) -> StoredClips:
    return StoredClips(open_store(address), clip_frames=CLIP_FRAMES, target_fps=25.0)


def folder_clips(videos: Path) -> list[Clip]:
    return [
        clip
        for video in find(videos)
        for clip in split_into_clips(video, clip_frames=CLIP_FRAMES, target_fps=25.0)
    ]


def batches(
    clips: object,
    *,
    first_step: int = 0,
    rank: int = 0,
    num_processes: int = 1,
    num_workers: int = 0,
    start_method: StartMethod | None = None,
) -> Iterator[ViewBatch]:
    dataset = ViewDataset(clips, SETTINGS, seed=3)  # type: ignore[arg-type]  # a sequence of clips
    sampler = StepSampler(
        len(dataset),
        4,
        seed=3,
        num_processes=num_processes,
        process_index=rank,
        first_step=first_step,
    )
    return iter(make_loader(dataset, sampler, num_workers=num_workers, start_method=start_method))


def assert_same(one: ViewBatch, other: ViewBatch) -> None:
    assert torch.equal(one.clip_index, other.clip_index)
    for a, b in zip(one.views, other.views, strict=True):
        assert torch.equal(a.frames, b.frames)
        assert torch.equal(a.colour.factor, b.colour.factor)


def test_order_and_pixels_are_those_of_the_folder(videos: Path, address: str) -> None:
    stored, files = stored_clips(address), folder_clips(videos)
    assert len(stored) == len(files) == 24
    for one, other in zip(stored, files, strict=True):
        assert one.path == other.path.relative_to(videos)
        assert (one.start_frame, one.num_frames) == (other.start_frame, other.num_frames)
        assert (one.fps, one.source_fps) == (other.fps, other.source_fps)
    for one_batch, other_batch in islice(zip(batches(stored), batches(files), strict=True), 8):
        assert_same(one_batch, other_batch)


def test_going_on_in_the_middle_is_as_unbroken(address: str) -> None:
    whole = list(islice(batches(stored_clips(address)), 9))
    rest = list(islice(batches(stored_clips(address), first_step=4), 5))
    for one, other in zip(whole[4:], rest, strict=True):
        assert_same(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("start_method", ["fork", "spawn"])
@pytest.mark.parametrize("far", [False, True])
def test_two_ranks_of_two_workers_see_every_clip_once(
    store: Path, far: bool, start_method: StartMethod
) -> None:
    with ExitStack() as stack:
        address = str(store)
        if far:
            pytest.importorskip("aiohttp", reason="pip install 'endofm[remote]'")
            address = stack.enter_context(served(store))
        clips = stored_clips(address)
        alone = list(islice(batches(clips), 6))
        shares = [
            list(
                islice(
                    batches(
                        clips,
                        rank=rank,
                        num_processes=2,
                        num_workers=2,
                        start_method=start_method,
                    ),
                    6,
                )
            )
            for rank in range(2)
        ]
    seen = [[index for b in share for index in b.clip_index.tolist()] for share in shares]
    assert [len(indices) for indices in seen] == [12, 12]
    assert sorted(seen[0] + seen[1]) == list(range(24))
    for whole, *parts in zip(alone, *shares, strict=True):
        assert torch.equal(whole.clip_index, torch.cat([part.clip_index for part in parts]))
        for number, view in enumerate(whole.views):
            together = torch.cat([part.views[number].frames for part in parts])
            assert torch.equal(view.frames, together)


def test_a_clip_is_one_ranged_read(store: Path) -> None:
    pytest.importorskip("aiohttp", reason="pip install 'endofm[remote]'")
    log: list[str] = []
    with served(store, log=log) as url:
        clips = stored_clips(url)
        log.clear()
        with reading(clips[7]) as read_frames:
            read_frames([0, 3])
    stored = clips[7].stored
    assert stored is not None
    last = stored.offset + stored.size - 1
    assert log == [f"/{stored.address.rpartition('/')[2]} bytes={stored.offset}-{last}"]


DURATIONS = st.builds(
    Video,
    path=st.just(Path("a.mp4")),
    num_frames=st.integers(1, 400),
    fps=st.sampled_from([7.0, 25.0, 30_000 / 1001, 30.0, 59.94]) | st.floats(5, 240),
    height=st.just(8),
    width=st.just(8),
)


@settings(deadline=None, max_examples=60)
@example([(Video(Path("a.mp4"), 9, 25.0, 8, 8), 0.53, 1e-3)], 20, 25.0, 1)
@given(
    st.lists(st.tuples(DURATIONS, st.floats(0, 0.9), st.floats(0.05, 1)), min_size=1, max_size=4),
    st.integers(20, 200),
    st.floats(0.5, 60),
    st.integers(1, 40),
)
def test_clips_are_cut_as_out_of_files(
    drawn: list[tuple[Video, float, float]], clip_frames: int, target_fps: float, min_frames: int
) -> None:
    videos = []
    for video, start, length in drawn:
        whole_s = video.num_frames / video.fps
        end = min(start + length, 1.0)
        part = {"start_s": start * whole_s, "end_s": None if end == 1.0 else end * whole_s}
        videos.append(Video(**{**vars(video), **(part if start else {})}))
    index = ShardIndex.of(["a.tar"], [99], [PackedVideo(v, 0, 0, 9, 0) for v in videos])
    cut = {"clip_frames": clip_frames, "target_fps": target_fps}
    opened = ClipStore("x", index, "")
    clips = StoredClips(opened, **cut, min_frames=min_frames)  # type: ignore[arg-type]  # by name
    long_enough = [v for v in videos if whole_clip(v).num_frames >= min_frames]
    expected = [c for v in long_enough for c in split_into_clips(v, **cut)]  # type: ignore[arg-type]
    assert len(clips) == len(expected)
    for one, other in zip(clips, expected, strict=True):
        assert vars(one) | {"stored": None} == vars(other)
    assert clips[1:3] == list(clips)[1:3]
    assert len(skipped_videos(opened, min_frames=min_frames)) == len(videos) - len(long_enough)


def test_joined_clips_come_one_after_the_other(videos: Path, store: Path) -> None:
    files, stored = folder_clips(videos), stored_clips(str(store))
    joined = JoinedClips([files, [], stored, files[:2]])
    assert list(joined) == [*files, *stored, *files[:2]]
    assert joined[-1] == files[1]
    assert joined[23:25] == [files[23], stored[0]]
    with pytest.raises(IndexError):
        joined[len(joined)]
    assert len(JoinedClips([])) == 0


def copy_of(store: Path, to: Path) -> Path:
    to.mkdir()
    for path in store.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_shards_that_are_missing_or_cut_short(store: Path, tmp_path: Path) -> None:
    broken = copy_of(store, tmp_path / "store")
    shard = broken / "shard-000001.tar"
    data = shard.read_bytes()
    shard.write_bytes(data[:-1])
    with pytest.raises(DataError) as caught:
        open_store(str(broken))
    assert str(caught.value).startswith(
        f"{shard}: has {len(data) - 1} bytes, its index says {len(data)}; copy it again"
    )
    clips = StoredClips(
        open_store(str(broken), check_shards=False), clip_frames=12, target_fps=25.0
    )
    shard.unlink()
    with pytest.raises(DataError, match=r"shard-000001\.tar: is missing"):
        open_store(str(broken))
    with pytest.raises(DataError, match=r"shard-000001\.tar: is missing"), reading(clips[12]):
        pass


def test_bytes_that_have_changed_are_told_of(store: Path, tmp_path: Path) -> None:
    broken = copy_of(store, tmp_path / "store")
    clips = stored_clips(str(broken))
    stored = clips[0].stored
    assert stored is not None
    data = bytearray(Path(stored.address).read_bytes())
    data[stored.offset + 100] ^= 1
    Path(stored.address).write_bytes(data)
    with pytest.raises(DataError, match="are not those that were packed"), reading(clips[0]):
        pass


def test_a_bad_video_is_told_with_its_shard(tmp_path: Path) -> None:
    import zlib

    data = b"no video" * 100
    (tmp_path / "a.tar").write_bytes(data)
    video = Video(Path("x/a.mp4"), 9, 25.0, 8, 8)
    packed = PackedVideo(video, 0, 0, len(data), zlib.crc32(data))
    ShardIndex.of(["a.tar"], [len(data)], [packed]).write(tmp_path / INDEX)
    with pytest.raises(VideoError) as caught, reading(stored_clips(str(tmp_path))[0]):
        pass
    assert str(caught.value).startswith(f"{tmp_path}/a.tar: x/a.mp4 is not a video, or is damaged")


def test_what_is_a_store(store: Path, videos: Path, tmp_path: Path) -> None:
    assert is_store(str(store))
    assert is_store("https://example.org/x")
    assert not is_store(str(videos))
    assert not is_store(str(videos / "a.mp4"))
    (tmp_path / "a.tar").touch()
    with pytest.raises(DataError, match=f"holds shards but no {INDEX}; .* endofm data index"):
        is_store(str(tmp_path))


def test_videos_in_memory_give_the_frames_of_files(videos: Path, store: Path) -> None:
    for clip, other in zip(stored_clips(str(store)), folder_clips(videos), strict=True):
        with reading(clip) as read, reading(other) as read_other:
            for a, b in zip(read([0, 5, 11]), read_other([0, 5, 11]), strict=True):
                np.testing.assert_array_equal(a, b)


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
