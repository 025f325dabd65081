"""The detector's parts: alone or together, whatever the number of frames."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from endofm.boxes import clip_boxes, sizes
from endofm.errors import ConfigError
from endofm.models import Detector, timesformer_tiny
from endofm.models.candidates import Choice
from endofm.models.fcos import boxes_at_cells, cell_centres
from endofm.models.stft import attend, box_cues


@pytest.fixture(scope="module")
def detector() -> Detector:
    """With weights large enough that frames matter."""
    torch.manual_seed(0)
    model = Detector(timesformer_tiny(), channels=64).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(("head", "transform")) and parameter.ndim == 4:
                parameter.mul_(20)
            if name.startswith("transform") and "offsets" in name:
                parameter.mul_(20)
    return model


@pytest.fixture(scope="module")
def frames() -> Tensor:
    return torch.randn(2, 4, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_levels_have_the_shapes_they_promise(detector: Detector, frames: Tensor) -> None:
    outputs = detector(frames)
    assert [level.stride for level in outputs] == [8, 16, 32, 64, 128]
    for level in outputs:
        cells = (-(-64 // level.stride), -(-96 // level.stride))
        assert level.class_logits.shape == level.stft_class_logits.shape == (2, 2, *cells)
        assert level.centreness_logits.shape == (2, 1, *cells)
        assert level.distances_px.shape == level.corrections.shape == (2, 4, *cells)
        assert float(level.distances_px.min()) >= 0


@torch.inference_mode()
def test_a_batch_is_its_parts(detector: Detector, frames: Tensor) -> None:
    for together, alone in zip(detector(frames), detector(frames[1:]), strict=True):
        torch.testing.assert_close(
            together.stft_class_logits[1:], alone.stft_class_logits, rtol=1e-4, atol=1e-4
        )


@torch.inference_mode()
def test_references_have_no_order_when_each_frame_passes_alone(
    detector: Detector, frames: Tensor
) -> None:
    turned = frames[:, [0, 3, 1, 2]]
    first, second = (detector(given, features="independent") for given in (frames, turned))
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one.corrections, other.corrections, rtol=1e-4, atol=1e-4)
    joint = detector(frames)[0].class_logits
    assert not torch.allclose(joint, first[0].class_logits, atol=1e-3)


@torch.inference_mode()
def test_references_change_only_the_second_thoughts(detector: Detector, frames: Tensor) -> None:
    several = detector(frames, features="independent")[0]
    none = detector(frames[:, :1], features="independent")[0]
    torch.testing.assert_close(several.class_logits, none.class_logits, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(several.stft_class_logits, none.stft_class_logits, atol=1e-3)


def test_attention_is_that_of_each_channel() -> None:
    generator = torch.Generator().manual_seed(0)
    current = torch.randn(2, 3, 4, 5, generator=generator)
    others = torch.randn(2, 6, 3, 4, 5, generator=generator)
    expected = current.clone()
    for b, c in ((b, c) for b in range(2) for c in range(3)):
        likeness = [(current[b, c] * others[b, r, c]).sum() / 20**0.5 for r in range(6)]
        weights = torch.stack(likeness).softmax(0)
        for r in range(6):
            expected[b, c] += weights[r] * others[b, r, c]
    torch.testing.assert_close(attend(current, others), expected)


def test_cells_lie_in_the_middle_of_their_stride() -> None:
    centres = cell_centres((2, 3), stride=8, like=torch.empty(0))
    assert centres[:, 1, 2].tolist() == [20, 12]
    distances = torch.tensor([1.0, 2, 3, 4])[:, None, None].expand(1, 4, 2, 3)
    assert boxes_at_cells(distances, stride=8)[0, :, 1, 2].tolist() == [19, 10, 23, 16]
    cues = box_cues(distances, stride=8)
    assert cues.shape == (1, 4, 2, 3)
    # x of box and cell are clamped to 2, y to 1: nothing is left to the right or below
    assert cues[0, :, 1, 2].tolist() == [0, 0, 0, 0]
    assert cues[0, :, 0, 0].tolist() == [-0.125, -0.25, 0.375, 0.5]


def test_found_boxes_are_sorted_inside_and_few(detector: Detector, frames: Tensor) -> None:
    choice = Choice(score_from=0.0, most=20, keep_inverted=False)
    for found in detector.detect(frames, choice=choice):
        assert 0 < len(found) <= 20
        assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
        torch.testing.assert_close(found.boxes_xyxy, clip_boxes(found.boxes_xyxy, size_hw=(64, 96)))
        assert set(found.labels.tolist()) <= {1, 2}
        assert bool((sizes(found.boxes_xyxy) > 0).all())
    every = detector.detect(frames, choice=Choice(score_from=0.0))
    assert any(bool((sizes(found.boxes_xyxy) <= 0).any()) for found in every)
    nothing = detector.detect(frames, choice=Choice(score_from=1.0))
    assert [len(found) for found in nothing] == [0, 0]


def test_what_does_not_fit_is_refused(detector: Detector) -> None:
    for shape, message in (
        ((3, 64, 64), "not .B, 1 . R, 3, H, W."),
        ((1, 2, 1, 64, 64), "not .B, 1 . R, 3, H, W."),
        ((1, 0, 3, 64, 64), "not .B, 1 . R, 3, H, W."),
        ((1, 2, 3, 64, 80), "multiples of 32 px"),
    ):
        with pytest.raises(ConfigError, match=message):
            detector(torch.zeros(shape))
    with pytest.raises(ConfigError, match="normalise"):
        detector(torch.zeros(1, 1, 3, 64, 64, dtype=torch.uint8))
    with pytest.raises(ConfigError, match="'joint' or 'independent'"):
        detector(torch.zeros(1, 1, 3, 64, 64), features="both")
    with pytest.raises(ConfigError, match="multiple of 32"):
        Detector(timesformer_tiny(), channels=40)
