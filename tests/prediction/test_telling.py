from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from endofm.data.colour import normalise
from endofm.prediction import ClassPrediction
from endofm.prediction.classify import PredictSettings, predict_classes
from endofm.prediction.telling import MAX_CLASSES, TellingFrame, highest_apart
from tests.classifiers import Colours, small_classifier
from tests.prediction.builder import film, paint, trained_on

SETTINGS = PredictSettings(stride_s=2 / 30, num_telling=3)
OFFSETS = (0, 3, 7, 11)  # 4 frames over 12


def test_windows_are_taken_in_order_of_score_and_share_no_frame() -> None:
    scores, starts = np.array([0.9, 0.8, 0.7, 0.95, 0.1]), [0, 4, 8, 12, 16]
    assert highest_apart(scores, starts, span_frames=8, num=9) == [3, 0]
    assert highest_apart(scores, starts, span_frames=4, num=3) == [3, 0, 1]
    assert highest_apart(scores, starts, span_frames=100, num=3) == [3]
    assert highest_apart(scores, starts, span_frames=4, num=0) == []
    assert highest_apart(np.full(3, 0.5), [0, 9, 18], span_frames=9, num=2) == [0, 1]


def test_what_is_taken_is_the_highest_that_is_left() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        starts = sorted(rng.choice(60, 12, replace=False).tolist())
        scores = rng.random(12)
        found = highest_apart(scores, starts, span_frames=10, num=12)
        assert all(abs(starts[a] - starts[b]) >= 10 for a, b in combinations(found, 2))
        for window in set(range(12)) - set(found):
            nearer = [k for k in found if abs(starts[k] - starts[window]) < 10]
            assert max(scores[nearer]) >= scores[window]
        assert scores[found].tolist() == sorted(scores[found], reverse=True)


@pytest.fixture(scope="module")
def greens() -> np.ndarray:
    """How green the frames of a video are."""
    return np.random.default_rng(3).permutation(np.arange(80, 180, 2))[:48]


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory, greens: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("painted") / "frames"
    return paint(folder, [(128, int(green), 60) for green in greens])


def window_of(item: TellingFrame, found: ClassPrediction) -> int:
    """First frame of the window whose score an item bears."""
    column = found.scores[:, found.classes.index(item.label)]
    (window,) = np.flatnonzero(np.isclose(column, item.score, rtol=0, atol=1e-12))
    return round(float(found.starts_s[window]) * 30)


def test_the_frame_is_the_one_with_the_highest_score_of_its_own(
    painted: Path, greens: np.ndarray
) -> None:
    found = predict_classes(trained_on(Colours(2), ("red", "green")), painted, SETTINGS)
    assert [item.label for item in found.telling] == ["green"] * 3
    windows = [window_of(item, found) for item in found.telling]
    assert all(abs(a - b) >= 12 for a, b in combinations(windows, 2))
    scores = [item.score for item in found.telling]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == found.scores[:, 1].max()
    for item, start in zip(found.telling, windows, strict=True):
        best = max((start + offset for offset in OFFSETS), key=lambda index: greens[index])
        assert item.time_s == pytest.approx(best / 30)
        expected = np.broadcast_to(np.array([128, greens[best], 60], np.uint8), (32, 32, 3))
        np.testing.assert_array_equal(item.frame, expected)


def test_each_label_has_its_own(painted: Path, greens: np.ndarray) -> None:
    """Red and blue never change, so that theirs are the first windows and frames."""
    trained = trained_on(Colours(3), ("red", "green", "blue"), multi_label=True)
    found = predict_classes(trained, painted, SETTINGS)
    assert [item.label for item in found.telling] == ["red"] * 3 + ["green"] * 3 + ["blue"] * 3
    assert [item.score for item in found.telling[:3]] == pytest.approx([0.5] * 3, abs=1e-3)
    assert found.telling[3].score == found.scores[:, 1].max()


def test_of_many_classes_the_highest_are_shown(tmp_path: Path) -> None:
    names = tuple("abcdef")
    trained = trained_on(small_classifier(6), names)
    found = predict_classes(trained, film(tmp_path / "film.mp4"), SETTINGS)
    shown = list(dict.fromkeys(item.label for item in found.telling))
    ranked = sorted(names, key=lambda name: -found.highest_scores[name])
    assert shown == sorted(ranked[:MAX_CLASSES])


@pytest.mark.parametrize("num_telling", [0, 1])
def test_their_number_can_be_set(painted: Path, num_telling: int) -> None:
    settings = PredictSettings(num_telling=num_telling)
    found = predict_classes(trained_on(Colours(2), ("red", "green")), painted, settings)
    assert len(found.telling) == num_telling


def test_a_short_video_has_one(tmp_path: Path) -> None:
    found = predict_classes(trained_on(Colours(2)), film(tmp_path / "film.mp4", 5), SETTINGS)
    assert len(found.telling) == 1


def test_attention_is_that_of_the_frame_in_its_window(painted: Path, greens: np.ndarray) -> None:
    network = Colours(2)
    trained = trained_on(network, ("red", "green"), size_px=48, std=(0.3, 0.2, 0.1))
    found = predict_classes(trained, painted, SETTINGS)
    for item in found.telling:
        assert item.attention.shape == (3, 3)
        assert item.frame.shape == (48, 48, 3)
        assert 0 < item.attention.sum() < 1  # the class token attends to itself too
        start = window_of(item, found)
        indices = [start + offset for offset in OFFSETS]
        colours = np.array([(128, greens[index], 60) for index in indices], np.uint8)
        clip = np.broadcast_to(colours[None, :, None, None], (1, 4, 48, 48, 3)).copy()
        normal = normalise(torch.from_numpy(clip), std=(0.3, 0.2, 0.1))
        with torch.no_grad():
            weights = network.backbone.last_attention(normal)  # (T, heads, 1 + P, 1 + P)
        best = indices.index(round(item.time_s * 30))
        expected = weights[best, :, 0, 1:].mean(0).reshape(3, 3)
        np.testing.assert_allclose(item.attention, expected.numpy(), rtol=1e-5)


def test_frames_of_the_originals_test_clip_are_pictures_too(painted: Path) -> None:
    trained = trained_on(Colours(2), ("red", "green"), original_test_clip=True)
    found = predict_classes(trained, painted, SETTINGS)
    assert found.telling[0].frame.dtype == np.uint8
    assert found.telling[0].frame[0, 0, [0, 2]].tolist() == [128, 60]
