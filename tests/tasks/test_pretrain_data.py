import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from endofm.data.clip_list import write_clip_list
from endofm.data.manifests import scan
from endofm.data.shard_index import INDEX
from endofm.data.shard_writer import pack_videos
from endofm.errors import DataError, RunError
from endofm.report.reading import read_run
from endofm.runfolder import RunFolder, read_lines
from endofm.tasks.pretrain import pretrain
from endofm.tasks.pretrain_config import PretrainConfig
from tests.data.clip_stores import served
from tests.tasks.test_pretrain import stop_after

MakeConfig = Callable[..., PretrainConfig]


@pytest.fixture(scope="module")
def store(videos: Path) -> Path:
    to = videos.parent / f"{videos.name}-store"
    pack_videos(scan([videos]).videos, to, root=videos, shard_bytes=40_000)
    return to


def losses(config: PretrainConfig, *, resume: bool = False) -> list[float]:
    pretrain(config, resume=resume, show_progress=False)
    return [line["loss"] for line in read_lines(RunFolder(config.out).metrics)]


def test_a_store_trains_as_the_folder_that_it_was_packed_from(
    make_config: MakeConfig, store: Path, tmp_path: Path
) -> None:
    expected = losses(make_config(out=tmp_path / "files"))
    stored = make_config(out=tmp_path / "stored", data=[store])
    assert losses(stored) == expected
    assert read_run(stored.out).num_videos == 8
    kept = json.loads(RunFolder(stored.out).stores.read_text())
    assert [(entry["address"], entry["num_videos"]) for entry in kept] == [(str(store), 8)]


def test_a_store_far_away_goes_on_as_unbroken(
    make_config: MakeConfig, store: Path, tmp_path: Path
) -> None:
    pytest.importorskip("aiohttp", reason="pip install 'endofm[remote]'")
    expected = losses(make_config(out=tmp_path / "files"))
    with served(store) as url:
        config = make_config(out=tmp_path / "far", data=[url])
        stop_after(config, 2)
        assert losses(config, resume=True) == expected
    assert PretrainConfig.parse(json.loads(config.model_dump_json())).data == (url,)


def test_files_and_stores_mix(make_config: MakeConfig, store: Path, videos: Path) -> None:
    config = make_config(data=[store, videos / "0.mp4"], batch_size=9, steps=2)
    assert len(losses(config)) == 2
    assert read_run(config.out).num_videos == 9


def test_another_store_under_the_same_name_is_refused(
    make_config: MakeConfig, store: Path, videos: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "store"
    copy.mkdir()
    for path in store.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    config = make_config(data=[copy])
    stop_after(config, 1)
    for path in copy.iterdir():
        path.unlink()
    pack_videos(scan([videos]).videos[:6], copy, root=videos)
    with pytest.raises(RunError, match=r"is another store than the one that .* began with"):
        losses(config, resume=True)
    (copy / INDEX).unlink()
    with pytest.raises(DataError, match="is missing"):
        losses(config, resume=True)


def test_short_videos_in_a_store_are_skipped_as_those_in_a_folder(
    make_config: MakeConfig, store: Path
) -> None:
    config = make_config(data=[store], clip={"min_frames": 21})
    with pytest.raises(DataError, match=r"none of 8 videos can be used; .* 20 frames, at least 21"):
        losses(config)
    assert RunFolder(config.out).skipped.read_text().count("\n") == 9


@pytest.mark.parametrize("kept", ["{}", "[3]", "[{}]", "no json"])
def test_a_damaged_note_of_stores_is_one_line(
    make_config: MakeConfig, store: Path, kept: str
) -> None:
    config = make_config(data=[store])
    stop_after(config, 1)
    RunFolder(config.out).stores.write_text(kept)
    with pytest.raises(RunError, match=r"stores\.json: damaged"):
        losses(config, resume=True)


def test_videos_that_are_held_out_are_told(
    make_config: MakeConfig, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(videos, tmp_path / "copy"))
    found = scan([*root.glob("*.mp4")]).videos
    splits = ["test", "test", "val"] + ["train"] * (len(found) - 3)
    listed = [replace(one, split=split) for one, split in zip(found, splits, strict=True)]
    write_clip_list(root / "clips.csv", listed)
    pretrain(make_config(data=[root]), show_progress=True)
    told = capsys.readouterr().err
    assert f"note: 2 of test and 1 of val are among the {len(found)} videos" in told
