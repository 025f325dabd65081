import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from endofm.data.colour import IMAGENET_MEAN, IMAGENET_STD, normalise
from endofm.data.transforms import centre_crop, resize_short_side
from endofm.data.video import FolderReader, write_video
from endofm.embedding import EmbedSettings, embed, embed_videos, plan_windows
from endofm.engine.weights import weights_sha256
from endofm.errors import ConfigError, DataError, VideoError
from endofm.models import timesformer_tiny

FPS = 10.0
DEFAULT = EmbedSettings()


class FrameBrightness(nn.Module):
    """Stands in for a backbone: the brightness of each frame, so that frames can be told apart."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(1))
        self.dropout = nn.Dropout(0.9)

    def forward(self, clips: Tensor) -> Tensor:
        mean, std = (torch.tensor(v)[:, None, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
        levels = 255 * (clips.float() * std + mean)  # (B, 3, T, S, S)
        return self.dropout(levels.mean(dim=(1, 3, 4)) + self.offset)  # (B, T)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[int], Path]:
    """``folder(40)`` makes a folder of 40 frames whose brightness is their number."""

    def make(num_frames: int) -> Path:
        path = tmp_path / f"frames{num_frames}"
        path.mkdir()
        for number in range(num_frames):
            cv2.imwrite(str(path / f"{number}.png"), np.full((20, 28, 3), number, np.uint8))
        return path

    return make


def evenly(first: int, last: int, num_frames: int = 8) -> list[int]:
    return [first + int(i * (last - first) / (num_frames - 1)) for i in range(num_frames)]


def windows_of(
    video_frames: int, settings: EmbedSettings = DEFAULT
) -> list[tuple[float, list[int]]]:
    planned = plan_windows(np.arange(video_frames) / FPS, video_frames / FPS, settings)
    return [(round(window.middle_s, 6), window.indices.tolist()) for window in planned]


def test_windows_follow_each_other_and_the_last_takes_the_rest() -> None:
    assert windows_of(115) == [
        (2.5, evenly(0, 49)),
        (7.5, evenly(50, 99)),
        (10.75, evenly(100, 114)),
    ]


def test_a_video_of_whole_windows_has_no_rest() -> None:
    assert windows_of(100) == [(2.5, evenly(0, 49)), (7.5, evenly(50, 99))]


def test_a_short_video_is_one_window() -> None:
    assert windows_of(3) == [(0.15, [0, 0, 0, 0, 1, 1, 1, 2])]
    assert windows_of(1) == [(0.05, [0] * 8)]


def test_overlapping_windows_end_with_the_video() -> None:
    found = windows_of(100, EmbedSettings(stride_s=2.0, num_frames=2))
    assert found == [(2.5, [0, 49]), (4.5, [20, 69]), (6.5, [40, 89]), (8.0, [60, 99])]


def test_windows_apart_leave_frames_out() -> None:
    settings = EmbedSettings(window_s=1.0, stride_s=4.0, num_frames=2)
    assert windows_of(100, settings) == [
        (0.5, [0, 9]),
        (4.5, [40, 49]),
        (8.5, [80, 89]),
    ]


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 60.0])
@pytest.mark.parametrize("error_s", [-0.001, 0.001])
def test_rounded_frame_times_do_not_move_frames(fps: float, error_s: float) -> None:
    num_frames = round(20 * fps)
    times_s = np.arange(num_frames) / fps
    exact, rounded = (
        plan_windows(times, num_frames / fps, DEFAULT)
        for times in (times_s, np.maximum(times_s + error_s, 0))
    )
    assert len(exact) == 4
    for one, other in zip(exact, rounded, strict=True):
        assert one.indices.tolist() == other.indices.tolist()


def test_a_long_gap_between_frames_has_no_window() -> None:
    times_s = np.array([0.0, 0.1, 12.0, 12.1])
    planned = plan_windows(times_s, 12.2, EmbedSettings(window_s=3.0, num_frames=2))
    assert [window.indices.tolist() for window in planned] == [[0, 1], [2, 3]]


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_features_are_those_of_the_windows_frames(
    folder: Callable[[int], Path], batch_size: int
) -> None:
    times_s, features = embed(
        FrameBrightness(),
        folder(27),
        window_s=1.0,
        stride_s=0.5,
        size_px=16,
        batch_size=batch_size,
        folder_fps=FPS,
    )
    assert times_s == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.35])
    assert features.dtype == np.float32
    assert features == pytest.approx(
        np.array([evenly(start, min(start + 9, 26)) for start in (0, 5, 10, 15, 20)]), abs=1e-3
    )


def test_video_files_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, [np.full((32, 48, 3), 4 * n, np.uint8) for n in range(24)], fps=8)
    times_s, features = embed(FrameBrightness(), path, window_s=2.0, num_frames=4, size_px=16)
    assert times_s == pytest.approx([1.0, 2.5])
    expected = [4 * np.array(evenly(0, 15, 4)), 4 * np.array(evenly(16, 23, 4))]
    assert features == pytest.approx(np.array(expected), abs=2)


def test_frames_are_resized_cut_and_normalised(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.mkdir()
    frames = np.random.default_rng(0).integers(0, 256, (2, 24, 50, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(path / f"{number}.png"), frame[:, :, ::-1])

    class Pixels(FrameBrightness):
        def forward(self, clips: Tensor) -> Tensor:
            return clips.flatten(1)

    features = embed(Pixels(), path, num_frames=2, size_px=16).features
    squares = centre_crop(resize_short_side(frames, 16), 16)
    expected = normalise(torch.from_numpy(squares.copy())[None]).flatten(1)
    assert torch.equal(torch.from_numpy(features), expected)


def test_each_frame_is_read_once(
    folder: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    frames = FolderReader.frames

    def counted(reader: FolderReader, indices: Sequence[int]) -> list[np.ndarray]:
        read.extend(indices)
        return frames(reader, indices)

    monkeypatch.setattr(FolderReader, "frames", counted)
    embed(FrameBrightness(), folder(60), window_s=0.5, stride_s=0.2, size_px=20)
    assert read == sorted(set(read))
    assert read[-1] == 59


def test_progress_counts_windows(folder: Callable[[int], Path]) -> None:
    seen: list[tuple[int, int]] = []
    embed(
        FrameBrightness(),
        folder(50),
        window_s=1.0,
        size_px=16,
        batch_size=2,
        folder_fps=FPS,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_mode_of_every_part_is_restored(folder: Callable[[int], Path]) -> None:
    backbone = nn.Sequential(FrameBrightness(), nn.Dropout(0.5)).train()
    backbone[1].eval()
    features = embed(backbone, folder(9), size_px=16).features
    assert features == pytest.approx(np.array([[0, 1, 2, 3, 4, 5, 6, 8]]), abs=1e-3)
    assert [module.training for module in (backbone, backbone[0], backbone[1])] == [
        True,
        True,
        False,
    ]
    with pytest.raises(VideoError):
        embed(backbone, Path("nowhere.mp4"))
    assert backbone.training


def test_no_gradient_is_recorded_and_halves_become_floats(folder: Callable[[int], Path]) -> None:
    class Recording(FrameBrightness):
        def forward(self, clips: Tensor) -> Tensor:
            assert clips.dtype == torch.bfloat16
            assert not torch.is_grad_enabled()
            return super().forward(clips).bfloat16()

    assert embed(Recording().bfloat16(), folder(5), size_px=16).features.dtype == np.float32


def test_a_real_backbone(folder: Callable[[int], Path]) -> None:
    backbone = timesformer_tiny().eval()
    times_s, features = embed(backbone, folder(12), size_px=32, window_s=1.0, folder_fps=FPS)
    assert times_s.shape == (2,)
    assert features.shape == (2, backbone.embed_dim)
    assert np.isfinite(features).all()


@pytest.mark.parametrize(
    "settings", [{"stride_s": 0.0}, {"window_s": -1.0}, {"num_frames": 0}, {"batch_size": 0}]
)
def test_settings_must_be_above_zero(settings: dict[str, float], tmp_path: Path) -> None:
    name, value = next(iter(settings.items()))
    with pytest.raises(ConfigError, match=f"{name} is {value}; give a number above 0"):
        embed(FrameBrightness(), tmp_path, **settings)  # type: ignore[arg-type] # the point


def broken_file(folder: Path) -> Path:
    path = folder / "broken.mp4"
    path.write_bytes(b"no video at all")
    return path


def test_many_videos_go_into_one_file(folder: Callable[[int], Path], tmp_path: Path) -> None:
    backbone, out = FrameBrightness(), tmp_path / "new" / "feats"
    videos = [folder(60), broken_file(tmp_path), folder(20), tmp_path / "frames60"]
    settings = EmbedSettings(window_s=1.0, size_px=16, folder_fps=20.0)
    seen: list[tuple[int, int]] = []
    written = embed_videos(
        backbone,
        videos,
        out,
        settings=settings,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (written.path, written.num_videos, written.num_windows) == (out, 2, 4)
    assert [item.path for item in written.skipped] == [videos[1]]
    assert "broken.mp4" in written.skipped[0].reason
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with np.load(out, allow_pickle=False) as file:
        assert file["videos"].tolist() == [str(videos[0]), str(videos[2])]
        assert file["skipped"].tolist() == [str(videos[1])]
        assert file["video_index"].tolist() == [0, 0, 0, 1]
        assert file["times_s"] == pytest.approx([0.5, 1.5, 2.5, 0.5])
        assert file["features"][3] == pytest.approx(np.array(evenly(0, 19)), abs=1e-3)
        assert str(file["weights_sha256"]) == weights_sha256(backbone.state_dict())
        assert EmbedSettings(**json.loads(str(file["settings"]))) == settings


def test_a_file_that_is_there_stays(folder: Callable[[int], Path], tmp_path: Path) -> None:
    out = tmp_path / "feats.npz"
    out.write_text("mine")
    settings = EmbedSettings(size_px=16)
    with pytest.raises(DataError, match="exists already; name another file, or add --overwrite"):
        embed_videos(FrameBrightness(), [folder(9)], out, settings=settings)
    assert out.read_text() == "mine"
    embed_videos(FrameBrightness(), [tmp_path / "frames9"], out, settings=settings, overwrite=True)
    with np.load(out) as file:
        assert file["features"].shape == (1, 8)


def test_nothing_readable_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    broken = broken_file(tmp_path)
    with pytest.raises(DataError, match=r"none of 1 videos can be read; .*broken\.mp4"):
        embed_videos(FrameBrightness(), [broken], tmp_path / "feats.npz")
    with pytest.raises(DataError, match="no video to embed; name video files or folders"):
        embed_videos(FrameBrightness(), [], tmp_path / "feats.npz")
    assert list(tmp_path.iterdir()) == [broken]


def test_a_place_that_cannot_be_written_is_told(
    folder: Callable[[int], Path], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"feats\.npz cannot be written .*; name another file"):
        embed_videos(FrameBrightness(), [folder(9)], tmp_path / "file" / "feats.npz")
