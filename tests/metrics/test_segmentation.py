from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from endofm.metrics.intervals import Estimate, cluster_bootstrap
from endofm.metrics.segmentation import METRICS, FrameScores, frame_scores, segmentation_scores

OVERLAP, DISTANCES = METRICS[:4], METRICS[4:6]


def blob(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    """Probabilities that fall off around a centre."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    distance = np.hypot(rows - centre[0], columns - centre[1])
    return (1 / (1 + np.exp(distance - radius))).astype(np.float32)


def score(probs: np.ndarray, truth: np.ndarray, *, threshold: float = 0.5) -> FrameScores:
    return frame_scores(probs, probs >= threshold, truth)


def stretched(probs: np.ndarray) -> np.ndarray:
    levels = np.floor(probs.astype(np.float64) * 255) / 255
    low, high = levels.min(), levels.max()
    return (levels - low) / (high - low) if high > low else levels


def naive_e_measure(probs: np.ndarray, truth: np.ndarray) -> float:
    """Fan et al. 2018, Equations 2 to 6, threshold by threshold."""
    levels, values = (stretched(probs) * 255).astype(int), []
    for threshold in range(256):
        marked = (levels >= threshold).astype(float)
        a, b = marked - marked.mean(), truth - truth.mean()
        alignment = 2 * a * b / (a * a + b * b + 1e-16)
        values.append(((1 + alignment) ** 2 / 4).sum() / (truth.size - 1))
    return float(np.mean(values))


def naive_s_measure(probs: np.ndarray, truth: np.ndarray) -> float:
    """Fan et al. 2017, Equations 2 to 10."""
    x, y = stretched(probs), truth.astype(float)

    def alike(values: np.ndarray) -> float:
        return 2 * values.mean() / (values.mean() ** 2 + 1 + values.std(ddof=1))

    def ssim(x: np.ndarray, y: np.ndarray) -> float:
        (xx, xy), (_, yy) = np.cov(x.ravel(), y.ravel())
        top = 4 * x.mean() * y.mean() * xy
        bottom = (x.mean() ** 2 + y.mean() ** 2) * (xx + yy)
        return 1.0 if bottom == 0 else top / bottom

    objects = truth.mean() * alike(x[truth]) + (1 - truth.mean()) * alike(1 - x[~truth])
    row, column = (int(np.round(axis.mean())) + 1 for axis in np.nonzero(truth))
    regions = 0.0
    for rows in (slice(0, row), slice(row, None)):
        for columns in (slice(0, column), slice(column, None)):
            if y[rows, columns].size:
                weight = y[rows, columns].size / y.size
                regions += weight * ssim(x[rows, columns], y[rows, columns])
    return max(0.0, 0.5 * objects + 0.5 * regions)


def test_overlap_is_counted_pixel_by_pixel() -> None:
    rng = np.random.default_rng(0)
    predicted, truth = rng.random((2, 13, 17)) < 0.4
    scores = frame_scores(np.zeros((13, 17), np.float32), predicted, truth)
    pairs = list(zip(predicted.ravel().tolist(), truth.ravel().tolist(), strict=True))
    tp, fp, fn = (pairs.count(pair) for pair in ((True, True), (True, False), (False, True)))
    counted = (scores.true_positive_px, scores.false_positive_px, scores.false_negative_px)
    assert (*counted, scores.num_px) == (tp, fp, fn, 13 * 17)
    assert scores.dice == pytest.approx(tp / (tp + (fp + fn) / 2))
    assert scores.iou == pytest.approx(tp / (tp + fp + fn))
    assert scores.sensitivity == pytest.approx(tp / (tp + fn))
    assert scores.precision == pytest.approx(tp / (tp + fp))


def test_distances_of_squares() -> None:
    truth, predicted = np.zeros((2, 20, 30), dtype=bool)
    truth[2:7, 3:8] = predicted[2:7, 3:8] = True
    predicted[4, 8:28] = True  # a spike of 20 pixels, at 1 to 20 from the square of 16
    scores = frame_scores(predicted.astype(np.float32), predicted, truth)
    there = [0.0] * 15 + [*range(1, 21)]  # the spike's foot is no longer on the surface
    back = [0.0] * 15 + [1.0]
    assert scores.hd95_px == pytest.approx(np.percentile(there, 95))
    assert scores.surface_distance_px == pytest.approx(np.mean(there + back))


def test_perfect_prediction() -> None:
    truth = blob((40, 50), (15, 20), 8) > 0.5
    scores = frame_scores(truth.astype(np.float32), truth, truth)
    assert [getattr(scores, name) for name in OVERLAP] == [1] * 4
    assert [getattr(scores, name) for name in DISTANCES] == [0] * 2
    assert scores.s_measure == pytest.approx(1)
    assert scores.e_measure == pytest.approx((255 + 0.25) / 256 * 2000 / 1999)  # threshold 0: all


def test_prediction_and_truth_change_places() -> None:
    first, second = (blob((40, 50), centre, 9) > 0.5 for centre in ((15, 20), (18, 26)))
    one = frame_scores(first.astype(np.float32), first, second)
    other = frame_scores(second.astype(np.float32), second, first)
    for name in ("dice", "iou", *DISTANCES):
        assert getattr(one, name) == pytest.approx(getattr(other, name))
    assert (one.sensitivity, one.precision) == (other.precision, other.sensitivity)


def test_place_does_not_matter() -> None:
    probs, truth = blob((60, 70), (15, 20), 6), blob((60, 70), (17, 23), 6) > 0.5
    moved = [np.roll(array, (20, 30), (0, 1)) for array in (probs, truth)]
    here, there = score(probs, truth), score(moved[0], moved[1])
    for name in (*OVERLAP, *DISTANCES):
        assert getattr(here, name) == pytest.approx(getattr(there, name))


def test_missed_lesion() -> None:
    scores = score(blob((40, 50), (15, 20), 8) / 4, blob((40, 50), (15, 20), 8) > 0.5)
    assert (scores.has_lesion, scores.has_prediction) == (True, False)
    assert (scores.dice, scores.iou, scores.sensitivity) == (0, 0, 0)
    assert all(math.isnan(getattr(scores, name)) for name in ("precision", *DISTANCES))
    assert scores.s_measure > 0.8  # stretched, the faint trace is a good map


@pytest.mark.parametrize("marked", [False, True])
def test_lesion_free_frame(marked: bool) -> None:
    predicted = np.full((6, 8), marked)
    scores = frame_scores(predicted.astype(np.float32), predicted, np.zeros((6, 8), bool))
    assert (scores.has_lesion, scores.has_prediction) == (False, marked)
    assert scores.false_positive_px == 48 * marked
    assert all(math.isnan(getattr(scores, name)) for name in METRICS)


@pytest.mark.parametrize("centre", [(15, 20), (0, 0), (27, 34)])
@pytest.mark.parametrize("scale", [1.0, 0.3, 0.0])
def test_structure_and_alignment_are_the_papers(centre: tuple[int, int], scale: float) -> None:
    noise = np.random.default_rng(1).random((28, 35), dtype=np.float32)
    probs = scale * (0.9 * blob((28, 35), (14, 22), 6) + 0.1 * noise)
    truth = blob((28, 35), centre, 7) > 0.5
    scores = score(probs, truth)
    assert scores.s_measure == pytest.approx(naive_s_measure(probs, truth), abs=1e-9)
    assert scores.e_measure == pytest.approx(naive_e_measure(probs, truth), abs=1e-3)


def test_lesion_along_the_border() -> None:
    probs = np.random.default_rng(2).random((12, 15), dtype=np.float32)
    truth = np.zeros((12, 15), bool)
    truth[-1, 3:9] = True
    assert score(probs, truth).s_measure == pytest.approx(naive_s_measure(probs, truth))
    assert score(probs.T, truth.T).s_measure == pytest.approx(naive_s_measure(probs.T, truth.T))


def test_lesion_everywhere() -> None:
    probs = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    scores = score(probs, np.ones((16, 16), bool))
    assert scores.s_measure == pytest.approx(stretched(probs).mean())
    assert scores.hd95_px > 0


def test_interpolated_probabilities_may_lie_a_little_outside() -> None:
    truth = blob((40, 50), (15, 20), 8) > 0.5
    inside, outside = (truth * width - np.float32(width - 1) / 2 for width in (1, 1 + 1e-6))
    expected, scores = score(inside, truth), score(outside, truth)
    assert dataclasses.asdict(scores) == dataclasses.asdict(expected)


def test_bad_images_are_refused() -> None:
    probs, mask = np.zeros((4, 5), np.float32), np.zeros((4, 5), bool)
    with pytest.raises(ValueError, match=r"^images of shapes \(4, 5\), \(4, 5\) and \(4, 4\)$"):
        frame_scores(probs, mask, mask[:, :4])
    with pytest.raises(ValueError, match="images of shapes"):
        frame_scores(probs[None], mask[None], mask[None])
    with pytest.raises(ValueError, match="images of shapes"):
        frame_scores(probs[:0], mask[:0], mask[:0])
    with pytest.raises(ValueError, match=r"^masks of types bool and uint8 instead of bool$"):
        frame_scores(probs, mask, mask.astype(np.uint8))
    for bad in (math.nan, 1.1, -0.1):
        with pytest.raises(ValueError, match=r"^probabilities from "):
            frame_scores(np.where([True] * 4 + [False], probs, bad), mask, mask)


def some_frames(num: int) -> tuple[list[FrameScores], list[str], list[str]]:
    """Frames of which some miss the lesion and some have none; five a sequence, ten a group."""
    rng, frames = np.random.default_rng(3), []
    for index in range(num):
        truth = blob((24, 30), tuple(rng.uniform(8, 16, 2)), 5) > 0.5
        probs = blob((24, 30), tuple(rng.uniform(8, 16, 2)), 5) * (0.2 if index % 4 == 1 else 1)
        frames.append(score(probs, truth & (index % 7 < 5)))
    return frames, [f"s{i // 5}" for i in range(num)], [f"g{i // 10}" for i in range(num)]


def same(estimate: Estimate, expected: Estimate) -> bool:
    return dataclasses.astuple(estimate) == pytest.approx(dataclasses.astuple(expected))


def test_summaries_are_the_written_out_ones() -> None:
    frames, sequences, groups = some_frames(40)
    scores = segmentation_scores(
        frames, sequences=sequences, groups=groups, num_resamples=50, seed=4
    )

    def bootstrap(values: list[float], of: list[str]) -> Estimate:
        array = np.array(values)
        return cluster_bootstrap(lambda i: array[i].mean(), of, num_resamples=50, seed=4)

    lesion = [(f, g) for f, g in zip(frames, groups, strict=True) if f.has_lesion]
    for name in METRICS:
        pairs = [
            (getattr(f, name), g, s) for f, g, s in zip(frames, groups, sequences, strict=True)
        ]
        pairs = [pair for pair in pairs if not math.isnan(pair[0])]
        by_frame = bootstrap([value for value, _, _ in pairs], [group for _, group, _ in pairs])
        assert same(scores["frames"][name], by_frame)
        each = {s: np.mean([v for v, _, of in pairs if of == s]) for _, _, s in pairs}
        group_of = {s: g for _, g, s in pairs}
        by_sequence = bootstrap([float(v) for v in each.values()], [group_of[s] for s in each])
        assert scores["sequences"][name].value == pytest.approx(by_sequence.value)
        assert scores["sequences"][name].n == by_sequence.n == len(each)
    missed = bootstrap([not f.has_prediction for f, _ in lesion], [g for _, g in lesion])
    assert same(scores["detection"]["missed"], missed)
    assert 0 < missed.value < 1
    free = [(f, g) for f, g in zip(frames, groups, strict=True) if not f.has_lesion]
    correct = bootstrap([not f.has_prediction for f, _ in free], [g for _, g in free])
    assert same(scores["lesion_free"]["correct"], correct)
    marked = bootstrap([f.false_positive_px / (24 * 30) for f, _ in free], [g for _, g in free])
    assert same(scores["lesion_free"]["false_positive_px_share"], marked)
    assert scores["frames"]["dice"].n == len(lesion) == 40 - len(free)
    assert scores["frames"]["precision"].n == sum(f.has_prediction for f, _ in lesion)


def test_pooled_is_of_one_great_frame() -> None:
    rng = np.random.default_rng(5)
    predicted, truth = rng.random((2, 3, 8, 10)) < 0.5
    truth[2] = False  # lesion-free: does not count
    frames = [
        frame_scores(np.zeros((8, 10), np.float32), p, t)
        for p, t in zip(predicted, truth, strict=True)
    ]
    pooled = segmentation_scores(frames, sequences=["a"] * 3, groups=["g"] * 3)["pooled"]
    great = frame_scores(
        np.zeros((16, 10)), predicted[:2].reshape(16, 10), truth[:2].reshape(16, 10)
    )
    assert list(pooled) == list(OVERLAP)
    for name in OVERLAP:
        assert pooled[name].value == pytest.approx(getattr(great, name))
        assert (pooled[name].n, pooled[name].num_groups) == (2, 1)
        assert math.isnan(pooled[name].low)


@pytest.mark.parametrize("num", [0, 3])
def test_nothing_to_count(num: int) -> None:
    empty = frame_scores(np.zeros((4, 5)), *np.zeros((2, 4, 5), bool))
    scores = segmentation_scores([empty] * num, sequences=["s"] * num, groups=["g"] * num)
    lesion_free = scores.pop("lesion_free")
    for level in scores.values():
        assert all(e.n == e.num_groups == 0 and math.isnan(e.value) for e in level.values())
    assert [estimate.n for estimate in lesion_free.values()] == [num, num]
    if num:
        assert [estimate.value for estimate in lesion_free.values()] == [1, 0]


def test_bad_names_are_refused() -> None:
    frames = some_frames(2)[0]
    with pytest.raises(ValueError, match=r"^2 frames with 1 sequences and 2 groups$"):
        segmentation_scores(frames, sequences=["a"], groups=["g", "g"])
    with pytest.raises(ValueError, match=r"^sequence 'a' is of two groups: 'g', 'h'$"):
        segmentation_scores(frames, sequences=["a", "a"], groups=["g", "h"])
