from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from endofm.data.labelled import read_labelled
from endofm.data.manifests import Video, write_clip_list
from endofm.errors import DataError
from tests.data.labelled_videos import TRAIN, VAL, AddVideo, MakeLists, grouped, rows

# PolypDiag


BAD_LISTS: list[tuple[dict[str, str | bytes], str]] = [
    ({"train": TRAIN + "z.mp4,1"}, "train.txt row 11: 'z.mp4' is missing; paths start from"),
    ({"train": TRAIN + "a.mp4,0"}, "train.txt row 11: repeats the video of "),
    ({"train": TRAIN + "x/../a.mp4,0"}, "train.txt row 11: 'x/../a.mp4' is missing"),
    ({"train": TRAIN + "../videos/a.mp4,0"}, "train.txt row 11: repeats the video of "),
    ({"train": TRAIN, "val": "a.mp4,0"}, "val.txt row 1: repeats the video of "),
    ({"train": TRAIN + "../splits/train.txt,1"}, "row 11: '../splits/train.txt' leads out of "),
    ({"train": TRAIN + "/etc/hostname,1"}, "row 11: '/etc/hostname' leads out of "),
    ({"train": "k.mp4;1\n" + TRAIN}, "row 1: 'k.mp4;1' is not a name, a comma and a"),
    ({"train": "k.mp4\t1\n" + TRAIN}, "row 1: 'k.mp4\\t1' is not a name, a comma and a label"),
    ({"train": "k.mp4,\t1\n" + TRAIN}, "row 1: 'k.mp4,\\t1' is not a name, a comma and a label"),
    ({"train": "k.mp4 1\n" + TRAIN}, "row 1: 'k.mp4 1' is not a name, a comma and a label"),
    ({"train": "k.mp4\n" + TRAIN}, "row 1: 'k.mp4' is not a name, a comma and a label"),
    ({"train": "k.mp4,\n" + TRAIN}, "row 1: has no label; give it one"),
    ({"train": TRAIN, "val": " \n"}, "val.txt: lists no video; fill or remove it"),
    ({"train": TRAIN, "valid": VAL}, "valid.txt: is no split; name the lists train.txt"),
    ({"train": "k.mp4,pölyp".encode("latin-1")}, "train.txt: is not UTF-8 (invalid "),
    ({"train": rows("abc", 0), "val": rows("d", 0)}, "row 1: is of class '0', as all other"),
    ({"train": rows("abc", 0), "val": rows("d", 1)}, "class '1' has no video in split 'train'"),
    ({"train": TRAIN + "k.mp4,2"}, "class '2' has the videos of 1 group only to divide; 2 are"),
    ({"val": VAL}, "has no split 'train'; name what to learn from"),
    ({"train": rows("ab", "Polyp") + rows("cd", "polyp")}, "differs from 'Polyp' in case only"),
]


@pytest.mark.parametrize(("lists", "message"), BAD_LISTS)
def test_a_bad_list_is_explained(
    polypdiag: MakeLists, lists: dict[str, str | bytes], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_labelled(polypdiag(**lists))
    assert message in str(caught.value)
    assert "; " in str(caught.value), "has no hint"


def test_links_out_of_the_videos_are_refused(polypdiag: MakeLists, tmp_path: Path) -> None:
    root = polypdiag(train="link.mp4,0\n" + TRAIN)
    (root / "videos/link.mp4").symlink_to(root / "splits/train.txt")
    with pytest.raises(DataError, match=r"row 1: 'link\.mp4' leads out of .*videos"):
        read_labelled(root)


def test_lists_without_videos_are_explained(tmp_path: Path) -> None:
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text(TRAIN)
    with pytest.raises(DataError, match="has splits but no folder 'videos'; put"):
        read_labelled(tmp_path)


def test_a_video_that_cannot_be_read_stops_everything(polypdiag: MakeLists) -> None:
    root = polypdiag(train=TRAIN, val=VAL)
    (root / "videos/m.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"1 of 14 videos cannot be used; the first: .*m\.mp4"):
        read_labelled(root)


# A folder a class


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train/a/1.mp4", "b/1.mp4"], "has the folder 'b' beside 'train'; keep all folders"),
        (["train/a/1.mp4", "Val/a/1.mp4"], "Val: is no split; rename it to 'val'"),
        (["training/a/1.mp4"], "training: is no split; rename it to 'train'"),
        (["a/1.mp4", "2.mp4"], "2.mp4: is a video outside the folders of classes; move it"),
        (["a/1.png", "a/2.png", "b/1.mp4"], "a: is a video outside the folders of classes"),
        (["a/1.mp4", "b/notes.txt"], "b: holds no video; fill or remove"),
        (["train/a/1.mp4", "train/b/1.mp4", "val/x.txt"], "val: holds no video; fill or remove"),
        (["a/1.mp4", "a/2.mp4"], "is of class 'a', as all other videos are; two classes"),
        (["a/1.mp4", "a/2.mp4", "b/1.mp4"], "class 'b' has the videos of 1 group only to divide"),
        (["a/1.mp4", "a/2.mp4", "b/1.mp4", "b/2.mp4"], "of 2 groups only to divide; 3 are needed"),
        (["notes.txt"], "has no labelled videos; give a clip list (.csv)"),
    ],
)
def test_bad_folders_are_explained(
    add: AddVideo, tmp_path: Path, names: list[str], message: str
) -> None:
    for name in names:
        add(f"set/{name}")
    with pytest.raises(DataError) as caught:
        read_labelled(tmp_path / "set")
    assert message in str(caught.value)


def test_a_video_in_two_folders_is_refused(add: AddVideo, tmp_path: Path) -> None:
    real = add("train/a/1.mp4")
    add("train/b/1.mp4")
    (tmp_path / "val/a").mkdir(parents=True)
    (tmp_path / "val/a/1.mp4").symlink_to(real)
    with pytest.raises(DataError, match=r"val/a/1\.mp4: repeats the video of .*train/a/1\.mp4"):
        read_labelled(tmp_path)


@pytest.mark.parametrize("name", ["gone", "one.mp4"])
def test_what_is_no_set_is_refused(add: AddVideo, tmp_path: Path, name: str) -> None:
    add("one.mp4")
    with pytest.raises(DataError, match=r"(no such file or folder|is no labelled set of videos); "):
        read_labelled(tmp_path / name)


# Clip lists


Change = Callable[[Video], Video]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: replace(v, label=""), "row 2: has no label"),
        (lambda v: replace(v, label=" "), "row 2: has no label; give it one, or leave"),
        (lambda v: replace(v, label="\udcff"), "row 2: has a label that is not UTF-8"),
        (lambda v: replace(v, split="val"), "row 3: puts group 'patient 0' into 'train', but "),
        (lambda v: replace(v, split="dev"), "row 2: has the split 'dev'; write train"),
        (lambda v: replace(v, split=""), "row 2: has the split ''; write train"),
    ],
)
def test_a_bad_row_is_named(add: AddVideo, tmp_path: Path, change: Change, message: str) -> None:
    first, *others = grouped(add, 6, split="train")
    write_clip_list(tmp_path / "clips.csv", [change(first), *others])
    with pytest.raises(DataError) as caught:
        read_labelled(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'clips.csv'} {message}")


def test_an_empty_list_is_no_set(tmp_path: Path) -> None:
    write_clip_list(tmp_path / "clips.csv", [])
    with pytest.raises(DataError, match="has no labelled videos"):
        read_labelled(tmp_path)


def test_a_list_that_says_too_much_is_refused(add: AddVideo, tmp_path: Path) -> None:
    first, *others = grouped(add, 6)
    write_clip_list(tmp_path / "clips.csv", [replace(first, num_frames=10), *others])
    with pytest.raises(DataError, match=r"0-0\.mp4: has 9 frames, its list says 10; mend it"):
        read_labelled(tmp_path)
