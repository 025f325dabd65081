from pathlib import Path
from typing import Any

import pytest

from endofm.data.boxed import BoxedSet
from endofm.data.boxed_checks import complete_boxed
from endofm.data.boxed_found import FoundBox, FoundFrame, FoundSequence, FoundSet, inside
from endofm.errors import DataError
from tests.data.boxed_folders import BOX, shape, write_frame


def found_set(root: Path, *names: str, bare: str = "", groups: str = "", **how: Any) -> FoundSet:
    """Sequences of two frames with a box each; those of ``bare`` have none."""
    sequences = []
    for place, name in enumerate(names):
        paths = [write_frame(root / name / f"{k}.png") for k in range(2)]
        boxes = () if name in bare else (FoundBox(BOX, "polyp"),)
        frames = tuple(FoundFrame(str(path), path, boxes, time=k) for k, path in enumerate(paths))
        group = groups[place] if groups else ""
        sequences.append(FoundSequence(name, frames, group=group, **how))
    return FoundSet(root, ("polyp",), tuple(sequences))


def complete(found: FoundSet, **how: Any) -> BoxedSet:
    return complete_boxed(found, **how)


def test_sequences_are_divided_by_seed(tmp_path: Path) -> None:
    found = found_set(tmp_path, *"abcdefghij")
    one, same, other = (complete(found, seed=seed) for seed in (0, 0, 1))
    assert shape(one) == shape(same)
    assert shape(one) != shape(other)
    assert {split: len(part) for split, part in one.splits.items()} == {
        "train": 6,
        "val": 2,
        "test": 2,
    }
    assert sorted(name for part in shape(one).values() for name in part) == list("abcdefghij")


def test_groups_stay_together(tmp_path: Path) -> None:
    found = complete(found_set(tmp_path, *"abcdefgh", groups="11223344"))
    for part in found.splits.values():
        names = {one.name for one in part}
        assert all(("a" in names) == ("b" in names) for _ in (0,))
        assert len(names) % 2 == 0
    assert not any("sequence without a group" in note for note in found.notes)


def test_frames_without_boxes_take_part(tmp_path: Path) -> None:
    found = complete(found_set(tmp_path, *"abcdefgh", bare="efgh"))
    for part in found.splits.values():
        kinds = {bool(frame.boxes_xyxy) for one in part for frame in one.frames}
        assert kinds == {True, False}


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no box in any training frame; is it annotated"):
        complete(found_set(tmp_path, *"abc", bare="abc"))
    with pytest.raises(DataError, match="has the sequences of 2 groups with a lesion only"):
        complete(found_set(tmp_path, *"abc", bare="c"))


def test_a_set_to_evaluate_stays_as_it_is(tmp_path: Path) -> None:
    assert list(complete(found_set(tmp_path, "a"), divide=False).splits) == ["test"]


def test_classes_are_those_of_the_network(tmp_path: Path) -> None:
    found = found_set(tmp_path, *"abcd")
    kept = complete(found, classes=("ulcer", "polyp"), divide=False)
    assert kept.splits["test"][0].frames[0].labels == (2,)
    lost = complete(found, classes=("ulcer",), divide=False)
    assert lost.splits["test"][0].frames[0].labels == ()
    assert "8 boxes left out: see skipped.csv" in lost.notes
    assert "no frame of split 'test' has a box" in lost.notes
    assert lost.skipped[0].reason == "box (10, 5, 30, 25) has the unknown class 'polyp'"


def test_the_rate_of_listed_frames(tmp_path: Path) -> None:
    found = found_set(tmp_path, "a", fps=30.0)
    assert complete(found, divide=False).splits["test"][0].fps == 30
    unknown = found_set(tmp_path, "a")
    assert complete(unknown, divide=False).splits["test"][0].fps is None


def test_a_picture_is_listed_once(tmp_path: Path) -> None:
    found = found_set(tmp_path, "a", "a")
    with pytest.raises(DataError, match="repeats the frame of"):
        complete(found)


def test_every_frame_is_told_as_progress(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    found = found_set(tmp_path, *"abcd")
    complete(found, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(k, 8) for k in range(1, 9)]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "", "a/../../x", "a\0b", "x" * 5000])
def test_paths_stay_inside(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no path inside"):
        inside(tmp_path, name, where="boxes.json")


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "secret.png").touch()
    (tmp_path / "set" / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match="is no path inside"):
        inside(tmp_path / "set", "link.png", where="boxes.json")
    assert inside(tmp_path / "set", "a/b.png", where="x") == tmp_path / "set" / "a/b.png"
