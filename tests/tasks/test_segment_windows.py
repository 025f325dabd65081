import numpy as np
import pytest
import torch
from torch import Tensor, nn

from endofm.models import TimeSformer, TransUNet
from endofm.tasks.segment_config import FrameSettings
from endofm.tasks.segment_windows import lesion_probs


class _Numbered(nn.Module):
    """Says of a frame a mix of its own value and of its window's, so that windows differ."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, 2, 1)
        self.windows: list[list[int]] = []

    def forward(self, frames: Tensor) -> Tensor:
        values = frames[0, :, 0]  # (T, h, w)
        self.windows.append(values[:, 0, 0].mul(255).round().int().tolist())
        logit = values * 3 + values[0, 0, 0] + len(values) / 10
        return torch.stack([torch.zeros_like(logit), logit], 1)[None]


def _ask(num_frames: int, settings: FrameSettings) -> tuple[np.ndarray, list[list[int]]]:
    network = _Numbered()
    pictures = (np.full((2, 3, 3), number, np.uint8) for number in range(num_frames))
    found = lesion_probs(
        network,  # type: ignore[arg-type]  # all that is asked of a TransUNet
        pictures,
        num_frames=num_frames,
        settings=settings,
    )
    return np.stack(list(found)), network.windows


def _naive(num_frames: int, windows: list[list[int]]) -> np.ndarray:
    total, weights = np.zeros(num_frames), np.zeros(num_frames)
    for window in windows:
        for place, number in enumerate(window):
            logit = number / 255 * 3 + window[0] / 255 + len(window) / 10
            weight = min(place + 1, len(window) - place)
            total[number] += weight / (1 + np.exp(-logit))
            weights[number] += weight
    return total / weights


@pytest.mark.parametrize(
    ("num_frames", "span", "overlap"),
    [(1, 4, 1), (3, 4, 0), (4, 4, 2), (5, 4, 3), (11, 4, 1), (23, 5, 2), (24, 8, 7), (9, 1, 0)],
)
def test_windows_cover_a_sequence_and_are_blended_by_their_distance_to_the_end(
    num_frames: int, span: int, overlap: int
) -> None:
    settings = FrameSettings(
        clip_frames=span, overlap_frames=overlap, mean=(0, 0, 0), std=(1, 1, 1)
    )
    probs, windows = _ask(num_frames, settings)
    assert probs.shape == (num_frames, 2, 3)
    assert probs.dtype == np.float32
    assert {number for window in windows for number in window} == set(range(num_frames))
    assert all(window == list(range(window[0], window[0] + len(window))) for window in windows)
    assert all(len(window) == min(span, num_frames) for window in windows)
    np.testing.assert_allclose(probs[:, 0, 0], _naive(num_frames, windows), atol=1e-6)


def test_frames_are_asked_for_no_earlier_than_they_are_needed() -> None:
    taken: list[int] = []

    def pictures() -> object:
        for number in range(100):
            taken.append(number)
            yield np.zeros((2, 3, 3), np.uint8)

    settings = FrameSettings(clip_frames=8, overlap_frames=3)
    found = lesion_probs(
        _Numbered(),  # type: ignore[arg-type]  # all that is asked of a TransUNet
        pictures(),  # type: ignore[arg-type]  # an iterator
        num_frames=100,
        settings=settings,
    )
    for number, _ in enumerate(found):
        assert len(taken) <= number + 8
    assert taken == list(range(100))


def test_a_segmenter_of_ours_sees_a_whole_short_sequence_at_once() -> None:
    torch.manual_seed(0)
    network = TransUNet(TimeSformer(embed_dim=64, depth=1, num_heads=1, grid=2), width=16).eval()
    settings = FrameSettings(size_hw=(32, 32), clip_frames=6, overlap_frames=2)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    found = np.stack(list(lesion_probs(network, pictures, num_frames=3, settings=settings)))
    mean, std = torch.tensor(settings.mean), torch.tensor(settings.std)
    frames = ((torch.from_numpy(pictures) / 255 - mean) / std).permute(0, 3, 1, 2)[None]
    with torch.no_grad():
        expected = network(frames).softmax(2)[0, :, 1]
    np.testing.assert_allclose(found, expected, atol=1e-5)
