from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from endofm.config import read_preset
from endofm.data.manifests import Video
from endofm.data.transforms import resize_short_side, square_crop
from endofm.data.video import VideoReader, check_video, open_video, write_video
from endofm.tasks.classify_config import ClassifyConfig, SamplingSettings
from endofm.tasks.classify_data import (
    ClipBatch,
    EvaluationVideos,
    TrainingVideos,
    evaluation_starts,
)

GOLDEN = Path(__file__).parents[1] / "parity" / "data"


def _listed(path: Path, label: str = "") -> Video:
    info = check_video(path)
    return Video(path, info.num_frames, info.fps, info.height, info.width, label=label)


@pytest.fixture
def paper() -> SamplingSettings:
    values = {**read_preset("classify", "paper"), "data": ".", "out": "."}
    return ClassifyConfig.parse(values).sampling


@pytest.mark.parity
@pytest.mark.parametrize("num_frames", [7, 30, 256, 420])
def test_the_papers_test_clip_is_the_originals(num_frames: int, paper: SamplingSettings) -> None:
    path = GOLDEN / "videos" / f"idx{num_frames}.mp4"
    with np.load(GOLDEN / "sampling.npz") as vectors:
        indices = vectors[f"finetune_clipidx0/n{num_frames}/s0"].tolist()
    with open_video(path) as reader:
        frames = np.stack(reader.frames(indices)).astype(np.float32)
    settings = paper.model_copy(update={"size_px": 32})
    expected = square_crop(resize_short_side(frames, 32), 32, place="first")
    (clip,) = EvaluationVideos([_listed(path)], settings)[0].frames
    np.testing.assert_array_equal(clip, expected)


def test_evaluation_sees_the_central_square(tmp_path: Path) -> None:
    thirds = np.repeat(np.array([[[200, 0, 0]], [[0, 200, 0]], [[0, 0, 200]]], np.uint8), 32, 0)
    frame = np.broadcast_to(thirds.reshape(1, 96, 3), (32, 96, 3))
    write_video(tmp_path / "a.mp4", (frame for _ in range(8)), fps=30)
    settings = SamplingSettings(num_frames=2, size_px=32)
    frames = EvaluationVideos([_listed(tmp_path / "a.mp4")], settings)[0].frames
    assert frames.shape == (1, 2, 32, 32, 3)
    assert (frames[..., 8:24, 1] > 150).all()
    assert (frames[..., 8:24, [0, 2]] < 50).all()


@pytest.mark.parametrize(
    ("clip_frames", "clips_per_video", "starts"),
    [
        (1000, 1, [372]),
        (1000, 4, [0, 248, 496, 744]),
        (256, 4, [0]),
        (258, 4, [0, 1, 2]),
        (10, 4, [0]),
        (10, 1, [0]),
    ],
)
def test_clips_reach_from_the_first_frame_to_the_last_and_none_comes_twice(
    clip_frames: int, clips_per_video: int, starts: list[int]
) -> None:
    settings = SamplingSettings(clips_per_video=clips_per_video)
    assert evaluation_starts(clip_frames, settings) == starts


def test_a_video_shorter_than_a_clip_is_spread_over_all_of_it(videos: Path) -> None:
    settings = SamplingSettings(num_frames=4, size_px=48)
    (clip,) = EvaluationVideos([_listed(videos / "0.mp4")], settings)[0].frames
    with open_video(videos / "0.mp4") as reader:
        np.testing.assert_array_equal(clip, np.stack(reader.frames([0, 6, 12, 19])))


def test_training_clips_come_from_seed_epoch_and_index_alone(videos: Path) -> None:
    listed = [_listed(videos / f"{n}.mp4") for n in range(3)]
    settings = SamplingSettings(num_frames=4, span_frames=8, size_px=32)

    def frames(seed: int, epoch: int, index: int) -> np.ndarray:
        return TrainingVideos(listed, settings, seed=seed)[epoch, index].frames

    first = frames(1, 2, 0)
    assert first.shape == (4, 32, 32, 3)
    np.testing.assert_array_equal(first, frames(1, 2, 0))
    for other in (frames(2, 2, 0), frames(1, 3, 0), frames(1, 2, 1)):
        assert not np.array_equal(first, other)


def test_micro_batches_are_the_batch_in_order(videos: Path) -> None:
    listed = [_listed(videos / f"{n}.mp4") for n in range(4)]
    dataset = TrainingVideos(listed, SamplingSettings(num_frames=2, size_px=32), seed=0)
    batch = ClipBatch.collate([dataset[0, index] for index in (3, 1, 2, 0)])
    parts = batch.split(2)
    assert [part.index.tolist() for part in parts] == [[3, 1], [2, 0]]
    assert [part.frames.shape for part in parts] == [(2, 2, 32, 32, 3)] * 2


def test_only_what_is_sampled_is_decoded(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []
    settings = SamplingSettings(num_frames=2, span_frames=5, clips_per_video=2, size_px=32)
    original: Callable[..., list[np.ndarray]] = VideoReader.frames

    def frames(reader: VideoReader, indices: list[int]) -> list[np.ndarray]:
        asked.append(list(indices))
        return original(reader, indices)

    dataset = EvaluationVideos([_listed(videos / "0.mp4")], settings)
    monkeypatch.setattr(VideoReader, "frames", frames)
    dataset[0]
    assert asked == [[0, 4, 15, 19]]
