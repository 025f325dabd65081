from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endofm.data.manifests import (
    Clip,
    Video,
    read_clip_list,
    split_into_clips,
    write_clip_list,
)
from endofm.errors import DataError

HEADER = "path,num_frames,fps,height,width"


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def write_list(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "clips.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def some_video(path: Path, **values: Any) -> Video:
    return Video(touch(path), num_frames=150, fps=30000 / 1001, height=256, width=341, **values)


# Clips


@pytest.mark.parametrize(
    ("num_frames", "lengths"),
    [
        (1, [1]),
        (149, [149]),
        (299, [299]),
        (300, [150, 150]),
        (449, [150, 299]),
        (1000, [150] * 5 + [250]),
    ],
)
def test_clips_cover_a_video_and_the_last_takes_the_remainder(
    num_frames: int, lengths: list[int]
) -> None:
    video = Video(Path("a.mp4"), num_frames, 30.0, 8, 9, label="polyp", split="train", group="p1")
    clips = split_into_clips(video)
    assert [clip.num_frames for clip in clips] == lengths
    assert [clip.start_frame for clip in clips] == np.cumsum([0, *lengths[:-1]]).tolist()
    expected = Clip(Path("a.mp4"), 30.0, 0, lengths[0], 30.0, "polyp", "train", "p1")
    assert clips[0] == expected


def test_clips_are_counted_on_the_target_timeline() -> None:
    slow = Video(Path("a.mp4"), 125, 12.5, 8, 9)
    clips = split_into_clips(slow, clip_frames=100, target_fps=30.0)
    assert [clip.num_frames for clip in clips] == [100, 100, 100]
    assert {(clip.fps, clip.source_fps) for clip in clips} == {(30.0, 12.5)}


def test_a_picture_a_second_is_not_repeated_thirty_times() -> None:
    slow = Video(Path("a"), 400, 1.0, 8, 9)
    clips = split_into_clips(slow, clip_frames=150, target_fps=30.0)
    assert [(clip.start_frame, clip.num_frames, clip.fps) for clip in clips] == [
        (0, 150, 1.0),
        (150, 250, 1.0),
    ]


def test_a_blink_of_a_video_is_one_clip_of_one_frame() -> None:
    assert [c.num_frames for c in split_into_clips(Video(Path("a.mp4"), 1, 240.0, 8, 9))] == [1]


def test_without_a_group_clips_of_a_video_stay_together() -> None:
    clips = split_into_clips(Video(Path("x/a.mp4"), 600, 30.0, 8, 9))
    assert {clip.group for clip in clips} == {"x/a.mp4"}


# Lists


def test_lists_come_back_as_they_were_written(tmp_path: Path) -> None:
    videos = [
        some_video(tmp_path / "b/β, 'x' \"y\".mp4", label="0", split="train", group="patient 1"),
        some_video(tmp_path / "a\nb.mp4"),
        some_video(tmp_path / "内視鏡/c\rd.mp4", label="ポリープ"),
        some_video(tmp_path / " e .mp4"),
    ]
    write_clip_list(tmp_path / "clips.csv", videos)
    assert read_clip_list(tmp_path / "clips.csv") == videos


name = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@given(
    cells=st.tuples(
        name, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    ),
    numbers=st.tuples(
        st.integers(1, 10**9), st.floats(1e-3, 1e6), st.integers(1, 16384), st.integers(1, 16384)
    ),
)
def test_any_name_and_number_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    cells: tuple[str, str],
    numbers: tuple[int, float, int, int],
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    if cells[0] in {".", ".."} or len(cells[0].encode()) > 200:
        return
    video = Video(touch(folder / cells[0]), *numbers, label=cells[1])
    write_clip_list(folder / "clips.list", [video])
    assert read_clip_list(folder / "clips.list") == [video]


def test_names_that_are_not_utf8_come_back(tmp_path: Path) -> None:
    try:
        video = some_video(tmp_path / "clip\udce9.mp4")
    except OSError:
        pytest.skip("this file system stores UTF-8 names only")
    write_clip_list(tmp_path / "clips.csv", [video])
    assert read_clip_list(tmp_path / "clips.csv") == [video]


def test_optional_columns_are_written_where_used(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    write_clip_list(path, [some_video(tmp_path / "a.mp4")])
    assert path.read_text().splitlines() == [HEADER, f"a.mp4,150,{30000 / 1001},256,341"]
    write_clip_list(path, [some_video(tmp_path / "v/a.mp4", split="test")])
    assert path.read_text().splitlines() == [
        f"{HEADER},split",
        f"v/a.mp4,150,{30000 / 1001},256,341,test",
    ]


def test_an_empty_list_is_a_list(tmp_path: Path) -> None:
    write_clip_list(tmp_path / "clips.csv", [])
    assert read_clip_list(tmp_path / "clips.csv") == []


def test_columns_may_have_any_order_and_spreadsheets_may_mark_the_start(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    path = tmp_path / "clips.csv"
    path.write_text("\ufefflabel,width,height,fps,num_frames,path\r\nx,9,8,25,70,a.mp4\r\n\r\n")
    assert read_clip_list(path) == [Video(tmp_path / "a.mp4", 70, 25.0, 8, 9, label="x")]


def test_a_failed_write_leaves_the_old_list(tmp_path: Path) -> None:
    inside = some_video(tmp_path / "data/a.mp4")
    outside = some_video(tmp_path / "b.mp4")
    path = tmp_path / "data/clips.csv"
    write_clip_list(path, [inside])
    with pytest.raises(DataError, match=r"b\.mp4 lies outside the list's folder; write the list"):
        write_clip_list(path, [inside, outside])
    assert read_clip_list(path) == [inside]
    assert sorted(p.name for p in path.parent.iterdir()) == ["a.mp4", "clips.csv"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.mp4,x,30,8,9", "num_frames is 'x'; give a number above 0"),
        ("a.mp4,7.5,30,8,9", "num_frames is '7.5'"),
        ("a.mp4,0,30,8,9", "num_frames is '0'"),
        ("a.mp4,7,nan,8,9", "fps is 'nan'"),
        ("a.mp4,7,inf,8,9", "fps is 'inf'"),
        ("a.mp4,7,-1,8,9", "fps is '-1'"),
        ("a.mp4,7,30,,9", "height is ''"),
        ("a.mp4,7,30,70000,9", "height is '70000'; no video has that: give 1 to 16384"),
        (f"a.mp4,{'9' * 400},30,8,9", "num_frames is '99999999999999999999'"),
        ("a.mp4,7,1e-323,8,9", "fps is '1e-323'; no video has that"),
        ("a.mp4,7,30,8,-9", "width is '-9'"),
        ("a.mp4,7,30,8", "has 4 cells where the header has 5; put quotes"),
        ("a,b.mp4,7,30,8,9", "has 6 cells where the header has 5"),
        ("gone.mp4,7,30,8,9", "'gone.mp4' is missing; paths start from"),
        ("ok.mp4,7,30,8,9", "repeats the video of row 2; remove one"),
        ("x/../ok.mp4,7,30,8,9", "repeats the video of row 2"),
        ("../secret.mp4,7,30,8,9", "'../secret.mp4' leads out of the list's folder"),
        ("link.mp4,7,30,8,9", "'link.mp4' leads out of the list's folder"),
        ("loop.mp4,7,30,8,9", "'loop.mp4' is missing"),
        (",7,30,8,9", "'' leads out of the list's folder"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    root = tmp_path / "data"
    secret = touch(tmp_path / "secret.mp4")
    for good in ("a.mp4", "ok.mp4", "x/y.mp4"):
        touch(root / good)
    (root / "link.mp4").symlink_to(secret)
    (root / "loop.mp4").symlink_to(root / "loop.mp4")
    path = write_list(root, "ok.mp4,7,30,8,9", row)
    with pytest.raises(DataError) as caught:
        read_clip_list(path)
    assert str(caught.value).startswith(f"{path} row 3: {message}")
    assert "\n" not in str(caught.value)


def test_absolute_paths_are_refused_even_inside(tmp_path: Path) -> None:
    video = touch(tmp_path / "a.mp4")
    path = write_list(tmp_path, f"{video},7,30,8,9")
    with pytest.raises(DataError, match="leads out of the list's folder"):
        read_clip_list(path)


def test_a_list_reached_through_a_link_is_read(tmp_path: Path) -> None:
    touch(tmp_path / "real/a.mp4")
    write_list(tmp_path / "real", "a.mp4,7,30,8,9")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    (video,) = read_clip_list(tmp_path / "linked/clips.csv")
    assert video.path == tmp_path / "linked/a.mp4"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER + ",labels", "has an unknown column 'labels'; did you mean 'label'?"),
        (HEADER + ",zzz", "has an unknown column 'zzz'; known columns: path, num_frames"),
        (HEADER + ",fps", "has the column 'fps' twice; remove one"),
        ("path,fps,height", "has no column num_frames, width; the first row must be a header"),
        ("", "has no column path, num_frames"),
        ('"path', "cannot be read as a clip list (unexpected end of data)"),
    ],
)
def test_a_bad_header_is_explained(tmp_path: Path, header: str, message: str) -> None:
    path = write_list(tmp_path, header=header)
    with pytest.raises(DataError) as caught:
        read_clip_list(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_list_that_is_no_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match=r"clips\.csv: "):
        read_clip_list(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="has no column path"):
        read_clip_list(path)
    with pytest.raises(DataError, match="cannot be read as a clip list"):
        read_clip_list(tmp_path)
