from pathlib import Path

import pytest

from endofm.data.packing_folder import PackingFolder
from endofm.data.shard_index import INDEX
from endofm.errors import DataError


@pytest.fixture
def plan(tmp_path: Path) -> list[tuple[Path, str]]:
    (tmp_path / "a.mp4").write_bytes(b"a")
    return [(tmp_path / "a.mp4", '{"fps": 25}')]


def refusal(folder: Path, plan: list[tuple[Path, str]], *, shard_bytes: int = 10) -> str:
    with pytest.raises(DataError) as caught:
        PackingFolder(folder).claim(plan, shard_bytes=shard_bytes)
    return str(caught.value)


def test_the_same_packing_may_go_on(tmp_path: Path, plan: list[tuple[Path, str]]) -> None:
    folder = PackingFolder(tmp_path / "store")
    folder.claim(plan, shard_bytes=10)
    (folder.path / "shard-000000.tar").touch()
    folder.claim(plan, shard_bytes=10)
    folder.finish()
    assert [path.name for path in folder.path.iterdir()] == ["shard-000000.tar"]


def test_another_packing_may_not(tmp_path: Path, plan: list[tuple[Path, str]]) -> None:
    to = tmp_path / "store"
    PackingFolder(to).claim(plan, shard_bytes=10)
    message = "holds the beginning of another packing, or the videos have changed since; name"
    assert message in refusal(to, plan, shard_bytes=11)
    assert message in refusal(to, [(plan[0][0], '{"fps": 30}')])
    plan[0][0].write_bytes(b"other")
    assert message in refusal(to, plan)


def test_what_belongs_to_others_is_left_alone(tmp_path: Path, plan: list[tuple[Path, str]]) -> None:
    assert refusal(tmp_path, plan) == f"{tmp_path}: is not an empty folder; name another --to"
    assert refusal(plan[0][0], plan).startswith(f"{plan[0][0]}: is not an empty folder")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / INDEX).touch()
    assert "holds a finished clip store; use it, or name" in refusal(tmp_path / "store", plan)
