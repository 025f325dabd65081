import os
import pickle
import random
import signal
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from endofm.batch import ViewBatch
from endofm.data.datasets import ClipViews, EpochAndIndex, ViewDataset
from endofm.data.loaders import Loader, StartMethod, StepSampler, collate_views, make_loader
from endofm.data.manifests import Video, split_into_clips
from endofm.data.rng import clip_rng
from endofm.data.video import write_video
from endofm.data.views import ViewSettings, make_views
from endofm.errors import ConfigError, DataError, EndofmError, VideoError

SETTINGS = ViewSettings(global_frames=(2, 3), local_frames=(2,), global_size_px=12, local_size_px=8)


class NoiseClips(Dataset[ClipViews]):
    """Clips of noise in memory; some are broken, one kills its process."""

    def __init__(self, *, broken: Sequence[int] = (), deadly: int = -1) -> None:
        self.broken = broken
        self.deadly = deadly

    def __getitem__(self, key: EpochAndIndex) -> ClipViews:
        epoch, index = key
        if index in self.broken:
            raise VideoError(f"clip{index}.mp4 is damaged", "leave it out")
        if index == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        video = np.random.default_rng(index).integers(0, 256, (9, 16, 20, 3), np.uint8)

        def read_frames(positions: Sequence[int]) -> list[NDArray[np.uint8]]:
            return [video[position] for position in positions]

        return ClipViews(make_views(read_frames, 9, SETTINGS, clip_rng(0, epoch, index)), index)


def noise_loader(
    num_workers: int, sampler: StepSampler, dataset: Dataset[ClipViews] | None = None
) -> Loader[ViewBatch]:
    return Loader(dataset or NoiseClips(), sampler, collate=collate_views, num_workers=num_workers)


def tensors_of(batch: ViewBatch) -> Iterator[torch.Tensor]:
    for view in batch.views:
        yield view.frames
        yield from (view.colour.jitter, view.colour.order, view.colour.factor, view.colour.grey)
    yield batch.clip_index


def assert_same(one: ViewBatch, other: ViewBatch) -> None:
    for a, b in zip(tensors_of(one), tensors_of(other), strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


# Steps


def test_each_epoch_shows_every_clip_once_in_a_new_order() -> None:
    sampler = StepSampler(12, 3, seed=4)
    assert sampler.steps_per_epoch == 4
    epochs = [
        [key for step in range(4 * epoch, 4 * epoch + 4) for key in sampler.indices_of_step(step)]
        for epoch in range(3)
    ]
    for epoch, keys in enumerate(epochs):
        assert {number for number, _ in keys} == {epoch}
        assert sorted(index for _, index in keys) == list(range(12))
    orders = [tuple(index for _, index in keys) for keys in epochs]
    assert len(set(orders)) == 3
    assert StepSampler(12, 3, seed=5).indices_of_step(0) != sampler.indices_of_step(0)


def test_an_incomplete_batch_is_dropped() -> None:
    sampler = StepSampler(11, 4, seed=0)
    assert sampler.steps_per_epoch == 2
    keys = [key for step in range(2) for key in sampler.indices_of_step(step)]
    assert len(set(keys)) == 8
    assert {epoch for epoch, _ in sampler.indices_of_step(2)} == {1}


def test_steps_may_be_asked_for_in_any_order() -> None:
    forwards = [StepSampler(10, 2, seed=1).indices_of_step(step) for step in range(30)]
    sampler = StepSampler(10, 2, seed=1)
    assert [sampler.indices_of_step(step) for step in reversed(range(30))] == forwards[::-1]


def test_resuming_goes_on_with_the_next_step() -> None:
    whole = list(islice(StepSampler(7, 3, seed=2), 9))
    rest = list(islice(StepSampler(7, 3, seed=2, first_step=5), 4))
    assert rest == whole[5:]


@pytest.mark.parametrize("num_processes", [1, 2, 3, 6])
def test_processes_together_see_the_same_batch(num_processes: int) -> None:
    shares = [
        StepSampler(20, 6, seed=3, num_processes=num_processes, process_index=rank)
        for rank in range(num_processes)
    ]
    for step in range(8):
        together = [key for share in shares for key in share.indices_of_step(step)]
        assert together == StepSampler(20, 6, seed=3).indices_of_step(step)


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        StepSampler(3, 4, seed=0)
    assert str(caught.value) == (
        "3 clips do not fill a batch of 4; add videos or set --batch-size to 3 or less"
    )


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 4"):
        StepSampler(30, 6, seed=0, num_processes=4)


# Batches


def test_batches_join_clips_view_by_view() -> None:
    samples = [NoiseClips()[0, index] for index in (5, 2, 7, 1)]
    batch = collate_views(samples)
    assert batch.clip_index.tolist() == [5, 2, 7, 1]
    assert [tuple(view.frames.shape) for view in batch.views] == [
        (4, 2, 12, 12, 3),
        (4, 3, 12, 12, 3),
        (4, 2, 8, 8, 3),
    ]
    for v, view in enumerate(batch.views):
        assert view.frames.dtype == torch.uint8
        for b, sample in enumerate(samples):
            draw = sample.views[v].colour
            assert np.array_equal(view.frames[b], sample.views[v].frames)
            assert bool(view.colour.jitter[b]) == draw.jitter
            assert bool(view.colour.grey[b]) == draw.grey
            assert tuple(view.colour.order[b].tolist()) == draw.order
            assert view.colour.factor[b].tolist() == pytest.approx(draw.factor)
    types = [t.dtype for t in tensors_of(batch)][1:5]
    assert types == [torch.bool, torch.int64, torch.float32, torch.bool]


def test_a_batch_needs_few_open_files() -> None:
    batch = collate_views([NoiseClips()[0, index] for index in range(2)])
    storages = {tensor.untyped_storage().data_ptr() for tensor in tensors_of(batch)}
    assert len(storages) == len(batch.views) + 4 + 1


def test_workers_do_not_change_the_batches() -> None:
    expected = list(islice(noise_loader(0, StepSampler(10, 4, seed=1)), 5))
    for num_workers in (1, 2):
        batches = islice(noise_loader(num_workers, StepSampler(10, 4, seed=1)), 5)
        for one, other in zip(expected, batches, strict=True):
            assert_same(one, other)


def test_processes_do_not_change_the_batch() -> None:
    whole = next(iter(noise_loader(0, StepSampler(10, 4, seed=1))))
    shares = [
        next(iter(noise_loader(0, StepSampler(10, 4, seed=1, num_processes=2, process_index=r))))
        for r in range(2)
    ]
    for parts in zip(tensors_of(whole), *map(tensors_of, shares), strict=True):
        assert torch.equal(parts[0], torch.cat(parts[1:]))


def global_draws() -> tuple[torch.Tensor, NDArray[np.float64], float]:
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  the global generator is what is watched
    random.seed(0)
    list(islice(noise_loader(0, StepSampler(10, 4, seed=1)), 3))
    return torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002


def test_loading_leaves_the_global_generators_alone() -> None:
    of_torch, of_numpy, of_python = global_draws()
    assert torch.equal(of_torch, torch.rand(3, generator=torch.Generator().manual_seed(0)))
    assert np.array_equal(of_numpy, np.random.RandomState(0).rand(3))
    assert of_python == random.Random(0).random()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_unusable_video_is_one_line_at_its_own_step(num_workers: int) -> None:
    sampler = StepSampler(10, 2, seed=1)
    broken = sampler.indices_of_step(3)[1][1]
    batches = iter(noise_loader(num_workers, sampler, NoiseClips(broken=[broken])))
    assert len(list(islice(batches, 3))) == 3
    with pytest.raises(VideoError) as caught:
        next(batches)
    assert str(caught.value) == f"clip{broken}.mp4 is damaged; leave it out"


def test_a_killed_worker_is_one_line() -> None:
    sampler = StepSampler(10, 2, seed=1)
    deadly = sampler.indices_of_step(1)[0][1]
    with pytest.raises(DataError) as caught:
        list(islice(noise_loader(1, sampler, NoiseClips(deadly=deadly)), 4))
    assert str(caught.value).startswith("a process that loads videos was killed")
    assert "\n" not in str(caught.value)


def fail_to_collate(_samples: Sequence[ClipViews]) -> ViewBatch:
    raise RuntimeError("a mistake in the program")


# Torch keeps a worker for 5 s after such an error.
@pytest.mark.parametrize("num_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_other_errors_keep_their_own_kind(num_workers: int) -> None:
    loader = Loader(NoiseClips(), [[(0, 1)]], collate=fail_to_collate, num_workers=num_workers)
    with pytest.raises(RuntimeError, match="a mistake in the program"):
        list(loader)


class WorkerState(Dataset[tuple[object, int, int]]):
    """What a worker has set up for itself."""

    def __getitem__(self, key: int) -> tuple[object, int, int]:
        return signal.getsignal(signal.SIGINT), cv2.getNumThreads(), torch.get_num_threads()


def test_workers_use_one_thread_and_leave_ctrl_c_to_the_main_process() -> None:
    (states,) = Loader(WorkerState(), [[0]], collate=list, num_workers=1)
    assert states == [(signal.SIG_IGN, 1, 1)]


class AskedToEnd(Dataset[int]):
    """Its process gets as many SIGTERM as the key says."""

    def __getitem__(self, key: int) -> int:
        for _ in range(key):
            os.kill(os.getpid(), signal.SIGTERM)
        return key


def test_a_worker_outlives_one_request_to_end_but_not_two() -> None:
    assert list(Loader(AskedToEnd(), [[1]], collate=list, num_workers=1)) == [[1]]
    with pytest.raises(DataError, match="was killed"):
        list(Loader(AskedToEnd(), [[2]], collate=list, num_workers=1))


def test_finite_batches_can_be_gone_through_again() -> None:
    loader = Loader(NoiseClips(), [[(0, 1)], [(0, 2), (0, 3)]], collate=collate_views)
    for _ in range(2):
        assert [batch.clip_index.tolist() for batch in loader] == [[1], [2, 3]]


def write_noise_videos(folder: Path) -> ViewDataset:
    videos = []
    for k in range(4):
        frames = np.random.default_rng(k).integers(0, 256, (12, 32, 48, 3), np.uint8)
        path = folder / f"v{k}.mp4"
        write_video(path, frames, fps=30)
        videos.append(Video(path, 12, 30.0, 32, 48))
    clips = [clip for video in videos for clip in split_into_clips(video)]
    return ViewDataset(clips, SETTINGS, seed=3)


def test_videos_become_batches(tmp_path: Path) -> None:
    dataset = write_noise_videos(tmp_path)
    sampler = StepSampler(len(dataset), 2, seed=0)
    alone = list(islice(make_loader(dataset, sampler), 4))
    for one, other in zip(
        alone, islice(make_loader(dataset, sampler, num_workers=2), 4), strict=True
    ):
        assert_same(one, other)
    dataset.clips[int(alone[3].clip_index[0])].path.write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"v\d\.mp4"):
        list(islice(make_loader(dataset, sampler, num_workers=1), 4))


@pytest.mark.slow
@pytest.mark.parametrize("start_method", ["spawn", "forkserver"])
def test_workers_may_be_started_afresh(tmp_path: Path, start_method: StartMethod) -> None:
    dataset = write_noise_videos(tmp_path)
    sampler = StepSampler(len(dataset), 2, seed=0)
    (alone,) = islice(make_loader(dataset, sampler), 1)
    fresh_loader = make_loader(dataset, sampler, num_workers=1, start_method=start_method)
    (fresh,) = islice(fresh_loader, 1)
    assert_same(alone, fresh)


@pytest.mark.parametrize(
    "error", [EndofmError("a", "b"), VideoError("v.mp4 is bad", "leave it out"), DataError("c")]
)
def test_errors_cross_processes_unchanged(error: EndofmError) -> None:
    sent = pickle.loads(pickle.dumps(error))  # noqa: S301  what a worker does
    assert type(sent) is type(error)
    assert (sent.message, sent.hint, str(sent)) == (error.message, error.hint, str(error))
