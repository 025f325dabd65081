import csv
import json
import math
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from endofm.data.frame_quality import (
    FLAGS,
    ClipQuality,
    FrameMeasures,
    FrameMeter,
    Limits,
    fault,
    flags,
    summarise,
)
from endofm.data.images import read_image
from endofm.data.video import open_video
from tests.data.drawn_scenes import (
    INSIDE,
    OUTSIDE,
    SIZE_HW,
    Picture,
    circled,
    coloured,
    planes,
    texture,
)

LIMITS = Limits()
DATA = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real videos in {DATA}")


def measure(rgb: Picture) -> FrameMeasures:
    return FrameMeter()(*planes(rgb))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def tissue(rng: np.random.Generator) -> Picture:
    return INSIDE["white light"](rng)


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("noise", [0, 6])
def test_tissue_stays(name: str, noise: int) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        picture = INSIDE[name](rng) + rng.normal(0, noise, (*SIZE_HW, 3))
        assert fault(measure(picture.clip(0, 255).astype(np.uint8)), LIMITS) == ""


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("noise", [0, 4])
def test_what_is_not_tissue_goes(name: str, noise: int) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        picture = OUTSIDE[name](rng) + rng.normal(0, noise, (*SIZE_HW, 3))
        found = measure(picture.clip(0, 255).astype(np.uint8))
        assert fault(found, LIMITS) == "out_of_body", found


def test_a_little_tissue_keeps_a_frame(rng: np.random.Generator, tissue: Picture) -> None:
    picture = OUTSIDE["grey wall"](rng)
    picture[:60, :120] = tissue[:60, :120]
    assert fault(measure(picture), LIMITS) == ""


@pytest.mark.parametrize("level", [0, 12])
def test_black_frames_go(rng: np.random.Generator, level: int) -> None:
    noisy = np.clip(level + rng.normal(0, 3, (*SIZE_HW, 3)), 0, 255).astype(np.uint8)
    found = measure(noisy)
    assert found.dark == 1.0
    assert fault(found, LIMITS) == "black"
    assert flags(found, LIMITS) == frozenset()


@pytest.mark.parametrize("name", ["white light", "capsule", "dim and distant"])
@pytest.mark.parametrize("scale", [0.5, 1.5, 2.0])
def test_measures_do_not_depend_on_the_size(name: str, scale: float) -> None:
    picture = cv2.GaussianBlur(INSIDE[name](np.random.default_rng(3)), (0, 0), 1.5)
    size_wh = (int(SIZE_HW[1] * scale), int(SIZE_HW[0] * scale))
    other = cv2.resize(picture, size_wh, interpolation=cv2.INTER_LINEAR_EXACT).astype(np.uint8)
    small, large = measure(picture.astype(np.uint8)), measure(other)
    for field in ("brightness", "dark", "burnt", "redness", "tissue", "vivid"):
        assert getattr(large, field) == pytest.approx(getattr(small, field), abs=0.02), field
    assert large.sharpness == pytest.approx(small.sharpness, rel=0.2, abs=0.03)


def test_mirrored_frames_measure_alike(tissue: Picture) -> None:
    """A frame turned by half holds the same: no corner counts for more."""
    one, other = measure(circled(tissue)), measure(circled(tissue)[::-1, ::-1])
    for field in fields(FrameMeasures)[:-1]:
        assert getattr(other, field.name) == pytest.approx(getattr(one, field.name), rel=0.03)


def test_the_border_does_not_count(rng: np.random.Generator) -> None:
    picture = coloured(texture(rng), (150, 90, 60), contrast=0.2)
    whole, ringed = measure(picture), measure(circled(picture, 0.35))
    assert ringed.dark > 0.7
    assert ringed.brightness == pytest.approx(whole.brightness, rel=0.1)
    assert ringed.redness == pytest.approx(whole.redness, abs=0.02)
    assert ringed.sharpness == pytest.approx(whole.sharpness, rel=0.3)


def test_a_dark_lumen_is_content(tissue: Picture) -> None:
    holed = circled(tissue)
    cv2.circle(holed, (228, 128), 60, (0, 0, 0), -1)
    assert measure(holed).brightness < 0.8 * measure(circled(tissue)).brightness


def test_thin_writing_in_the_border_is_no_content(tissue: Picture) -> None:
    written = circled(tissue, 0.35)
    before = measure(written)
    for row, text in [
        (12, "DOE, JANE 1961-02-03 STREET, TOWN"),
        (128, "ID 47"),
        (250, "12:30" * 7),
    ]:
        cv2.putText(written, text, (4, row), 0, 0.4, (120, 120, 120), 1)
    assert measure(written).brightness == pytest.approx(before.brightness, rel=0.02)


@pytest.mark.parametrize("name", INSIDE)
def test_sharpness_falls_with_blur(name: str) -> None:
    picture = INSIDE[name](np.random.default_rng(1))
    found = [
        measure(cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.uint8)).sharpness
        for sigma in (0.6, 1.5, 3, 6)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 2 * found[3]


def test_sharpness_bears_gain(rng: np.random.Generator) -> None:
    shade = texture(rng)
    bright = measure(coloured(shade, (160, 100, 80), contrast=0.3)).sharpness
    for colour, contrast in [((80, 50, 40), 0.3), ((160, 100, 80), 0.15)]:
        assert measure(coloured(shade, colour, contrast=contrast)).sharpness == pytest.approx(
            bright, rel=0.25
        )


def test_noise_on_nothing_is_not_sharp(rng: np.random.Generator) -> None:
    flat = np.full((*SIZE_HW, 3), (150, 90, 60)) + rng.normal(0, 1, (*SIZE_HW, 1))
    assert "blurred" in flags(measure(flat.round().astype(np.uint8)), LIMITS)


def test_flags_of_what_is_seen(tissue: Picture) -> None:
    assert flags(measure(tissue), LIMITS) == frozenset()
    blurred = cv2.GaussianBlur(tissue, (0, 0), 6).astype(np.uint8)
    assert flags(measure(blurred), LIMITS) == {"blurred"}
    assert flags(measure((tissue * 0.15).astype(np.uint8)), LIMITS) >= {"under_exposed"}
    burnt = tissue.copy()
    burnt[:, :200] = 255
    found = measure(burnt)
    assert found.burnt == pytest.approx(200 / 456, abs=0.02)
    assert "over_exposed" in flags(found, LIMITS)
    assert fault(found, LIMITS) == ""


def test_change_and_frozen_frames(tissue: Picture) -> None:
    meter = FrameMeter()
    moved = np.roll(tissue, 8, axis=1)
    first, same, other = (meter(*planes(frame)) for frame in (tissue, tissue, moved))
    assert math.isnan(first.change)
    assert "frozen" not in flags(first, LIMITS)
    assert same.change == 0
    assert "frozen" in flags(same, LIMITS)
    assert other.change > 0.01
    assert "frozen" not in flags(other, LIMITS)
    assert math.isnan(meter(*planes(tissue[:128])).change)


def test_change_is_a_share_of_the_range() -> None:
    meter = FrameMeter()
    chroma = np.full((128, 228), 128, dtype=np.uint8)
    meter(np.full(SIZE_HW, 16, dtype=np.uint8), chroma, chroma)
    assert meter(np.full(SIZE_HW, 235, dtype=np.uint8), chroma, chroma).change == pytest.approx(1)


@pytest.mark.parametrize("size_hw", [(2, 2), (16, 900), (900, 16), (31, 47)])
def test_odd_sizes_are_measured(size_hw: tuple[int, int]) -> None:
    half = tuple((side + 1) // 2 for side in size_hw)
    found = FrameMeter()(
        np.full(size_hw, 120, dtype=np.uint8),
        np.full(half, 110, dtype=np.uint8),
        np.full(half, 160, dtype=np.uint8),
    )
    assert found.brightness == pytest.approx((120 - 16) / 219, abs=1e-3)
    assert fault(found, LIMITS) == ""


def test_limits_are_what_decides(tissue: Picture) -> None:
    found = measure(tissue)
    assert fault(found, replace(LIMITS, outside_tissue=1.0)) == "out_of_body"
    assert fault(found, replace(LIMITS, black_dark=0.0)) == "black"
    strict = Limits(frozen_change=9, over_exposed_burnt=0, under_exposed_brightness=1)
    strict = replace(strict, blurred_sharpness=99)
    assert flags(replace(found, change=0.1), strict) == set(FLAGS)


def test_a_clip_is_the_mean_of_its_frames(rng: np.random.Generator, tissue: Picture) -> None:
    meter = FrameMeter()
    black, wall = np.zeros_like(tissue), OUTSIDE["grey wall"](rng)
    frames = [meter(*planes(frame)) for frame in (tissue, tissue, black, wall)]
    quality = summarise(frames, LIMITS)
    assert quality.brightness == pytest.approx(np.mean([frame.brightness for frame in frames]))
    assert quality.change == pytest.approx(np.mean([frame.change for frame in frames[1:]]))
    assert (quality.black_share, quality.out_of_body_share) == (0.25, 0.25)
    assert (quality.frozen_share, quality.over_exposed_share) == (0.25, 0)
    stored = json.loads(json.dumps(quality.as_dict()))
    assert list(stored) == [field.name for field in fields(ClipQuality)]
    assert ClipQuality(**stored).brightness == pytest.approx(quality.brightness, abs=1e-5)
    assert summarise(frames[:1], LIMITS).change == 0
    with pytest.raises(ValueError, match="without frames"):
        summarise([], LIMITS)


@real
@pytest.mark.real
@pytest.mark.slow
def test_no_frame_of_a_colon_is_dropped() -> None:
    folder = DATA / "cvc-clinicdb"
    with (folder / "sequences.csv").open(encoding="utf-8") as file:
        names = [f"{row['frame']}.png" for row in csv.DictReader(file)]
    assert len(names) == 612
    for name in names:
        found = measure(read_image(folder / "Original" / name))
        assert fault(found, LIMITS) == "", name
        assert not flags(found, LIMITS), name


@real
@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("name", ["g57_VID26_693.mp4", "g19_VID15_1911.mp4"])
def test_of_an_operation_only_the_black_end_is_dropped(name: str) -> None:
    with open_video(DATA / "cholect50-clips" / name) as video:
        numbers = range(0, video.info.num_frames, 20)
        faults = [
            fault(measure(cv2.resize(picture, (456, 256)).astype(np.uint8)), LIMITS)
            for picture in video.frames(list(numbers))
        ]
    end = 34 if "VID15" in name else 40  # a black screen, on which a message comes and goes
    assert set(faults[:end]) == {""}
    assert "" not in faults[end:]
