import io
import os
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from endofm.cli import run
from endofm.data import archives
from endofm.data.archives import archive_stem, unpack
from endofm.errors import DataError

ODD = ["a b.txt", "line\nbreak.txt", "内視鏡/1.txt", "-rf"]


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


MAKERS = {"a.zip": zip_of, "a.tar": tar_of, "a.tar.gz": tar_of}


@pytest.fixture(params=MAKERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_files_come_out_as_they_went_in(kind: str, tmp_path: Path) -> None:
    members = {name: name.encode() * 1000 for name in ODD}
    archive = MAKERS[kind](tmp_path / kind, members)
    assert unpack(archive, tmp_path / "out") == len(ODD)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in ODD} == members


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x", "C:\\x", "..\\x"])
def test_nothing_climbs_out(kind: str, name: str, tmp_path: Path) -> None:
    archive = MAKERS[kind](tmp_path / kind, {"ok": b"1", name: b"2"})
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack(archive, tmp_path / "deep" / "out")
    assert list((tmp_path / "deep").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {kind, "deep"}


def test_names_that_differ_by_case_alone_are_refused(kind: str, tmp_path: Path) -> None:
    archive = MAKERS[kind](tmp_path / kind, {"A/1": b"1", "a/1": b"2"})
    with pytest.raises(DataError, match="one file on some systems"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)):
        path = tmp_path / f"{number}.tar"
        with tarfile.open(path, "w") as file:
            info = tarfile.TarInfo("link")
            info.type = kind
            info.linkname = "/etc/passwd"
            file.addfile(info)
        with pytest.raises(DataError, match="is a link or a device"):
            unpack(path, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "l.zip", "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(tmp_path / "l.zip", tmp_path / "out")


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
def test_absurd_growth_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "FREE_GROWTH_BYTES", 1000)
    monkeypatch.setattr(archives, "MOST_GROWTH", 10)
    archive = MAKERS[kind](tmp_path / kind, {f"{n}": bytes(20_000) for n in range(20)})
    with pytest.raises(DataError, match="holds more than 10 times its own size"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_is_told_in_one_line(kind: str, tmp_path: Path) -> None:
    archive = MAKERS[kind](tmp_path / kind, {"a": bytes(range(256)) * 400, "b": b"2" * 1000})
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data) // 3])
    with pytest.raises(DataError, match="is damaged or cut short"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_encrypted_archives_are_named(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a": b"1"})
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    archive.write_bytes(data)
    with pytest.raises(DataError, match="needs a password"):
        unpack(archive, tmp_path / "out")


def test_suffixes() -> None:
    names = {"a.ZIP": "a", "b.c.tar.gz": "b.c", "d.tgz": "d", ".zip": None, "e.mp4": None}
    assert {name: archive_stem(Path(name)) for name in names} == names


def test_the_command_unpacks_archives_in_archives_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = tar_of(tmp_path / "inner.tar", {"x.txt": b"1"}).read_bytes()
    (tmp_path / "in" / "part").mkdir(parents=True)
    zip_of(tmp_path / "in" / "part" / "outer.zip", {"inner.tar": inner})
    (tmp_path / "in" / "b.rar").touch()
    words = ["data", "unpack", str(tmp_path / "in"), "--to", str(tmp_path / "out")]
    assert run(words) == 0
    assert (tmp_path / "out" / "part" / "outer" / "inner" / "x.txt").read_bytes() == b"1"
    told = capsys.readouterr().out
    assert "b.rar: unpack it with a program of its own" in told
    assert "2 files of 2 archives" in told
    assert run(words) == 0
    assert "0 files of 2 archives" in capsys.readouterr().out
    assert run(["data", "unpack", str(tmp_path / "out" / "part" / "outer" / "inner"), "--to", "x"])


def test_no_member_behind_a_damaged_header_is_lost_unseen(tmp_path: Path) -> None:
    whole = tar_of(tmp_path / "a.tar", dict.fromkeys("abc", b"1")).read_bytes()
    damaged = bytearray(whole)
    damaged[2 * 512 + 5] ^= 1
    for data in (bytes(damaged), whole[: 2 * 512], whole[: 2 * 512 + 100]):
        (tmp_path / "a.tar").write_bytes(data)
        with pytest.raises(DataError, match="damaged or cut short"):
            unpack(tmp_path / "a.tar", tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2"])
def test_bytes_that_changed_in_a_compressed_archive_are_noticed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.tar.{kind}"
    with tarfile.open(path, f"w:{kind}") as file:  # type: ignore[call-overload]  # of a kind
        info = tarfile.TarInfo("noise")
        info.size = 50_000
        file.addfile(info, io.BytesIO(random.Random(0).randbytes(50_000)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged or cut short"):
        unpack(path, tmp_path / "out")


def test_a_name_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    claim = tarfile.TarInfo("x")
    claim.type, claim.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    (tmp_path / "a.tar").write_bytes(claim.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match=f"claims {1 << 40} bytes"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_names_without_end_are_told_as_damage(tmp_path: Path) -> None:
    record = b"20 comment=abcdefgh\n"
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    block = header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")
    (tmp_path / "a.tar").write_bytes(block * 3000 + bytes(1024))
    with pytest.raises(DataError, match="damaged or cut short"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(DataError, match="not a regular file"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["..zip", "...zip"])
def test_a_name_of_dots_is_no_folder_to_unpack_to(name: str) -> None:
    assert archive_stem(Path(name)) is None


def test_archives_of_one_stem_do_not_hide_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    zip_of(tmp_path / "in" / "a.zip", {"x": b"1"})
    tar_of(tmp_path / "in" / "a.tar", {"y": b"1"})
    assert run(["data", "unpack", str(tmp_path / "in"), "--to", str(tmp_path / "out")]) == 2
    assert "would be unpacked to one folder, 'a'" in capsys.readouterr().err


def test_archives_too_deep_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inner = zip_of(tmp_path / "4.zip", {"x": b"1"})
    for number in (3, 2, 1):
        inner = zip_of(tmp_path / f"{number}.zip", {f"{number + 1}.zip": inner.read_bytes()})
    assert run(["data", "unpack", str(inner), "--to", str(tmp_path / "out")]) == 0
    assert "3/4.zip: lies in 3 archives" in capsys.readouterr().out


def test_a_folder_beside_an_archive_is_not_taken_for_its_contents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = zip_of(tmp_path / "case1.zip", {"b.txt": b"2"})
    outer = zip_of(tmp_path / "o.zip", {"case1/a.txt": b"1", "case1.zip": inner.read_bytes()})
    command = ["data", "unpack", str(outer), "--to", str(tmp_path / "out")]
    for _ in range(2):
        assert run(command) == 1
        assert "case1, which is there already; rename" in capsys.readouterr().out
    (tmp_path / "out" / "o" / "case1.zip").rename(tmp_path / "out" / "o" / "case2.zip")
    for num_files in (1, 0):
        assert run(command) == 0
        assert f"{num_files} files of 2 archives" in capsys.readouterr().out
    assert (tmp_path / "out" / "o" / "case2" / "b.txt").read_bytes() == b"2"


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"x": b"1"})
    left = tmp_path / "out" / ".a.4711.part"
    left.mkdir(parents=True)
    (left / "x").write_bytes(b"half")
    assert run(["data", "unpack", str(archive), "--to", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


@pytest.mark.parametrize("members", [{"a": b"1", "a/b": b"2"}, {"a/b": b"2", "a": b"1"}])
def test_a_file_below_a_file_is_refused(
    kind: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    archive = MAKERS[kind](tmp_path / kind, members)
    with pytest.raises(DataError, match="which are one file on some systems"):
        unpack(archive, tmp_path / "out")


def test_a_name_too_long_is_told(kind: str, tmp_path: Path) -> None:
    archive = MAKERS[kind](tmp_path / kind, {"x" * 300: b"1"})
    with pytest.raises(DataError, match="a name that is too long for this disk"):
        unpack(archive, tmp_path / "out")


def test_a_damaged_archive_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.zip").write_bytes(b"no archive")
    zip_of(tmp_path / "in" / "b.zip", {"x": b"1"})
    assert run(["data", "unpack", str(tmp_path / "in"), "--to", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().out
    assert "not unpacked: " in told
    assert "a.zip: is damaged" in told
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b"]
