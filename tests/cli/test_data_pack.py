"""What ``endofm data pack`` says and leaves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from endofm.cli import data_pack, run
from endofm.data.packing_folder import PackingFolder
from endofm.data.shards import open_store
from tests.cli.conftest import Outcome
from tests.data.clip_stores import write_videos

Endofm = Callable[..., Outcome]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return write_videos(tmp_path, num_videos=3)


def test_a_folder_becomes_a_store(endofm: Endofm, videos: Path, tmp_path: Path) -> None:
    (videos / "bad.mp4").write_text("no video")
    before = set(tmp_path.rglob("*"))
    to = tmp_path / "store"
    outcome = endofm("data", "pack", videos, "--to", to, "--max-skipped-share", "0.5")
    assert outcome.status == 0
    assert outcome.out == (
        f"{to}: 3 videos in 1 shards, 1 left out ({to / 'skipped.csv'}); "
        f"train on them with: endofm pretrain --data {to}\n"
    )
    assert len(open_store(str(to)).index) == 3
    assert (to / "skipped.csv").read_text().count("bad.mp4") > 0
    assert {p for p in tmp_path.rglob("*") if not p.is_relative_to(to)} == before
    again = endofm("data", "pack", videos, "--to", to)
    assert (again.status, again.err) == (
        2,
        f"error: {to}: holds a finished clip store; use it, or name another --to\n",
    )


def test_a_single_video_may_be_packed(endofm: Endofm, videos: Path, tmp_path: Path) -> None:
    to = tmp_path / "store"
    assert endofm("data", "pack", videos / "a.mp4", "--to", to, "--shard-mb", "1").status == 0
    assert open_store(str(to)).index.video(0).path == Path("a.mp4")


def test_what_cannot_be_packed_is_one_line(endofm: Endofm, videos: Path, tmp_path: Path) -> None:
    for name in ("bad.mp4", "worse.mp4"):
        (videos / name).write_text("no video")
    for words, told in [
        ((videos, "--to", tmp_path / "s"), "2 of 5 videos cannot be used; the first: "),
        ((tmp_path / "none", "--to", tmp_path / "s"), "none: no such file or folder"),
        ((videos / "a.mp4", "--to", videos), "is not an empty folder; name another --to"),
    ]:
        outcome = endofm("data", "pack", *words)
        assert outcome.status == 2
        assert told in outcome.err
        assert outcome.err.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "s").exists()


def test_an_interruption_tells_what_is_kept(
    endofm: Endofm, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        (tmp_path / "s").mkdir()
        (tmp_path / "s" / "shard-000000.tar").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(data_pack, "pack_videos", interrupted)
    outcome = endofm("data", "pack", videos, "--to", tmp_path / "s")
    assert outcome.status == 130
    assert outcome.err.endswith(
        f"interrupted: 1 finished shards are kept in {tmp_path / 's'}; "
        "go on with the same command\n"
    )


def test_a_packing_that_was_killed_just_before_its_end_goes_on(
    endofm: Endofm, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: PackingFolder) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PackingFolder, "finish", killed)
    assert endofm("data", "pack", videos, "--to", tmp_path / "s").status == 130
    monkeypatch.undo()
    outcome = endofm("data", "index", tmp_path / "s", "--overwrite")
    assert "go on with the same endofm data pack" in outcome.err
    assert endofm("data", "pack", videos, "--to", tmp_path / "s").status == 0
    assert "finished clip store" in endofm("data", "pack", videos, "--to", tmp_path / "s").err


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
