"""What ``endofm data index`` says and leaves."""

import tarfile
from collections.abc import Callable
from pathlib import Path

from endofm.data.packing_folder import PackingFolder
from endofm.data.shards import open_store
from tests.cli.conftest import Outcome
from tests.data.clip_stores import write_videos

Endofm = Callable[..., Outcome]


def test_shards_of_others_become_a_store(endofm: Endofm, tmp_path: Path) -> None:
    videos = write_videos(tmp_path, num_videos=3)
    (shards := tmp_path / "shards").mkdir()
    with tarfile.open(shards / "a.tar", "w") as shard:
        shard.add(videos, arcname="videos")
    outcome = endofm("data", "index", shards)
    assert (outcome.status, outcome.out) == (
        0,
        f"{shards}: 3 videos in 1 shards; train on them with: endofm pretrain --data {shards}\n",
    )
    assert len(open_store(str(shards)).index) == 3
    again = endofm("data", "index", shards)
    assert again.status == 2
    assert again.err == f"error: {shards}: holds an index; use it, or add --overwrite\n"
    assert endofm("data", "index", shards, "--overwrite").status == 0


def test_an_interrupted_packing_is_not_indexed(endofm: Endofm, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    PackingFolder(tmp_path / "store").claim([(tmp_path / "a.mp4", "")], shard_bytes=9)
    outcome = endofm("data", "index", tmp_path / "store", "--overwrite")
    assert outcome.status == 2
    assert "holds a packing that was interrupted; go on with the same" in outcome.err


def test_a_folder_without_shards_is_one_line(endofm: Endofm, tmp_path: Path) -> None:
    outcome = endofm("data", "index", tmp_path)
    assert outcome.status == 2
    assert outcome.err == f"error: {tmp_path}: holds no shard (.tar); name another folder\n"
