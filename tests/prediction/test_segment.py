import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from endofm.data.colour import IMAGENET_MEAN, IMAGENET_STD
from endofm.data.video import FolderReader, VideoInfo, open_video, write_video
from endofm.errors import ConfigError, VideoError
from endofm.models import TransUNet
from endofm.prediction import segment
from endofm.prediction.segment import NUM_LARGEST, largest_frames, predict_masks
from endofm.tasks import segment_data
from endofm.tasks.segment_config import FrameSettings
from tests.prediction.builder import film, noise, paint
from tests.prediction.mask_builder import FRAMES, Bright, small_segmenter, trained_on

NETWORK = small_segmenter()
GREY, WHITE = (40, 40, 40), (220, 220, 220)


@torch.inference_mode()
def naive_probs(network: TransUNet, video: Path, settings: FrameSettings) -> NDArray[np.float64]:
    """Every window by itself, all kept: (N, H, W)."""
    with open_video(video) as reader:
        frames = list(reader.stream())
    (height, width), (h, w) = frames[0].shape[:2], settings.size_hw
    seen = np.stack([cv2.resize(frame, (w, h)) for frame in frames]) / 255
    seen = (seen - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    num, span = len(frames), min(settings.clip_frames, len(frames))
    total, weights = np.zeros((num, h, w)), np.zeros((num, 1, 1))
    start = 0
    while True:
        start = min(start, num - span)
        clip = torch.from_numpy(seen[start : start + span]).float().permute(0, 3, 1, 2)
        probs = network(clip[None]).softmax(2)[0, :, 1].numpy()
        for place in range(span):
            weight = min(place + 1, span - place)
            total[start + place] += weight * probs[place]
            weights[start + place] += weight
        if start == num - span:
            break
        start += settings.clip_frames - settings.overlap_frames
    return np.stack([cv2.resize(probs, (width, height)) for probs in total / weights])


@pytest.mark.parametrize(
    ("num_frames", "height", "width", "clip_frames", "overlap_frames"),
    [(11, 48, 64, 4, 2), (7, 51, 33, 3, 0), (3, 40, 40, 8, 5), (1, 37, 65, 4, 2)],
)
def test_masks_are_those_of_every_window_by_itself(
    tmp_path: Path,
    *,
    num_frames: int,
    height: int,
    width: int,
    clip_frames: int,
    overlap_frames: int,
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, picture in enumerate(noise(num_frames, height=height, width=width)):
        cv2.imwrite(str(frames / f"frame {number}.png"), picture)
    file = tmp_path / "film.mp4"
    write_video(file, noise(num_frames, height=height + height % 2, width=width + width % 2), fps=9)
    settings = FRAMES.model_copy(
        update={"clip_frames": clip_frames, "overlap_frames": overlap_frames}
    )
    for video in (frames, file):
        found = predict_masks(trained_on(NETWORK, settings), video)
        expected = naive_probs(NETWORK, video, settings)
        assert len(found.masks) == len(expected) == num_frames
        masks = np.stack([found.mask(index) for index in range(num_frames)])
        assert masks.shape == expected.shape
        sure = np.abs(expected - 0.5) > 1e-5
        assert sure.mean() > 0.9
        assert 0.02 < masks.mean() < 0.98
        np.testing.assert_array_equal(masks[sure], expected[sure] > 0.5)
        np.testing.assert_allclose(found.confidence, expected.max((1, 2)), atol=1e-5)
        np.testing.assert_allclose(found.areas, masks.mean((1, 2)))
        with open_video(video) as reader:
            assert found.video == reader.info
            np.testing.assert_array_equal(found.times_s, reader.times_s)


def test_what_was_asked_is_kept(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = predict_masks(
        trained_on(NETWORK),
        film(tmp_path / "film.mp4", 5),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(done, 5) for done in range(1, 6)]
    assert (found.source, found.data_note, found.frames) == ("runs/s", "", FRAMES)
    assert len(found.weights_sha256) == 64


@pytest.mark.parametrize(
    ("colours", "spans", "largest"),
    [
        ([GREY] * 5, [], []),
        ([WHITE] * 5, [(0, 5)], [0]),
        ([GREY, GREY, WHITE, WHITE, GREY, GREY, WHITE], [(2, 4), (6, 7)], [2, 6]),
        ([WHITE], [(0, 1)], [0]),
    ],
)
def test_stretches_are_where_a_lesion_is_seen(
    tmp_path: Path,
    colours: list[tuple[int, int, int]],
    spans: list[tuple[int, int]],
    largest: list[int],
) -> None:
    settings = FRAMES.model_copy(update={"clip_frames": 1, "overlap_frames": 0})
    found = predict_masks(trained_on(Bright(), settings), paint(tmp_path / "frames", colours))
    assert [(round(30 * span.start_s), round(30 * span.end_s)) for span in found.spans] == spans
    assert found.areas.tolist() == [float(colour == WHITE) for colour in colours]
    assert found.lesion_share == pytest.approx(np.mean([colour == WHITE for colour in colours]))
    assert ((found.confidence > 0.5) == (found.areas_px > 0)).all()
    assert found.longest_s == pytest.approx(max((b - a for a, b in spans), default=0) / 30)
    assert [item.index for item in found.largest] == largest
    for item in found.largest:
        assert item.frame.shape == (400, 560, 3)
        assert (item.frame == 220).all()


def test_of_many_stretches_the_longest_are_shown_in_order_of_time() -> None:
    areas: list[int] = []
    for length in (3, 1, 2, 5, 2, 4, 2, 2):
        areas += [0, *range(7, 7 - length, -1)]
    areas[2] = 9  # the second frame of the first stretch
    found = largest_frames(np.array(areas))
    starts = [k for k, area in enumerate(areas) if area == 7]
    assert len(found) == NUM_LARGEST
    assert found == [2, *(starts[k] for k in (2, 3, 4, 5, 6))]
    assert largest_frames(np.zeros(4, int)) == []


def test_no_more_than_a_window_of_frames_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = paint(tmp_path / "frames", [GREY] * 40)
    held: list[weakref.ref[NDArray[np.uint8]]] = []
    most, read = 0, 0

    def stream(self: FolderReader) -> Iterator[NDArray[np.uint8]]:
        nonlocal most, read
        for index in range(self.info.num_frames):
            picture = self.frames([index])[0]
            held.append(weakref.ref(picture))
            read += 1
            most = max(most, sum(ref() is not None for ref in held))
            yield picture

    small: list[weakref.ref[NDArray[np.uint8]]] = []
    most_small = 0

    def seen_pixels(frame: NDArray[np.uint8], settings: FrameSettings) -> NDArray[np.uint8]:
        nonlocal most_small
        picture = segment_data.seen_pixels(frame, settings)
        small.append(weakref.ref(picture))
        most_small = max(most_small, sum(ref() is not None for ref in small))
        return picture

    monkeypatch.setattr(FolderReader, "stream", stream)
    monkeypatch.setattr(segment, "seen_pixels", seen_pixels)
    found = predict_masks(trained_on(Bright()), frames)
    assert (read, len(found.masks)) == (40, 40)
    assert most <= 2
    assert most_small <= FRAMES.clip_frames + 1


def test_a_video_with_fewer_frames_than_it_says_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = paint(tmp_path / "frames", [GREY] * 9)

    def stream(self: FolderReader, num: int) -> Iterator[NDArray[np.uint8]]:
        return (self.frames([index % 9])[0] for index in range(num))

    for num in (0, 1, 4, 8):
        monkeypatch.setattr(FolderReader, "stream", lambda self, num=num: stream(self, num))
        with pytest.raises(VideoError, match=rf"frames ends after {num} of 9 frames; copy") as told:
            predict_masks(trained_on(Bright()), frames)
        assert "\n" not in str(told.value)
    monkeypatch.setattr(FolderReader, "stream", lambda self: stream(self, 12))
    assert len(predict_masks(trained_on(Bright()), frames).masks) == 9


def test_a_video_that_is_damaged_midway_is_told(tmp_path: Path) -> None:
    video = film(tmp_path / "film.mp4", 60, height=96, width=128)
    content = bytearray(video.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    video.write_bytes(content)
    with pytest.raises(VideoError, match=r"film\.mp4") as told:
        predict_masks(trained_on(Bright()), video)
    assert "\n" not in str(told.value)
    frames = paint(tmp_path / "frames", [GREY] * 9)
    (frames / "5.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"5\.png"):
        predict_masks(trained_on(Bright()), frames)


def test_frames_that_do_not_split_into_patches_are_told(tmp_path: Path) -> None:
    settings = FRAMES.model_copy(update={"size_hw": (40, 48)})
    with pytest.raises(ConfigError, match="40 x 48 px do not split into 16 x 16 patches"):
        predict_masks(trained_on(NETWORK, settings), film(tmp_path / "film.mp4", 3))


def test_frames_are_named_as_their_files(tmp_path: Path) -> None:
    frames = paint(tmp_path / "frames", [GREY, WHITE, GREY])
    found = predict_masks(trained_on(Bright()), frames)
    assert found.names == ("0", "1", "2")
    assert found.video == VideoInfo(frames, 3, 30.0, 40, 56)
