from pathlib import Path

import pytest

from endofm.catalog.check import check_set
from endofm.cli import run
from tests.catalog.public_layouts import video


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        video(tmp_path / "in" / f"{name}.mp4", num_frames=20 if name == "a" else 25)
    out = tmp_path / "out"
    assert run(["data", "prepare", "own", "--from", str(tmp_path / "in"), "--to", str(out)]) == 0
    return out


def told(root: Path, *, every_frame: bool) -> list[tuple[str, str, bool]]:
    found = check_set(root, every_frame=every_frame).problems
    return [(Path(one.where).name, one.what, one.is_error) for one in found]


def test_what_was_prepared_is_as_it_was(root: Path) -> None:
    assert told(root, every_frame=True) == []


def test_a_changed_list_is_noted(root: Path) -> None:
    path = root / "clips.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    changed = ("clips.csv", "has changed since the set was prepared", False)
    assert told(root, every_frame=False) == [changed]


def test_another_clip_is_found_by_its_hash(root: Path) -> None:
    clip = root / "clips" / "a" / "0000.mp4"
    data = bytearray(clip.read_bytes())
    data[-5] ^= 1  # within the words about the encoder
    clip.write_bytes(data)
    assert ("0000.mp4", "is not the clip that was prepared", True) in told(root, every_frame=True)
    assert told(root, every_frame=False) == []


def test_facts_that_cannot_be_read_are_noted(root: Path) -> None:
    (root / "PREPARED.json").write_text('{"sha256": 1}')
    assert told(root, every_frame=False) == [("PREPARED.json", "is damaged", False)]
