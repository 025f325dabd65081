import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from av.video.frame import VideoFrame

from endofm.data.decoder import FrameDecoder
from endofm.data.manifests import Video
from endofm.data.video import check_video, open_video
from endofm.engine.weights import weights_sha256
from endofm.errors import ConfigError, VideoError
from endofm.prediction.classify import PredictSettings, predict_classes
from endofm.tasks.classify_scores import video_scores
from endofm.tasks.classify_trained import TrainedClassifier
from tests.classifiers import small_classifier
from tests.data.coded_video import write_frames
from tests.prediction.builder import film, noise, trained_on

NETWORKS = {num_classes: small_classifier(num_classes) for num_classes in (2, 3)}
TOLERANCE = 1e-6


@pytest.fixture
def video(tmp_path: Path) -> Path:  # of 40 frames at 30 a second
    return film(tmp_path / "film.mp4")


def square_of(picture: np.ndarray, trained: TrainedClassifier) -> np.ndarray:
    """The central square as floats, or the original's: resized as float, left or top."""
    size = trained.sampling.size_px
    if trained.sampling.original_test_clip:
        picture = picture.astype(np.float32)
    height, width = picture.shape[:2]
    short = min(height, width)
    if short != size:
        picture = cv2.resize(picture, (width * size // short, height * size // short))
    height, width = picture.shape[:2]
    top, left = math.ceil((height - size) / 2), math.ceil((width - size) / 2)
    if trained.sampling.original_test_clip:
        top, left = (0, left) if height > width else (top, 0)
    return picture[top : top + size, left : left + size].astype(np.float64)


def naive_scores(trained: TrainedClassifier, path: Path, starts: Sequence[int]) -> np.ndarray:
    """Window after window: each frame found by its time, the network asked of one clip alone."""
    sampling = trained.sampling
    with open_video(path, folder_fps=sampling.folder_fps) as reader:
        pictures, times_s = list(reader.stream()), reader.times_s.tolist()
        num_ticks = max(round(reader.info.duration_s * sampling.target_fps), 1)
    rows = []
    for start in starts:
        last = start + sampling.span_frames - 1
        if not sampling.original_repeat_last:
            last = min(last, num_ticks - 1)
        frames = []
        for k in range(sampling.num_frames):
            tick = min(start + k * (last - start) // (sampling.num_frames - 1), num_ticks - 1)
            begun = [t for t, at in enumerate(times_s) if at <= tick / sampling.target_fps + 1e-3]
            square = square_of(pictures[begun[-1]], trained)
            frames.append((square / 255 - sampling.mean) / sampling.std)
        clip = torch.from_numpy(np.stack(frames)).float().permute(3, 0, 1, 2)[None]
        with torch.no_grad():
            logits = trained.network(clip)[0].double()
        rows.append(logits.sigmoid() if trained.multi_label else logits.softmax(0))
    return torch.stack(rows).numpy()


def check_against_naive(trained: TrainedClassifier, path: Path, settings: PredictSettings) -> None:
    found = predict_classes(trained, path, settings)
    starts = np.rint(found.starts_s * trained.sampling.target_fps).astype(int).tolist()
    expected = naive_scores(trained, path, starts)
    np.testing.assert_allclose(found.scores, expected, rtol=0, atol=TOLERANCE)
    if len(starts) > 1:
        assert np.ptp(expected, axis=0).min() > 100 * TOLERANCE  # so that a mix-up would show


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("stride_frames", [1, 5, 12, 20])
def test_scores_are_those_of_each_window_alone(
    video: Path, stride_frames: int, batch_size: int
) -> None:
    trained = trained_on(NETWORKS[2])
    settings = PredictSettings(stride_s=stride_frames / 30, batch_size=batch_size, num_telling=0)
    check_against_naive(trained, video, settings)


@pytest.mark.parametrize(
    "sampling",
    [
        {"num_frames": 3, "span_frames": 28},
        {"num_frames": 16},
        {"size_px": 48},
        {"span_frames": 300},
        {"span_frames": 300, "original_repeat_last": True},
        {"original_test_clip": True},
        {"mean": (0.4, 0.5, 0.6), "std": (0.1, 0.2, 0.3)},
        {"target_fps": 7.0, "span_frames": 4},
    ],
)
def test_frames_are_taken_as_in_evaluation(video: Path, sampling: dict[str, Any]) -> None:
    check_against_naive(trained_on(NETWORKS[2], **sampling), video, PredictSettings())


def test_labels_have_scores_of_their_own(video: Path) -> None:
    trained = trained_on(NETWORKS[3], ("a", "b", "c"), multi_label=True)
    check_against_naive(trained, video, PredictSettings())
    alternatives = trained_on(NETWORKS[3], ("a", "b", "c"))
    check_against_naive(alternatives, video, PredictSettings())
    sums = predict_classes(alternatives, video).scores.sum(1)
    assert sums == pytest.approx(np.ones(len(sums)))


@pytest.mark.parametrize("fps", [12.5, 25.0, 30000 / 1001, 60.0])
def test_videos_at_other_rates(tmp_path: Path, fps: float) -> None:
    path = film(tmp_path / "film.mp4", 50, fps=fps)
    trained = trained_on(NETWORKS[2])
    check_against_naive(trained, path, PredictSettings(stride_s=0.1, num_telling=0))


def test_a_video_of_varying_rate(tmp_path: Path) -> None:
    path = uneven(tmp_path / "uneven.mkv")
    assert np.ptp(np.diff(open_video(path).times_s)) > 0.05
    check_against_naive(trained_on(NETWORKS[2]), path, PredictSettings(stride_s=0.1))


def uneven(path: Path) -> Path:
    """A second of 30 frames a second, then one of 10."""
    times_ms = [*np.arange(0, 1000, 1000 / 30), *np.arange(1000, 2000, 100)]
    frames = []
    for picture, time_ms in zip(noise(len(times_ms)), times_ms, strict=True):
        frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = round(time_ms), Fraction(1, 1000)
        frames.append(frame)
    write_frames(path, frames, codec="libx264", rate=1000)
    return path


@pytest.mark.parametrize(("height", "width"), [(45, 61), (61, 45), (32, 32), (20, 27)])
def test_folders_of_frames_of_any_size(tmp_path: Path, height: int, width: int) -> None:
    for number, picture in enumerate(noise(30, height=height, width=width)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    for folder_fps in (30.0, 10.0):
        trained = trained_on(NETWORKS[2], folder_fps=folder_fps)
        check_against_naive(trained, tmp_path, PredictSettings(num_telling=0))


@pytest.mark.parametrize("num_frames", [1, 3, 11, 12])
def test_a_video_no_longer_than_a_window_is_one(tmp_path: Path, num_frames: int) -> None:
    path = film(tmp_path / "film.mp4", num_frames)
    found = predict_classes(trained_on(NETWORKS[2]), path)
    assert found.starts_s.tolist() == [0.0]
    assert found.ends_s.tolist() == [pytest.approx(num_frames / 30)]
    check_against_naive(trained_on(NETWORKS[2]), path, PredictSettings())


def test_windows_say_where_they_are(video: Path) -> None:
    found = predict_classes(trained_on(NETWORKS[2]), video)
    assert found.stride_s == pytest.approx(0.1)  # a quarter of 12 frames
    starts = [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28]
    assert found.starts_s == pytest.approx(np.array(starts) / 30)
    assert found.ends_s == pytest.approx((np.array(starts) + 12) / 30)
    assert found.ends_s[-1] == pytest.approx(found.video.duration_s)
    assert found.times_s == pytest.approx((np.array(starts) + 6) / 30)
    assert found.video == check_video(video)


@pytest.mark.parametrize(
    ("span_frames", "stride_s", "stride_frames"),
    [(256, None, 64), (3, None, 1), (12, 0.001, 1), (12, 0.5, 15), (12, 0.049, 1), (12, 0.051, 2)],
)
def test_strides_are_whole_frames(
    video: Path, span_frames: int, stride_s: float | None, stride_frames: int
) -> None:
    trained = trained_on(NETWORKS[2], span_frames=span_frames, num_frames=2)
    found = predict_classes(trained, video, PredictSettings(stride_s=stride_s, num_telling=0))
    assert found.stride_s == pytest.approx(stride_frames / 30)
    steps = np.diff(found.starts_s)[:-1]
    assert steps == pytest.approx(np.full(len(steps), stride_frames / 30))


def test_windows_at_the_places_of_evaluation_score_as_it_does(video: Path) -> None:
    """Three clips of an evaluation begin at 0, 14 and 28."""
    trained = trained_on(NETWORKS[2], clips_per_video=3)
    settings = PredictSettings(stride_s=14 / 30, batch_size=2)
    found = predict_classes(trained, video, settings)
    assert found.starts_s == pytest.approx(np.array([0, 14, 28]) / 30)
    info = check_video(video)
    listed = Video(video, info.num_frames, info.fps, info.height, info.width)
    evaluated = video_scores(trained.network, [listed], trained.sampling)
    np.testing.assert_allclose(found.scores.mean(0), evaluated[0], rtol=0, atol=TOLERANCE)


class Decoding:
    """Which frames decoders are asked for, and how many they decode."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[list[int]] = []
        self.num_decoded = 0
        frame, decode_packets = FrameDecoder.frame, FrameDecoder._decode_packets
        of_decoder: dict[FrameDecoder, list[int]] = {}

        def asking(decoder: FrameDecoder, number: int) -> VideoFrame:
            if decoder not in of_decoder:
                of_decoder[decoder] = []
                self.asked.append(of_decoder[decoder])
            of_decoder[decoder].append(number)
            return frame(decoder, number)

        def decoding(decoder: FrameDecoder) -> Iterator[VideoFrame]:
            for item in decode_packets(decoder):
                self.num_decoded += 1
                yield item

        monkeypatch.setattr(FrameDecoder, "frame", asking)
        monkeypatch.setattr(FrameDecoder, "_decode_packets", decoding)


@pytest.mark.parametrize("stride_frames", [1, 4, 20])
def test_frames_are_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride_frames: int
) -> None:
    path = film(tmp_path / "film.mp4", 90)
    decoding = Decoding(monkeypatch)
    settings = PredictSettings(stride_s=stride_frames / 30, num_telling=0)
    predict_classes(trained_on(NETWORKS[2]), path, settings)
    looking, (first, *sliding), _ = decoding.asked  # a reader asks for its first frame
    assert looking == [0]
    assert first == 0
    assert sliding == sorted(set(sliding))
    assert sliding[-1] == 89
    assert decoding.num_decoded <= 90 + 4  # opening twice


def test_a_slower_video_is_decoded_once_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "film.mp4", 60, fps=12.5)
    decoding = Decoding(monkeypatch)
    settings = PredictSettings(stride_s=1 / 30, num_telling=0)
    predict_classes(trained_on(NETWORKS[2]), path, settings)
    assert decoding.asked[1] == sorted(decoding.asked[1])
    assert decoding.num_decoded <= 60 + 4


def test_telling_frames_need_one_more_look(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoding = Decoding(monkeypatch)
    trained = trained_on(NETWORKS[3], ("a", "b", "c"), multi_label=True)
    found = predict_classes(trained, video, PredictSettings(num_telling=2))
    assert len(found.telling) == 6
    assert len(decoding.asked) == 3
    assert len(decoding.asked[2]) == 1 + 6 * trained.sampling.num_frames


def test_progress_counts_windows(video: Path) -> None:
    seen: list[tuple[int, int]] = []
    predict_classes(
        trained_on(NETWORKS[2]), video, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(4, 11), (8, 11), (11, 11)]


def test_what_was_asked_is_in_the_answer(video: Path) -> None:
    trained = trained_on(NETWORKS[2], thresholds=(0.4, 0.6))
    found = predict_classes(trained, video)
    assert (found.source, found.classes, found.multi_label) == ("runs/x", ("other", "red"), False)
    assert found.thresholds.tolist() == [0.4, 0.6]
    assert found.thresholds_from == "val"
    assert found.sampling == trained.sampling
    assert found.weights_sha256 == weights_sha256(trained.network.state_dict())


@pytest.mark.parametrize("broken", ["nothing", "text", "cut"])
def test_a_video_that_cannot_be_read_is_told(video: Path, broken: str) -> None:
    if broken == "nothing":
        video.unlink()
    else:
        whole = video.read_bytes()
        video.write_bytes(b"no video" if broken == "text" else whole[: len(whole) // 2])
    with pytest.raises(VideoError, match=r"film\.mp4"):
        predict_classes(trained_on(NETWORKS[2]), video)


def test_a_frame_that_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    for number, picture in enumerate(noise(30)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    (tmp_path / "17.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"17\.png"):
        predict_classes(trained_on(NETWORKS[2]), tmp_path, PredictSettings(stride_s=1 / 30))


@pytest.mark.parametrize(
    "values",
    [{"stride_s": 0}, {"stride_s": -1}, {"batch_size": 0}, {"num_telling": -1}, {"stride": 1}],
)
def test_settings_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        PredictSettings.parse(values)
