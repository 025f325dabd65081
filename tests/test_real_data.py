"""Minutes on real endoscopy: to a probed backbone, a classifier used on a new video, a segmenter.

The pictures are for research only and not part of the project; where they are absent the test is
skipped. ``docs/results.md`` holds the long version.
"""

import json
import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from endofm import by_task
from endofm.config import read_preset
from endofm.prediction import ClassPrediction, predict
from endofm.runfolder import RunFolder, read_lines
from endofm.tasks.classify import finetune
from endofm.tasks.classify_config import ClassifyConfig
from endofm.tasks.classify_evaluate import evaluate
from endofm.tasks.pretrain import pretrain
from endofm.tasks.pretrain_config import PretrainConfig
from endofm.tasks.segment_config import SegmentConfig

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real videos in {DATA}"),
]


@pytest.fixture(scope="module")
def cvc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CVC-ClinicDB as clips and windows."""
    folder = tmp_path_factory.mktemp("real") / "cvc"
    prepare = runpy.run_path(str(ROOT / "examples" / "prepare_cvc.py"))
    prepare["main"](SimpleNamespace(source=DATA / "cvc-clinicdb", out=folder))
    return folder


def test_a_short_pre_training_on_real_endoscopy(cvc: Path, tmp_path: Path) -> None:
    config = PretrainConfig.parse(
        {
            **read_preset("pretrain", "tiny"),
            "data": [DATA / "cholect50-clips", cvc / "sequences" / "train"],
            "out": tmp_path / "run",
            "steps": 6,
            "log_every": 1,
            "probe": {"clips": cvc / "windows" / "clips.csv", "num_neighbours": 10},
            "optimiser": {"learning_rate": 1.6e-2, "warmup_epochs": 0},
        }
    )
    result = pretrain(config, show_progress=False)
    assert result.finished
    run = RunFolder(result.run)
    lines = list(read_lines(run.metrics))
    assert len(lines) == 6
    assert all(math.isfinite(line["loss"]) and line["feature_spread"] > 0.05 for line in lines)
    skipped = run.skipped.read_text().splitlines()[1:]
    assert len(skipped) == 1
    assert "sequence-10: has 6 frames, at least 8 needed" in skipped[0]
    knn = [p for p in read_lines(run.probes) if p["metric"] == "knn_accuracy"]
    assert [p["step"] for p in knn] == [0, 6]
    for probe in knn:
        assert probe["n"] == 47
        assert probe["num_groups"] == 9
        assert 0 <= probe["low"] <= probe["value"] <= probe["high"] <= 1


def test_a_classifier_from_real_windows_to_a_new_video(cvc: Path, tmp_path: Path) -> None:
    config = ClassifyConfig.parse(
        {
            **read_preset("classify", "tiny"),
            "data": cvc / "windows" / "clips.csv",
            "out": tmp_path / "run",
            "epochs": 1,
            "sampling": {"num_frames": 2, "clips_per_video": 1, "size_px": 96},
            "optimiser": {"learning_rate": 1.6e-2, "warmup_epochs": 0},
        }
    )
    assert finetune(config, show_progress=False).finished
    scored = evaluate(config.out, show_progress=False)
    auroc = scored.scores["auroc"]
    assert (auroc.n, auroc.num_groups) == (47, 9)
    assert 0 <= auroc.low <= auroc.value <= auroc.high <= 1
    video = DATA / "ldpolypvideo-seq1" / "test_polyp_seq1.mp4"
    found = predict(config.out, video, num_telling=1)
    assert isinstance(found, ClassPrediction)
    assert found.classes == ("no_polyp", "polyp")
    assert found.thresholds_from == "val"
    assert found.video.num_frames == 53
    assert found.scores.sum(1) == pytest.approx(1)
    assert 0 <= found.telling[0].time_s < found.video.duration_s
    page = found.save(tmp_path / "out")
    assert page.stat().st_size > 100_000  # the video is inside


def test_a_segmenter_of_real_frames_with_and_without_a_leak(tmp_path: Path) -> None:
    scores = {}
    for original in (False, True):
        config = SegmentConfig.parse(
            {
                **read_preset("segment", "tiny"),
                "data": DATA / "cvc-clinicdb",
                "out": tmp_path / f"original-{original}",
                "epochs": 1,
                "num_workers": 0,
                "original_split": original,
                "original_scores": original,
                "frames": {"size_hw": [48, 64], "clip_frames": 6, "overlap_frames": 2},
                "optimiser": {"learning_rate": 1e-3, "warmup_epochs": 0},
            }
        )
        assert by_task.finetune(config, show_progress=False).finished
        done = by_task.evaluate(config.out, show_progress=False)
        assert any("leaks" in note for note in done.notes) == original
        scores[original] = json.loads(done.results.read_text())
    assert [scores[original]["num_frames"] for original in (False, True)] == [165, 171]
    assert [scores[original]["num_groups"] for original in (False, True)] == [8, 9]
    for found in scores.values():
        dice = found["scores"]["frames"]["dice"]
        assert dice["low"] <= dice["value"] <= dice["high"]
    assert scores[False]["original_scores"] == {}
    assert scores[True]["original_scores"]["dice"]["n"] == 9
