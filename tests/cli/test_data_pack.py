from pathlib import Path

import pytest

from endofm.cli import run
from endofm.data.shards import open_store
from tests.data.clip_stores import write_videos


def test_packing_leaves_out_what_is_excluded_and_says_how_to_train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = write_videos(tmp_path, num_videos=4)
    (tmp_path / "exclude.csv").write_text("path\nvideos/a.mp4\n")
    to = tmp_path / "store"
    words = ["data", "pack", str(videos), "--to", str(to)]
    assert run([*words, "--exclude", str(tmp_path / "exclude.csv")]) == 0
    told = capsys.readouterr().out
    assert "left out: 1 of 4 videos" in told
    assert f"endofm pretrain --data {to}" in told
    assert len(open_store(str(to)).index) == 3
    assert run(words) == 2
    assert "holds a finished clip store" in capsys.readouterr().err


def test_shards_without_an_index_are_indexed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "store"
    assert run(["data", "pack", str(write_videos(tmp_path, num_videos=3)), "--to", str(to)]) == 0
    (to / "index.safetensors").unlink()
    assert run(["data", "index", str(to)]) == 0
    assert len(open_store(str(to)).index) == 3
    assert run(["data", "index", str(to)]) == 2
    assert "holds a finished clip store" in capsys.readouterr().err
