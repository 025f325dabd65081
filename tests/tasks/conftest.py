"""A few noisy videos and the smallest pre-training that is still one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endofm.data.manifests import Video, write_clip_list
from endofm.data.video import write_video
from endofm.tasks.pretrain_config import PretrainConfig

NUM_VIDEOS = 8
NUM_FRAMES = 20
SIZE_PX = 48


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of videos of drifting noise, each in its own colour, and a labelled list of them."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    listed = []
    for number in range(NUM_VIDEOS):
        noise = rng.integers(0, 128, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
        noise[..., number % 3] += 100
        path = folder / f"{number}.mp4"
        write_video(path, (np.roll(noise, t, axis=1) for t in range(NUM_FRAMES)), fps=30)
        listed.append(
            Video(
                path=path,
                num_frames=NUM_FRAMES,
                fps=30.0,
                height=SIZE_PX,
                width=SIZE_PX,
                label="red" if number % 3 == 0 else "other",
                split="train" if number < 5 else "val",
                group=f"patient-{number}",
            )
        )
    write_clip_list(folder / "clips.csv", listed)
    return folder


SMALLEST: dict[str, Any] = {
    "model": "tiny",
    "steps": 4,
    "batch_size": 4,
    "num_workers": 0,
    "log_every": 1,
    "save_every": 2,
    "drop_path": 0.1,
    "views": {
        "global_frames": [2, 4],
        "local_frames": [1, 2],
        "global_size_px": 32,
        "local_size_px": 16,
    },
    "head": {"num_prototypes": 16, "hidden_dim": 32, "bottleneck_dim": 8},
    "optimiser": {"learning_rate": 1e-2, "warmup_epochs": 1},
    "probe": {"num_frames": 2, "num_neighbours": 3},
    "trackers": [],
}


@pytest.fixture
def make_config(videos: Path, tmp_path: Path) -> Callable[..., PretrainConfig]:
    """``make_config(steps=9)``: the smallest pre-training with some settings changed."""

    def make(**changes: Any) -> PretrainConfig:
        base = {"data": [videos / f"{n}.mp4" for n in range(NUM_VIDEOS)], "out": tmp_path / "run"}
        return PretrainConfig.parse({**SMALLEST, **base, **changes})

    return make
