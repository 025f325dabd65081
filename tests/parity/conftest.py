"""Golden tensors of the original: arrays only, rebuilt from a seed (see golden_fill.py)."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Mapping[str, Any]]:
    """``golden("backbone")`` opens the golden arrays of that name."""

    def load(name: str) -> Mapping[str, Any]:
        return np.load(DATA / f"{name}.npz", allow_pickle=False)

    return load


@pytest.fixture(scope="session")
def golden_keys() -> Callable[[str], dict[str, Any]]:
    """``golden_keys("backbone")`` is the original's state-dict listing of that name."""

    def load(name: str) -> dict[str, Any]:
        listing: dict[str, Any] = json.loads((DATA / f"keys_{name}.json").read_text())
        return listing

    return load


@pytest.fixture(scope="session")
def golden_videos() -> Path:
    """Folder of videos whose frame number is coded in the pixels."""
    return DATA / "videos"
