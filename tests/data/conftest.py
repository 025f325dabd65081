"""Videos that the tests of this folder share."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.data.coded_video import SAMPLES


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``sample("h264_mp4")`` is the path of that video of 40 frames at 25 fps; do not change it."""
    folder = tmp_path_factory.mktemp("samples")

    @cache
    def write(name: str) -> Path:
        return SAMPLES[name].write(folder, name)

    return write
