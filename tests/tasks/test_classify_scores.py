import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors import numpy as arrays
from safetensors.torch import load_file, save_file
from torch import nn

from endofm.data.manifests import read_clip_list
from endofm.models import Classifier, timesformer_tiny
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.classify_scores import video_scores

SETTINGS = SamplingSettings(num_frames=2, span_frames=8, clips_per_video=2, size_px=32)
NUM_PROCESSES = 2
NUM_VIDEOS = 7  # not the same number for each process


def _classifier() -> Classifier:
    return Classifier(timesformer_tiny(), num_classes=3)


@pytest.mark.slow
def test_processes_and_workers_change_no_score(videos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    classifier = _classifier()
    nn.init.normal_(classifier.linear.weight, std=0.2)
    save_file(classifier.state_dict(), tmp_path / "weights.safetensors")
    _score_in_processes(videos / "clips.csv", tmp_path)
    listed = read_clip_list(videos / "clips.csv")[:NUM_VIDEOS]
    one = video_scores(classifier, listed, SETTINGS)
    assert np.abs(np.diff(one, axis=0)).max(axis=1).min() > 1e-3  # an exchange would show
    for rank in range(NUM_PROCESSES):
        scores = arrays.load_file(tmp_path / f"scores-{rank}.safetensors")
        np.testing.assert_allclose(scores["alone"], one, rtol=0, atol=1e-6)
        for num_workers in (0, 1, 2):
            np.testing.assert_array_equal(scores[f"{num_workers} workers"], scores["alone"])
        np.testing.assert_array_equal(scores["one video"], scores["alone"][:1])


def _score_in_processes(clip_list: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(NUM_PROCESSES), __file__, str(clip_list), str(folder)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def _score(clip_list: Path, folder: Path) -> None:
    """What each of the processes does: score by itself, then together with the others."""
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == NUM_PROCESSES
    classifier = _classifier()
    classifier.load_state_dict(load_file(folder / "weights.safetensors"))
    videos = read_clip_list(clip_list)[:NUM_VIDEOS]
    scores = {"alone": video_scores(classifier, videos, SETTINGS)}
    for num_workers in (0, 1, 2):
        scores[f"{num_workers} workers"] = video_scores(
            classifier, videos, SETTINGS, num_workers=num_workers, accelerator=accelerator
        )
    scores["one video"] = video_scores(classifier, videos[:1], SETTINGS, accelerator=accelerator)
    arrays.save_file(scores, folder / f"scores-{accelerator.process_index}.safetensors")
    accelerator.end_training()


if __name__ == "__main__":
    _score(*map(Path, sys.argv[1:]))
