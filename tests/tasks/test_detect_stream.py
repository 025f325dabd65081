"""A stream gives what the whole video gives, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from endofm.boxes import Detections
from endofm.data.references import reference_places
from endofm.errors import DataError
from endofm.models import Detector, timesformer_tiny
from endofm.models.candidates import Choice
from endofm.tasks.detect_config import FrameSettings, ReferenceSettings
from endofm.tasks.detect_data import Placement, network_frames, seen_pixels
from endofm.tasks.detect_stream import DetectionStream, detect_all

FRAMES = FrameSettings(size_hw=(64, 96))
CHOICE = Choice(score_from=0.0, most=15, keep_inverted=False)


@pytest.fixture(scope="module")
def detector() -> Detector:
    """With weights large enough that frames and their references matter."""
    torch.manual_seed(0)
    model = Detector(timesformer_tiny(), channels=64).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(("head", "transform")) and parameter.ndim == 4:
                parameter.mul_(6)
    return model


@pytest.fixture(scope="module")
def video() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (50, 70, 3), dtype=np.uint8) for _ in range(8)]


def stream_of(detector: Detector, references: ReferenceSettings) -> DetectionStream:
    return DetectionStream(detector, frames=FRAMES, references=references, choice=CHOICE)


def in_one_go(
    detector: Detector, video: list[NDArray[np.uint8]], place: int, references: ReferenceSettings
) -> Detections:
    """The frame and its references together, as the network's own ``detect`` takes them."""
    chosen = reference_places(place, num_frames=len(video), **references.model_dump())
    placement = Placement.fit((50, 70), FRAMES)
    pictures = [seen_pixels(video[at], placement, FRAMES) for at in (place, *chosen)]
    batch = network_frames(torch.from_numpy(np.stack(pictures))[None], FRAMES)
    found = detector.detect(batch, features="independent", choice=CHOICE)[0]
    boxes = placement.boxes_back(found.boxes_xyxy)
    boxes = boxes.clamp(min=0).minimum(torch.tensor([69.0, 49, 69, 49]))
    covers = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(-1)
    return Detections(boxes, found.scores, found.labels).chosen(covers)


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("num", [0, 2, 5])
def test_the_stream_gives_the_boxes_of_the_batch(
    detector: Detector, video: list[NDArray[np.uint8]], num: int, online: bool
) -> None:
    references = ReferenceSettings(num=num, reach_frames=3, online=online)
    found = list(detect_all(stream_of(detector, references), video))
    assert len(found) == len(video)
    for place, one in enumerate(found):
        expected = in_one_go(detector, video, place, references)
        assert len(one) > 0
        torch.testing.assert_close(one.boxes_xyxy, expected.boxes_xyxy, rtol=0, atol=1e-4)
        torch.testing.assert_close(one.scores, expected.scores, rtol=0, atol=1e-5)
        torch.testing.assert_close(one.labels, expected.labels)


def test_online_answers_at_once_and_offline_when_it_has_seen_enough(
    detector: Detector, video: list[NDArray[np.uint8]]
) -> None:
    online = stream_of(detector, ReferenceSettings(num=2, reach_frames=3, online=True))
    assert [len(online.push(frame)) for frame in video] == [1] * 8
    assert online.finish() == []
    offline = stream_of(detector, ReferenceSettings(num=2, reach_frames=3))
    assert [len(offline.push(frame)) for frame in video] == [0, 0, 0, 1, 1, 1, 1, 1]
    assert len(offline.finish()) == 3
    assert offline.finish() == []


def test_a_frame_is_looked_at_once_and_forgotten_in_time(
    detector: Detector, video: list[NDArray[np.uint8]]
) -> None:
    calls = []
    hook = detector.pyramid.register_forward_hook(lambda *_: calls.append(1))
    stream = stream_of(detector, ReferenceSettings(num=4, reach_frames=2))
    held = []
    for frame in video:
        stream.push(frame)
        held.append(stream.num_held)
    hook.remove()
    assert len(calls) == len(video)
    assert max(held) == 4  # two that were answered, two that wait


def test_a_video_is_not_answered_from_the_one_before(
    detector: Detector, video: list[NDArray[np.uint8]]
) -> None:
    stream = stream_of(detector, ReferenceSettings(num=2, reach_frames=3, online=True))
    fresh = list(detect_all(stream, video[4:]))
    for frame in video[:4]:
        stream.push(frame)
    for one, other in zip(detect_all(stream, video[4:]), fresh, strict=True):
        torch.testing.assert_close(one.boxes_xyxy, other.boxes_xyxy, rtol=0, atol=0)


def test_a_frame_of_another_size_is_refused_and_a_reset_takes_it(
    detector: Detector, video: list[NDArray[np.uint8]]
) -> None:
    stream = stream_of(detector, ReferenceSettings(online=True))
    stream.push(video[0])
    other = np.zeros((60, 60, 3), np.uint8)
    with pytest.raises(DataError, match=r"frame 1 of the stream: has 60 x 60 px, .* 70 x 50"):
        stream.push(other)
    assert len(stream.push(video[1])) == 1  # nothing is lost
    stream.reset()
    assert len(stream.push(other)) == 1
