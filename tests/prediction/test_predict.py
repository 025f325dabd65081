from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import endofm
from endofm.errors import ConfigError, VideoError, WeightsError
from endofm.prediction import ClassPrediction, MaskPrediction
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.classify_trained import read_trained
from endofm.tasks.segment_config import FrameSettings
from tests.classifiers import SAMPLING, small_classifier, write_run, write_weights
from tests.prediction import mask_builder
from tests.prediction.builder import TWO, film
from tests.prediction.test_classify import naive_scores

SEGMENTER = mask_builder.small_segmenter()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, its bare weights and a video."""
    folder = tmp_path_factory.mktemp("made")
    network = small_classifier(2)
    write_run(folder / "run", network, TWO, thresholds=(0.1, 0.45))
    write_weights(folder / "classifier.safetensors", network)
    mask_builder.write_run(folder / "masks-run", SEGMENTER)
    mask_builder.write_weights(folder / "segmenter.safetensors", SEGMENTER)
    film(folder / "film.mp4")
    return folder


@pytest.fixture(autouse=True)
def nothing_written(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test here leaves a file, in the present folder or beside what is read."""
    monkeypatch.chdir(tmp_path)

    def listing() -> dict[Path, tuple[int, int]]:
        found = [*made.rglob("*"), *tmp_path.rglob("*")]
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found}

    before = listing()
    yield
    assert listing() == before


def test_a_run_is_asked_as_it_was_trained(made: Path) -> None:
    found = endofm.predict(made / "run", str(made / "film.mp4"), stride_s=0.2, device="cpu")
    assert isinstance(found, ClassPrediction)
    assert (found.classes, found.multi_label, found.thresholds_from) == (TWO, False, "val")
    assert found.thresholds.tolist() == [0.1, 0.45]
    assert found.source == str(made / "run")
    assert found.data_note == "noise"
    assert found.starts_s == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 28 / 30])
    starts = [0, 6, 12, 18, 24, 28]
    expected = naive_scores(read_trained(made / "run", device="cpu"), made / "film.mp4", starts)
    np.testing.assert_allclose(found.scores, expected, rtol=0, atol=1e-6)
    assert (found.answers[:, 1] == (expected[:, 1] >= 0.45)).all()


def test_weights_are_asked_as_told(made: Path) -> None:
    sampling = SAMPLING.model_copy(update={"span_frames": 20})
    weights = made / "classifier.safetensors"
    found = endofm.predict(weights, made / "film.mp4", sampling=sampling, num_telling=1)
    assert isinstance(found, ClassPrediction)
    assert (found.classes, found.thresholds.tolist()) == (("0", "1"), [0.5, 0.5])
    assert found.thresholds_from == ""
    assert found.stride_s == pytest.approx(5 / 30)
    assert found.sampling == sampling
    assert len(found.telling) == 1
    usual = endofm.predict(weights, made / "film.mp4")
    assert isinstance(usual, ClassPrediction)
    assert usual.sampling == SamplingSettings()


def test_progress_and_batches(made: Path) -> None:
    seen: list[tuple[int, int]] = []
    scores = []
    for batch_size in (5, 100):
        found = endofm.predict(
            made / "run",
            made / "film.mp4",
            batch_size=batch_size,
            progress=lambda done, total: seen.append((done, total)),
        )
        assert isinstance(found, ClassPrediction)
        scores.append(found.scores)
    assert seen == [(5, 11), (10, 11), (11, 11), (11, 11)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=0, atol=1e-6)


def test_a_segmenter_gives_masks(made: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = endofm.predict(
        made / "masks-run",
        made / "film.mp4",
        device="cpu",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert isinstance(found, MaskPrediction)
    assert seen == [(done, 40) for done in range(1, 41)]
    assert (found.source, found.data_note) == (str(made / "masks-run"), "noise")
    assert found.frames == mask_builder.FRAMES
    alike = mask_builder.FRAMES.model_copy(update={"mask_threshold": 200})
    weights = made / "segmenter.safetensors"
    other = endofm.predict(weights, made / "film.mp4", frames=alike)
    assert isinstance(other, MaskPrediction)
    assert (other.frames, other.data_note) == (alike, "")
    assert other.weights_sha256 == found.weights_sha256
    for index in range(40):
        np.testing.assert_array_equal(found.mask(index), other.mask(index))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("masks-run", {"stride_s": 0.5}, "masks-run is a segmenter; leave out stride_s"),
        ("masks-run", {"batch_size": 4}, "leave out batch_size"),
        ("masks-run", {"num_telling": 0}, "leave out num_telling"),
        ("segmenter.safetensors", {"classes": TWO}, "leave out classes"),
        ("segmenter.safetensors", {"sampling": SAMPLING}, "leave out sampling"),
        ("masks-run", {"frames": FrameSettings()}, "a run knows how it sees frames"),
        ("run", {"frames": FrameSettings()}, "run is a classifier; leave out frames"),
    ],
)
def test_options_of_the_other_task_are_told(
    made: Path, source: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        endofm.predict(made / source, made / "film.mp4", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride_s": 0.0}, "stride_s"),
        ({"batch_size": 0}, "batch_size"),
        ({"num_telling": -1}, "num_telling"),
        ({"sampling": SAMPLING}, "a run knows its classes and its clips"),
    ],
)
def test_what_cannot_be_asked_is_told(made: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        endofm.predict(made / "run", made / "film.mp4", **options)


def test_what_is_not_there_is_told(made: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pth"):
        endofm.predict("nowhere.pth", made / "film.mp4")
    with pytest.raises(VideoError, match=r"nowhere\.mp4"):
        endofm.predict(made / "run", "nowhere.mp4")
    with pytest.raises(VideoError, match=r"holds no pictures"):
        endofm.predict(made / "run", made / "run")


def test_clips_that_do_not_split_into_patches_are_told(made: Path) -> None:
    sampling = SAMPLING.model_copy(update={"size_px": 40})
    with pytest.raises(ConfigError, match="40 x 40 px do not split into 16 x 16 patches"):
        endofm.predict(made / "classifier.safetensors", made / "film.mp4", sampling=sampling)
