"""The commands one after another, as a new user would type them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Outcome

pytestmark = pytest.mark.slow


def test_from_synthetic_clips_to_features(endofm: Callable[..., Outcome], tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    made = endofm(
        *("data", "synth", "--out", data, "--num-clips", 12, "--num-patients", 6),
        *("--num-frames", 16, "--size-px", 64, "--num-workers", 0),
    )
    assert made.status == 0, made.err
    trained = endofm(
        *("pretrain", "--data", data / "videos", "--out", run, "--preset", "tiny"),
        *("--steps", 3, "--num-workers", 0, "--batch-size", 4, "--optimiser.warmup-epochs", 0),
        *("--probe.clips", data / "clips.csv", "--data-note", "synthetic"),
    )
    assert trained.status == 0, trained.err
    assert trained.out.splitlines()[-1].startswith(f"done: {run}")
    assert "k-NN accuracy" in trained.err
    assert (run / "report.html").stat().st_size > 10_000
    again = endofm("pretrain", "--data", data / "videos", "--out", run, "--preset", "tiny")
    assert "already holds a run; add --resume" in again.err
    resumed = endofm("pretrain", "--out", run, "--resume")
    assert resumed.status == 0, resumed.err

    features = tmp_path / "features.npz"
    embedded = endofm("embed", data / "videos", "--weights", run, "--out", features)
    assert embedded.status == 0, embedded.err
    with np.load(features) as stored:
        assert stored["features"].shape == (12, 192)
        assert json.loads(str(stored["settings"]))["size_px"] == 96  # as the run was trained

    original, ours = tmp_path / "run.pth", tmp_path / "run.safetensors"
    assert endofm("convert", run, original).status == 0
    assert endofm("convert", original, ours).status == 0
    other = tmp_path / "other.npz"
    endofm("embed", data / "videos", "--weights", ours, "--out", other, "--size-px", 96)
    with np.load(features) as first, np.load(other) as second:
        np.testing.assert_array_equal(first["features"], second["features"])


def test_the_demo_ends_with_a_page(endofm: Callable[..., Outcome], tmp_path: Path) -> None:
    out = tmp_path / "demo"
    short = ("--steps", 6, "--epochs", 2, "--segment-epochs", 2, "--detect-epochs", 2)
    outcome = endofm("demo", "--out", out, "--num-clips", 20, *short)
    assert outcome.status == 0, outcome.err
    page = Path(outcome.out.splitlines()[-1])
    text = page.read_text(encoding="utf-8")
    for told in (
        "synthetic",
        "k-NN",
        "AUROC",
        "narrow_band",
        "Results on test",
        "HD95",
        "segment/report.html",
        "AP at IoU 0.5",
        "boxes/clip-",
    ):
        assert told in text
    linked = [out / link for link in re.findall(r'href="([^"]+)"', text)]
    assert len(linked) == 7
    assert all(path.is_file() for path in linked)
    video = out / "data" / "examination.mp4"
    features = tmp_path / "features.npz"
    embedded = endofm("embed", video, "--weights", out / "classify", "--out", features)
    assert embedded.status == 0, embedded.err
    with np.load(features) as stored:
        assert json.loads(str(stored["settings"]))["size_px"] == 96  # as the classifier saw it
    refused = endofm("embed", video, "--weights", out / "segment", "--out", tmp_path / "none.npz")
    assert "is a segmenter, whose backbone sees the maps of its stem" in refused.err
    refused = endofm("demo", "--out", out)
    assert "add --overwrite" in refused.err
