from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from endofm.data.rng import clip_rng
from endofm.data.segmented import FrameSequence
from endofm.data.segmented_search import find_sequences
from endofm.tasks.segment_config import AugmentSettings, FrameSettings
from endofm.tasks.segment_data import (
    EvaluationFrames,
    Placement,
    TrainingSequences,
    network_frames,
    original_pixels,
    seen_pixels,
    training_frames,
)
from tests.data.segmented_folders import write_sequence

SMALL = FrameSettings(size_hw=(32, 48), clip_frames=4, overlap_frames=1)
STILL = AugmentSettings(zoom=(1.0, 1.0), flip=0.0, rotation_deg=0.0, jitter=0.0)


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> FrameSequence:
    root = tmp_path_factory.mktemp("set")
    write_sequence(root, "a", num_frames=6, size_hw=(40, 56))
    (found,) = find_sequences(root)[""]
    return found


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_without_augmentation_training_shows_what_evaluation_shows(
    sequence: FrameSequence,
) -> None:
    batch = TrainingSequences([sequence], SMALL, STILL, seed=0)[0, 0]
    seen = EvaluationFrames([sequence], SMALL)
    pictures = [seen[index].picture for index in range(len(seen))]
    frames = batch.view.frames[0].numpy()
    (start,) = [i for i in range(3) if np.array_equal(frames[0], pictures[i])]
    assert np.array_equal(frames, np.stack(pictures[start : start + 4]))
    assert batch.labels.shape == (1, 4, 32, 48)
    for label, place in zip(batch.labels[0].numpy(), range(start, start + 4), strict=True):
        truth = seen[place].truth
        assert truth.shape == (40, 56)
        expected = cv2.resize(truth.astype(np.uint8), (48, 32), interpolation=cv2.INTER_NEAREST)
        assert np.array_equal(label, expected)
    coloured = training_frames(batch.view, SMALL)
    assert torch.allclose(coloured, network_frames(batch.view.frames, SMALL), atol=1e-5)
    assert coloured.shape == (1, 4, 3, 32, 48)


def test_a_key_gives_the_same_frames_and_another_epoch_others(sequence: FrameSequence) -> None:
    data = TrainingSequences([sequence], SMALL, AugmentSettings(), seed=3)
    first, again, later = data[0, 0], data[0, 0], data[1, 0]
    assert torch.equal(first.view.frames, again.view.frames)
    assert torch.equal(first.labels, again.labels)
    assert torch.equal(first.view.colour.factor, again.view.colour.factor)
    assert not torch.equal(first.view.frames, later.view.frames)
    other = TrainingSequences([sequence], SMALL, AugmentSettings(), seed=4)[0, 0]
    assert not torch.equal(first.view.frames, other.view.frames)


@pytest.mark.parametrize("per_frame", [False, True])
def test_frames_of_a_sequence_are_laid_alike_unless_asked_otherwise(
    tmp_path: Path, *, per_frame: bool
) -> None:
    write_sequence(tmp_path, "a", num_frames=3, size_hw=(40, 56))
    for folder in ("frames", "masks"):  # the same picture three times
        files = sorted((tmp_path / folder / "a").iterdir())
        for file in files[1:]:
            file.write_bytes(files[0].read_bytes())
    (found,) = find_sequences(tmp_path)[""]
    augment = AugmentSettings(zoom=(1.2, 1.6), original_per_frame=per_frame)
    batch = TrainingSequences([found], SMALL, augment, seed=0)[0, 0]
    frames, labels = batch.view.frames[0], batch.labels[0]
    alike = torch.equal(frames[0], frames[1]) and torch.equal(frames[1], frames[2])
    assert alike != per_frame
    assert torch.equal(labels[0], labels[1]) != per_frame


def test_a_mask_moves_with_its_frame() -> None:
    """A picture that is its own mask must stay so, but at the borders, which blend."""
    picture = np.zeros((60, 80, 3), np.uint8)
    cv2.circle(picture, (30, 25), 14, (255, 255, 255), -1)
    for index in range(20):
        placement = Placement.draw((32, 48), AugmentSettings(), rng=clip_rng(0, 0, index))
        frame = placement.apply(picture, (32, 48))[..., 0]
        mask = placement.apply((picture[..., 0] > 0).astype(np.uint8), (32, 48), nearest=True)
        assert set(np.unique(mask)) <= {0, 1}
        assert np.mean((frame > 127) != (mask > 0)) < 0.03


def test_a_placement_is_resize_then_crop_then_mirror_then_turn() -> None:
    picture = _random(30, 40, 3)
    placed = Placement((36, 54), top=3, left=5, flip=True, rotation_deg=0.0)
    resized = cv2.resize(picture, (54, 36))[3 : 3 + 32, 5 : 5 + 48]
    assert np.array_equal(placed.apply(picture, (32, 48)), resized[:, ::-1])
    quarter = Placement((32, 32), top=0, left=0, flip=False, rotation_deg=90.0)
    square = _random(32, 32, 3)
    assert np.array_equal(quarter.apply(square, (32, 32)), np.rot90(square))
    smaller = Placement((16, 16), top=0, left=0, flip=False, rotation_deg=0.0)
    padded = smaller.apply(square, (32, 32))
    assert padded.shape == (32, 32, 3)
    assert not padded[16:].any()


def test_draws_stay_in_range_and_reach_its_ends() -> None:
    settings = AugmentSettings(zoom=(1.0, 1.3), rotation_deg=15, flip=0.5)
    drawn = [Placement.draw((224, 160), settings, rng=clip_rng(0, 0, i)) for i in range(300)]
    heights = [one.zoomed_hw[0] / 224 for one in drawn]
    assert min(heights) >= 1
    assert max(heights) <= 1.301
    assert max(heights) - min(heights) > 0.25
    assert all(one.top + 224 <= one.zoomed_hw[0] for one in drawn)
    assert all(one.left + 160 <= one.zoomed_hw[1] for one in drawn)
    turns = [one.rotation_deg for one in drawn]
    assert min(turns) < -13
    assert max(turns) > 13
    assert max(map(abs, turns)) <= 15
    assert 100 < sum(one.flip for one in drawn) < 200


def test_the_originals_pixels() -> None:
    settings = FrameSettings(original_min_max=True, original_bgr=True)
    frame = np.full((4, 4, 3), (60, 100, 160), np.uint8)
    expected = np.array([255, (100 - 60) / 100 * 255 // 1, 0])
    assert np.array_equal(original_pixels(frame, settings)[0, 0], expected)
    constant = np.full((4, 4, 3), 77, np.uint8)  # the original divided by its range, 0
    assert not original_pixels(constant, settings).any()
    assert np.array_equal(original_pixels(frame, FrameSettings()), frame)


def test_the_network_sees_normalised_rgb() -> None:
    settings = FrameSettings(size_hw=(16, 32), mean=(0.5, 0.4, 0.3), std=(0.5, 0.2, 0.1))
    seen = seen_pixels(np.full((20, 50, 3), (255, 0, 51), np.uint8), settings)
    assert seen.shape == (16, 32, 3)
    values = network_frames(torch.from_numpy(seen)[None, None], settings)
    assert values.shape == (1, 1, 3, 16, 32)
    torch.testing.assert_close(values[0, 0, :, 0, 0], torch.tensor([1.0, -2.0, -1.0]))


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="overlap_frames is 8, give less than the 8"):
        FrameSettings(clip_frames=8, overlap_frames=8)
    with pytest.raises(ValueError, match="size_hw is a single patch, give at least 16 x 32"):
        FrameSettings(size_hw=(16, 16))
    for threshold in (0, 256):
        with pytest.raises(ValueError, match="mask_threshold"):
            FrameSettings(mask_threshold=threshold)
