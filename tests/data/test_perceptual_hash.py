import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from endofm.data.hash_matching import MOST_BITS
from endofm.data.perceptual_hash import NUM_BITS, distances, frame_hash


def scene(seed: int, *, height: int = 240, width: int = 320) -> NDArray[np.uint8]:
    """Smooth blobs, different for every seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 220, (9, 12)).astype(np.float32)
    return (
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        .clip(0, 255)
        .astype(np.uint8)
    )


def distance(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    one, other = frame_hash(first), frame_hash(second)
    assert one is not None
    assert other is not None
    return int(distances(one, other))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(90, 700), st.integers(90, 700), st.integers(20, 95))
def test_size_quality_and_brightness_hardly_matter(
    seed: int, height: int, width: int, quality: int
) -> None:
    picture = scene(seed)
    scaled = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    dimmed = (scaled * 0.8 + 10).astype(np.uint8)
    data = cv2.imencode(".jpg", dimmed, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    again = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert again is not None
    assert distance(picture, again.astype(np.uint8)) < MOST_BITS


def test_a_border_does_not_matter() -> None:
    picture = scene(1).clip(60, 255)
    framed = np.pad(picture, [(30, 50), (80, 20)], constant_values=6)
    assert distance(picture, framed) < MOST_BITS


def test_strangers_are_far_apart() -> None:
    hashes = np.stack([word for seed in range(46) if (word := frame_hash(scene(seed))) is not None])
    rows, columns = np.triu_indices(46, 1)
    assert len(rows) == 1035
    apart = distances(hashes[rows], hashes[columns])
    assert apart.min() > MOST_BITS
    assert apart.mean() == pytest.approx(NUM_BITS / 2, abs=6)


def test_cut_corners_do_not_make_strangers_alike() -> None:
    rows, columns = np.mgrid[:240, :320]
    inside = np.abs(rows - 120) / 120 + np.abs(columns - 160) / 160 < 1.5
    first, second = (np.where(inside, scene(seed), 3).astype(np.uint8) for seed in (7, 8))
    assert distance(first, second) > MOST_BITS


@pytest.mark.parametrize("value", [0, 5, 90, 255])
def test_a_picture_of_nothing_has_no_hash(value: int) -> None:
    assert frame_hash(np.full((240, 320), value, np.uint8)) is None
