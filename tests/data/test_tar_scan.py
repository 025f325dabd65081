import io
import json
import tarfile
from pathlib import Path

import pytest

from endofm.data.shard_index import INDEX
from endofm.data.shards import StoredClips, open_store
from endofm.data.tar_scan import index_shards
from endofm.errors import DataError
from tests.data.clip_stores import write_videos


def shard(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def test_shards_of_others_are_indexed_with_what_they_say(tmp_path: Path) -> None:
    data = next(write_videos(tmp_path, num_videos=1).rglob("*.mp4")).read_bytes()
    facts = json.dumps({"label": "polyp", "split": "train", "group": "p1"}).encode()
    store = tmp_path / "store"
    shard(store / "000.tar", {"a.mp4": data, "a.json": facts, "b.mp4": data})
    shard(store / "001.tar", {"c.mp4": b"no video", "d.txt": b"read me"})
    found = index_shards(store)
    assert len(found.index) == 2
    assert [item.path.name for item in found.skipped] == ["c.mp4"]
    assert (found.index.video(0).label, found.index.video(0).group) == ("polyp", "p1")
    found.index.write(store / INDEX)
    clips = StoredClips(open_store(str(store)), clip_frames=150, target_fps=30.0)
    assert clips[1].stored is not None
    assert clips[1].stored.read() == data


@pytest.mark.parametrize("name", ["../a.mp4", "/a.mp4", "x/../../a.mp4"])
def test_members_that_climb_out_are_refused(name: str, tmp_path: Path) -> None:
    shard(tmp_path / "store" / "000.tar", {name: b"x"})
    with pytest.raises(DataError):
        index_shards(tmp_path / "store")


def test_links_and_damage_are_refused(tmp_path: Path) -> None:
    store = tmp_path / "store"
    path = shard(store / "000.tar", {})
    with tarfile.open(path, "w") as file:
        info = tarfile.TarInfo("a.mp4")
        info.type = tarfile.SYMTYPE
        info.linkname = "/etc/passwd"
        file.addfile(info)
    with pytest.raises(DataError):
        index_shards(store)
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(DataError):
        index_shards(store)
    path.unlink()
    with pytest.raises(DataError, match="holds no shard"):
        index_shards(store)
