"""A minute on real endoscopy: from videos and frame folders to a probed backbone.

The pictures are for research only and not part of the project; where they are absent the test is
skipped. ``docs/results.md`` holds the long version.
"""

import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from endofm.config import read_preset
from endofm.runfolder import RunFolder, read_lines
from endofm.tasks.pretrain import pretrain
from endofm.tasks.pretrain_config import PretrainConfig

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real videos in {DATA}"),
]


def test_a_short_pre_training_on_real_endoscopy(tmp_path: Path) -> None:
    prepare = runpy.run_path(str(ROOT / "examples" / "prepare_cvc.py"))
    prepare["main"](SimpleNamespace(source=DATA / "cvc-clinicdb", out=tmp_path / "cvc"))
    config = PretrainConfig.parse(
        {
            **read_preset("pretrain", "tiny"),
            "data": [DATA / "cholect50-clips", tmp_path / "cvc" / "sequences" / "train"],
            "out": tmp_path / "run",
            "steps": 6,
            "log_every": 1,
            "probe": {"clips": tmp_path / "cvc" / "windows" / "clips.csv", "num_neighbours": 10},
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
