from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.data import datasets
from endofm.data.datasets import ClipViews, LabelledClips, ViewDataset
from endofm.data.manifests import Clip, Video, split_into_clips
from endofm.data.video import VideoInfo, write_video
from endofm.data.views import ViewSettings
from endofm.errors import DataError, VideoError

SETTINGS = ViewSettings(
    global_frames=(3, 4), local_frames=(2, 5), global_size_px=32, local_size_px=16
)


class FakeReader:
    """A video in memory, whose every pixel is the frame's number; keeps what was asked for."""

    def __init__(self, path: Path, *, num_frames: int, fps: float) -> None:
        self.info = VideoInfo(path, num_frames, fps, 40, 60)
        self.times_s = np.arange(num_frames) / fps
        self.asked: list[int] = []
        self.is_open = False

    def __enter__(self) -> Self:
        self.is_open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.is_open = False

    def frames(self, indices: Sequence[int]) -> list[NDArray[np.uint8]]:
        assert self.is_open
        self.asked += indices
        return [np.full((40, 60, 3), index, np.uint8) for index in indices]


def use_reader(monkeypatch: pytest.MonkeyPatch, fake: FakeReader) -> FakeReader:
    """Let a video in memory stand in for every file."""

    def open_fake(path: Path, *, folder_fps: float) -> FakeReader:
        assert path == fake.info.path
        assert folder_fps == fake.info.fps
        return fake

    monkeypatch.setattr(datasets, "open_video", open_fake)
    return fake


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    return use_reader(monkeypatch, FakeReader(Path("a.mp4"), num_frames=250, fps=30.0))


def clips_of(reader: FakeReader, *, clip_frames: int = 100, target_fps: float = 30.0) -> list[Clip]:
    info = reader.info
    video = Video(info.path, info.num_frames, info.fps, info.height, info.width, label="polyp")
    return split_into_clips(video, clip_frames=clip_frames, target_fps=target_fps)


def same_views(one: ClipViews, other: ClipViews) -> bool:
    return all(
        np.array_equal(a.frames, b.frames) and a.colour == b.colour
        for a, b in zip(one.views, other.views, strict=True)
    )


def test_views_depend_on_seed_epoch_and_index_alone(reader: FakeReader) -> None:
    clips = clips_of(reader)
    dataset = ViewDataset(clips, SETTINGS, seed=5)
    first = dataset[3, 1]
    dataset[0, 0]
    again = ViewDataset(clips, SETTINGS, seed=5)
    again[7, 0]
    assert same_views(first, again[3, 1])
    assert first.clip_index == 1
    same_clip = ViewDataset([clips[1]], SETTINGS, seed=5)
    others = [dataset[2, 1], same_clip[3, 0], ViewDataset(clips, SETTINGS, seed=6)[3, 1]]
    assert not any(same_views(first, other) for other in others)


def test_frames_outside_the_clip_are_never_asked_for(reader: FakeReader) -> None:
    dataset = ViewDataset(clips_of(reader), SETTINGS, seed=0)
    assert len(dataset) == 2
    for epoch in range(20):
        dataset[epoch, 0]
    assert (min(reader.asked), max(reader.asked)) == (0, 99)
    reader.asked.clear()
    for epoch in range(20):
        dataset[epoch, 1]
    assert (min(reader.asked), max(reader.asked)) == (100, 249)
    assert not reader.is_open


def test_a_slow_video_is_shown_at_the_target_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = FakeReader(Path("a"), num_frames=100, fps=10.0)
    assert use_reader(monkeypatch, slow) is slow
    clips = clips_of(slow)
    assert [clip.num_frames for clip in clips] == [100, 100, 100]
    with datasets.reading(clips[1]) as read_frames:
        read_frames(range(100))
    assert slow.asked == [tick // 3 for tick in range(100, 200)]


def test_one_missing_frame_is_a_matter_of_rounding_but_not_two(reader: FakeReader) -> None:
    (clip,) = clips_of(reader, clip_frames=250)
    with datasets.reading(replace(clip, num_frames=251)) as read_frames:
        read_frames([249, 250])
    assert reader.asked == [249, 249]
    with (
        pytest.raises(VideoError) as caught,
        datasets.reading(replace(clip, start_frame=2, num_frames=250)),
    ):
        pass
    assert str(caught.value) == (
        "a.mp4: has 250 frames at 30 a second, but clips are to reach 252; "
        "the file has changed since it was listed: list it anew"
    )
    assert not reader.is_open


@pytest.mark.parametrize("start_frame", [249, 250, 400])
def test_a_clip_behind_the_end_is_refused(reader: FakeReader, start_frame: int) -> None:
    (clip,) = clips_of(reader, clip_frames=250)
    late = replace(clip, start_frame=start_frame, num_frames=1)
    if start_frame < 250:
        with datasets.reading(late) as read_frames:
            assert len(read_frames([0])) == 1
    else:
        with pytest.raises(VideoError, match="list it anew"), datasets.reading(late):
            pass


def test_an_undecodable_frame_is_an_error_never_another_video(
    reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_indices: Sequence[int]) -> list[NDArray[np.uint8]]:
        raise VideoError("a.mp4 is damaged: frame 7 cannot be decoded", "leave it out")

    monkeypatch.setattr(reader, "frames", fail)
    clips = clips_of(reader)
    with pytest.raises(VideoError, match=r"a\.mp4 is damaged"):
        ViewDataset(clips, SETTINGS, seed=0)[0, 0]
    with pytest.raises(VideoError, match=r"a\.mp4 is damaged"):
        LabelledClips(clips, num_frames=4, size_px=16)[0]
    assert not reader.is_open


def test_labelled_clips_show_the_whole_clip_evenly(reader: FakeReader) -> None:
    dataset = LabelledClips(clips_of(reader), num_frames=4, size_px=16)
    frames, label = dataset[1]
    assert frames.shape == (4, 16, 16, 3)
    assert frames.dtype == np.uint8
    assert frames.flags.c_contiguous
    assert frames[:, 0, 0, 0].tolist() == [100, 149, 199, 249]
    assert (label, len(dataset)) == (0, 2)
    assert np.array_equal(dataset[1][0], frames)


def test_classes_are_sorted_labels_unless_given(reader: FakeReader) -> None:
    clip, _ = clips_of(reader)
    letters = [replace(clip, label=letter) for letter in "fbdaceb"]
    dataset = LabelledClips(letters, num_frames=1, size_px=16)
    assert dataset.classes == tuple("abcdef")
    assert [dataset[k][1] for k in range(7)] == [5, 1, 3, 0, 2, 4, 1]
    clips = [clip, replace(clip, label="normal")]
    given = LabelledClips(clips, num_frames=1, size_px=16, classes=["polyp", "x", "normal"])
    assert [given[k][1] for k in range(2)] == [0, 2]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("", "a.mp4: has no label; fill the list's column 'label'"),
        ("ulcer", "a.mp4: has the unknown label 'ulcer'; known labels: polyp, normal"),
    ],
)
def test_clips_without_a_known_label_are_refused(
    reader: FakeReader, label: str, message: str
) -> None:
    clips = [replace(clips_of(reader)[0], label=label)]
    with pytest.raises(DataError) as caught:
        LabelledClips(clips, num_frames=1, size_px=16, classes=["polyp", "normal"])
    assert str(caught.value) == message


def test_real_videos_give_the_frames_of_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "levels.mp4"
    levels = [40 + 4 * k for k in range(45)]
    write_video(path, [np.full((40, 60, 3), level, np.uint8) for level in levels], fps=30)
    video = Video(path, 45, 30.0, 40, 60, label="x")
    clips = split_into_clips(video, clip_frames=20)
    assert [clip.num_frames for clip in clips] == [20, 25]
    frames, _ = LabelledClips(clips, num_frames=5, size_px=16)[1]
    shown = frames.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shown, [levels[20 + k] for k in (0, 6, 12, 18, 24)], atol=3)
    views = ViewDataset(clips, SETTINGS, seed=0)[0, 1].views
    for view in views:
        assert levels[20] - 3 <= view.frames.min()
        assert view.frames.max() <= levels[44] + 3
