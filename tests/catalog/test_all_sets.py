import hashlib
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from endofm.catalog.all_sets import CARDS, card_named, find_set
from endofm.catalog.card import Found, Source
from endofm.catalog.cholect45 import FOLDS, split_of_video
from endofm.catalog.fixed_split import split_of
from endofm.catalog.layout import table
from endofm.errors import ConfigError, DataError
from tests.catalog import public_layouts
from tests.catalog.public_layouts import LAYOUTS, SUN_NAMES


def found_in(name: str, root: Path, *, nested: str = "") -> dict[str, Source]:
    LAYOUTS[name](root / nested)
    return {source.name: source for source in find_set(CARDS[name], root).sources}


def edges(source: Source) -> list[list[tuple[float, float, float, float]]]:
    return [[box.xyxy for box in boxes or ()] for boxes in source.boxes]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_set_is_found_at_any_nesting_and_a_foreign_folder_refused(
    name: str, tmp_path: Path
) -> None:
    flat = found_in(name, tmp_path / "flat")
    nested = found_in(name, tmp_path / "nested", nested="a/b c/d")
    assert {key: (one.label, one.split, one.group) for key, one in flat.items()} == {
        key: (one.label, one.split, one.group) for key, one in nested.items()
    }
    public_layouts.text(tmp_path / "other" / "read.me", ["nothing"])
    with pytest.raises(DataError, match=r"holds no .*it has to hold"):
        find_set(CARDS[name], tmp_path / "other")


def test_colonoscopic_divides_lesions_not_lights(tmp_path: Path) -> None:
    found = found_in("colonoscopic", tmp_path)
    assert len(found) == 8
    assert found["hyperplastic_01/WL"].split == found["hyperplastic_01/NBI"].split
    assert found["hyperplastic_02/WL"].group == "hyperplastic_02"
    assert found["serrated_01/NBI"].label == "serrated"


def test_sun_sorts_by_three_numbers(tmp_path: Path) -> None:
    found = found_in("sun", tmp_path)
    assert tuple(path.name for path in found["positive/case1"].files) == SUN_NAMES
    assert list(SUN_NAMES) != sorted(SUN_NAMES)
    boxes = [(10, 5, 30, 25), (12, 6, 31, 26), (1, 2, 9, 9), (4, 4, 20, 20)]
    assert edges(found["positive/case1"]) == [[box] for box in boxes]
    assert found["negative/case1"].boxes == ((), (), (), ())
    assert found["negative/case1"].label == "normal"


def test_sun_names_the_line_that_is_no_box(tmp_path: Path) -> None:
    public_layouts.sun(tmp_path)
    public_layouts.text(tmp_path / "annotation_txt" / "case1.txt", [f"{SUN_NAMES[0]} 1,2,x,4,0"])
    with pytest.raises(DataError, match=r"case1.txt line 1: '1,2,x,4,0' is no box"):
        find_set(CARDS["sun"], tmp_path)


def test_sun_seg_keeps_seen_cases_out_of_test(tmp_path: Path) -> None:
    found = found_in("sun-seg", tmp_path)
    splits = {name: (one.split, one.group) for name, one in found.items()}
    assert splits == {
        "train/case1_1": ("train", "case1"),
        "train/case60": ("train", "case60"),
        "testeasy-seen/case1_2": ("", "case1"),
        "testhard-unseen/case70_3": ("test", "case70"),
    }
    one = found["train/case60"]
    assert tuple(path.name for path in one.files) == SUN_NAMES
    assert one.label == "low_grade_adenoma"
    assert all(one.masks)
    assert edges(one)[0] == [(12, 10, 30, 20)]


def test_ldpolypvideo_counts_its_boxes(tmp_path: Path) -> None:
    found = found_in("ldpolypvideo", tmp_path)
    assert found["annotated/1"].split == "train"
    assert found["annotated/101"].split == "test"
    assert [len(boxes or ()) for boxes in found["annotated/1"].boxes[:3]] == [1, 0, 1]
    assert found["polyp/1.avi"].label == "polyp"
    assert found["normal/1"].label == "normal"
    wrong = tmp_path / "Test" / "Annotations" / "101" / "0003.txt"
    public_layouts.text(wrong, ["2", "1 2 3 4"])
    with pytest.raises(DataError, match=r"0003.txt: does not hold a number of boxes"):
        find_set(CARDS["ldpolypvideo"], tmp_path)


def test_hyper_kvasir_reads_findings_with_blanks_and_commas(tmp_path: Path) -> None:
    found = found_in("hyper-kvasir", tmp_path)
    assert found["videos/Polypp 5"].label == "Polyp, sessile"
    assert found["videos/0f3e6c"].label == "polyps"  # not listed: the folder tells
    assert found["stills/ab"].masks[0] is not None
    assert len(found) == 3


def test_kvasir_capsule_puts_boxes_around_corners(tmp_path: Path) -> None:
    found = found_in("kvasir-capsule", tmp_path)
    still = found["stills/04a78ef00c5245e0_10"]
    assert edges(still) == [[(20, 5, 30, 25)]]
    assert still.split == found["labelled/04a78ef00c5245e0"].split
    assert "stills/04a78ef00c5245e0_11" not in found


@pytest.mark.parametrize("corner", ["1e400", "nan", "left"])
def test_corners_that_are_none_are_refused(corner: str, tmp_path: Path) -> None:
    public_layouts.kvasir_capsule(tmp_path)
    path = next(tmp_path.rglob("metadata.csv"))
    path.write_text(path.read_text().replace(";Polyp;20;", f";Polyp;{corner};", 1))
    with pytest.raises(DataError, match=r"metadata.csv row 2: .* are not four corners"):
        find_set(CARDS["kvasir-capsule"], tmp_path)


def test_cholect45_has_the_official_folds(tmp_path: Path) -> None:
    found = found_in("cholect45", tmp_path)
    assert {name: one.split for name, one in found.items()} == {
        "VID01": "val",
        "VID56": "val",
        "VID79": "test",
    }
    assert found["VID01"].picture_fps == 1.0
    videos = sorted(video for fold in FOLDS for video in fold)
    assert len(set(videos)) == 45
    for fold in range(1, 6):
        splits = [split_of_video(video, test_fold=fold) for video in videos]
        assert (splits.count("test"), splits.count("val")) == (9, 5)


def test_polypdiag_keeps_videos_whole_and_tells_what_is_missing(tmp_path: Path) -> None:
    public_layouts.polypdiag(tmp_path)
    found = find_set(CARDS["polypdiag"], tmp_path)
    assert [(one.name, one.label, one.is_one_clip) for one in found.sources] == [
        ("a b", "abnormal", True),
        ("c", "normal", True),
    ]
    assert found.notes == (
        "1 listed videos are missing, the first: gone.mp4",
        "1 videos without a label are left out, the first: d.mp4",
        "2 of the 253 videos of the complete set are there",
    )
    public_layouts.text(tmp_path / "PolypDiag" / "splits" / "val.txt", ["a b.mp4,0"])
    with pytest.raises(DataError, match=r"'a b\.mp4' has the other label elsewhere"):
        find_set(CARDS["polypdiag"], tmp_path)


def test_masks_of_clinicvideodb_lie_beside_their_frames(tmp_path: Path) -> None:
    found = found_in("cvc-clinicvideodb", tmp_path)
    one = found["18"]
    assert [path.stem for path in one.files] == [str(n) for n in range(1, 13)]
    assert [path and path.stem for path in one.masks] == [f"{n}_mask" for n in range(1, 13)]


def test_a_fixed_split_is_a_matter_of_the_name_alone() -> None:
    names = [f"patient {number}" for number in range(2000)]
    splits = [split_of("x", name) for name in names]
    for split, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        assert splits.count(split) / len(names) == pytest.approx(share, abs=0.03)
    assert [split_of("x", name) for name in reversed(names)] == splits[::-1]
    assert [split_of("y", name) for name in names] != splits


def test_our_splits_never_change() -> None:
    """Numbers in papers follow from them."""
    groups = {
        "colonoscopic": [
            *(f"hyperplastic_{number:02d}" for number in range(1, 22)),
            *(f"serrated_{number:02d}" for number in range(1, 16)),
            *(f"adenoma_{number:02d}" for number in range(1, 41)),
        ],
        "sun": [
            *(f"positive/case{number}" for number in range(1, 101)),
            *(f"negative/case{number}" for number in range(1, 14)),
        ],
        "cvc-clinicvideodb": [str(number) for number in range(1, 19)],
    }
    found = {
        name: hashlib.sha256(
            "".join(f"{group},{split_of(name, group)}\n" for group in of_set).encode()
        ).hexdigest()[:16]
        for name, of_set in groups.items()
    }
    counts = {
        name: Counter(split_of(name, group) for group in of_set) for name, of_set in groups.items()
    }
    assert found == {
        "colonoscopic": "edea22b49357bd20",
        "sun": "689e530b193b1ea9",
        "cvc-clinicvideodb": "bf791af00c43f099",
    }
    assert counts == {
        "colonoscopic": {"train": 57, "val": 7, "test": 12},
        "sun": {"train": 79, "val": 11, "test": 23},
        "cvc-clinicvideodb": {"train": 13, "val": 1, "test": 4},
    }


def test_unknown_and_ambiguous_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean sun-seg"):
        card_named("sunseg")
    with pytest.raises(DataError, match="no such folder"):
        find_set(CARDS["sun"], tmp_path / "x")
    twice = Found((Source("a", (tmp_path / "1.mp4",)), Source("a", (tmp_path / "2.mp4",))))
    card = CARDS["own"]
    with pytest.raises(DataError, match=r"has 'a' twice, .*1.mp4 and .*2.mp4"):
        find_set(replace(card, find=lambda _: twice), tmp_path)


def test_every_card_tells_its_terms() -> None:
    for name, card in CARDS.items():
        assert card.name == name
        assert card.terms
        assert card.layout
        assert set(card.overlaps) <= set(CARDS)
        if name != "own":
            assert card.page
            assert card.citation


def test_polypdiag_passes_over_what_macos_leaves_beside_its_lists(tmp_path: Path) -> None:
    public_layouts.polypdiag(tmp_path)
    (folder,) = tmp_path.rglob("splits")
    (folder / "._train.txt").write_bytes(b"\0\5\x16\7")
    assert find_set(CARDS["polypdiag"], tmp_path).sources


def test_a_table_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text(f"a;b\n{'x' * 200_000}\n")
    with pytest.raises(DataError, match=r"metadata.csv: is no table \(field larger"):
        table(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="is not a regular file"):
        table(path)


@pytest.mark.parametrize(
    ("names", "has_gap"),
    [
        (["f8.png", "f9.png", "f10.png"], False),
        (["f0.png", "f10.png", "f20.png"], False),
        (["f8.png", "f9.png", "f500.png"], True),
        (["a.png", "b.png", "d.png"], False),
    ],
)
def test_gaps_in_the_numbers_of_own_frames_are_told(
    names: list[str], has_gap: bool, tmp_path: Path
) -> None:
    for name in names:
        public_layouts.picture(tmp_path / "v" / name)
    notes = find_set(CARDS["own"], tmp_path).notes
    assert bool(notes) == has_gap
    assert not notes or "gaps in their numbers" in notes[0]
