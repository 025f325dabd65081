import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from endofm.errors import DataError
from endofm.files import append_text, draft_of, replacing, working_alone, write_text


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "notes.txt"
    write_text(target, "old")

    def fail() -> None:
        with replacing(target) as draft:
            draft.write_text("new")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_draft_is_beside_the_target_hidden_and_of_its_kind(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.npz") as draft:
        assert draft.parent == tmp_path
        assert draft.name.startswith(".")
        assert draft.suffix == ".npz"
        draft.touch()


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with replacing(tmp_path / "folder") as draft:
            draft.mkdir()
            (draft / text).write_text(text)
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["two"]


def test_missing_parents_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "x\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"x\n"


class FullDisk:
    """An open file that nothing more fits into."""

    def __enter__(self) -> "FullDisk":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, _text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("writer", [append_text, write_text])
def test_an_error_of_the_disk_names_the_file(
    writer: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "open", lambda *_, **__: FullDisk())
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: FullDisk().write(""))
    with pytest.raises(OSError, match="No space left") as caught:
        writer(tmp_path / "a.txt", "x")
    assert caught.value.filename == str(tmp_path / "a.txt")


def test_text_is_appended(tmp_path: Path) -> None:
    for text in ("one\n", "two\n"):
        append_text(tmp_path / "new" / "a.txt", text)
    assert (tmp_path / "new" / "a.txt").read_text() == "one\ntwo\n"


def test_others_may_read_what_is_written_as_they_may_any_file(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    with replacing(tmp_path / "single.bin") as draft:
        draft.touch(mode=0o600)
    with replacing(tmp_path / "folder") as draft:
        draft.mkdir()
        (draft / "part.bin").touch(mode=0o600)
        (draft / "link").symlink_to("part.bin")
    for written in (tmp_path / "single.bin", tmp_path / "folder" / "part.bin"):
        assert written.stat().st_mode == usual.stat().st_mode
    assert (tmp_path / "folder").stat().st_mode & 0o100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "single.bin", "usual"]


def test_one_alone_works_in_a_folder_and_finds_no_drafts(tmp_path: Path) -> None:
    kept = tmp_path / "deep" / ".my.part.txt"
    for path in (draft_of(tmp_path / "deep" / "a b.mp4"), kept):
        write_text(path, "half")
    with working_alone(tmp_path, lock=".lock"):
        assert list((tmp_path / "deep").iterdir()) == [kept]
        with (
            pytest.raises(DataError, match="another process"),
            working_alone(tmp_path, lock=".lock"),
        ):
            pass
    assert list(tmp_path.iterdir()) == [tmp_path / "deep"]
    with working_alone(tmp_path, lock=".lock"):
        pass
