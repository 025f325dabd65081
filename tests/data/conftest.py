"""Videos that the tests of this folder share."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from endofm.data.video import write_video
from tests.data.coded_video import SAMPLES
from tests.data.labelled_videos import NUM_FRAMES, AddVideo, MakeLists


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``sample("h264_mp4")`` is the path of that video of 40 frames at 25 fps; do not change it."""
    folder = tmp_path_factory.mktemp("samples")

    @cache
    def write(name: str) -> Path:
        return SAMPLES[name].write(folder, name)

    return write


@pytest.fixture(scope="session")
def video_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 file of 32 x 48 px at 25 fps."""
    path = tmp_path_factory.mktemp("video") / "grey.mp4"
    write_video(path, [np.full((32, 48, 3), 90, np.uint8)] * NUM_FRAMES, fps=25)
    return path.read_bytes()


@pytest.fixture
def add(tmp_path: Path, video_bytes: bytes) -> AddVideo:
    """``add("a/b.mp4")``: a video below the test's folder."""

    def write(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(video_bytes)
        return path

    return write


@pytest.fixture
def polypdiag(tmp_path: Path, add: AddVideo) -> MakeLists:
    """``polypdiag(train="a.mp4,0")``: the layout of PolypDiag with videos a to t."""

    def write(**lists: str | bytes) -> Path:
        for letter in "abcdefghijklmnopqrst":
            add(f"videos/{letter}.mp4")
        (tmp_path / "splits").mkdir()
        for split, text in lists.items():
            data = text.encode() if isinstance(text, str) else text
            (tmp_path / f"splits/{split}.txt").write_bytes(data)
        return tmp_path

    return write
