"""Rows of clip lists that are about a part of a video."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from endofm.data.manifests import (
    Clip,
    Video,
    read_clip_list,
    scan,
    split_into_clips,
    video_paths,
    whole_clip,
    write_clip_list,
)
from endofm.data.video import write_video
from endofm.errors import DataError

HEADER = "path,num_frames,fps,height,width,group,start_s,end_s"


@pytest.fixture
def video(tmp_path: Path) -> Video:
    """Two seconds at 25 frames a second."""
    path = tmp_path / "a.mp4"
    write_video(path, [np.full((32, 48, 3), 90, np.uint8)] * 50, fps=25)
    return Video(path, 50, 25.0, 32, 48)


def test_parts_come_back_as_they_were_written(video: Video) -> None:
    path = video.path.with_name("clips.csv")
    parts = [
        replace(video, label="x", start_s=1.2),
        replace(video, label="y", start_s=0.0, end_s=0.5),
        replace(video, label="z", start_s=0.5, end_s=1.2),
    ]
    write_clip_list(path, parts)
    assert path.read_text().splitlines() == [
        "path,num_frames,fps,height,width,label,start_s,end_s",
        "a.mp4,50,25.0,32,48,x,1.2,",
        "a.mp4,50,25.0,32,48,y,0.0,0.5",
        "a.mp4,50,25.0,32,48,z,0.5,1.2",
    ]
    assert read_clip_list(path) == parts


def test_a_part_is_all_that_is_not_left_out(video: Video) -> None:
    assert video.part_s == (0.0, 2.0)
    assert replace(video, start_s=0.5).part_s == (0.5, 2.0)
    assert replace(video, end_s=0.5).part_s == (0.0, 0.5)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (",-0.1,1", "is about -0.1 to 1 s of a video of 2 s; let start_s be 0 or more"),
        (",1,1", "is about 1 to 1 s of a video of 2 s"),
        (",1,0.5", "is about 1 to 0.5 s"),
        (",1.9,2.1", "is about 1.9 to 2.1 s"),
        (",2,", "is about 2 to 2 s"),
        (",nan,1", "is about nan to 1 s"),
        (",1,inf", "is about 1 to inf s"),
        (",one,", "start_s is 'one'; give seconds"),
        (",,0:30", "end_s is '0:30'; give seconds"),
        (",0.4,0.6", "overlaps in time with row 2; let"),
        (",,", "overlaps in time with row 2"),
        (",,0.1", "overlaps in time with row 2"),
        (",0,0.5", "repeats the video of row 2; remove one"),
        (",,0.5", "repeats the video of row 2; remove one"),
        ("p1,1,2", "names the group 'p1' for the video of row 2, which names ''; give all parts"),
    ],
)
def test_a_bad_part_is_named(video: Video, cells: str, message: str) -> None:
    path = video.path.with_name("clips.csv")
    listed = "a.mp4,50,25,32,48,"
    path.write_text(f"{HEADER}\n{listed},0,0.5\n{listed}{cells}\n")
    with pytest.raises(DataError) as caught:
        read_clip_list(path)
    assert str(caught.value).startswith(f"{path} row 3: {message}")


def test_rounded_ends_are_in_the_video(video: Video) -> None:
    path = video.path.with_name("clips.csv")
    path.write_text(f"{HEADER}\na.mp4,50,25,32,48,,0.5,2.01\n")
    (read,) = read_clip_list(path)
    assert whole_clip(read).start_frame + whole_clip(read).num_frames == 50


def test_only_the_part_is_cut_into_clips() -> None:
    video = Video(Path("a.mp4"), 1000, 25.0, 8, 9, label="x", start_s=4.0, end_s=20.5)
    clips = split_into_clips(video, clip_frames=150, target_fps=30.0)
    assert [(clip.start_frame, clip.num_frames) for clip in clips] == [
        (120, 150),
        (270, 150),
        (420, 195),
    ]
    assert {clip.group for clip in clips} == {"a.mp4"}


def test_neighbouring_parts_share_no_frame_and_leave_none_out() -> None:
    video = Video(Path("a.mp4"), 100, 29.97, 8, 9)
    times_s = [None, 0.37, 1.111, 2.5, None]
    clips = [
        whole_clip(replace(video, start_s=start_s, end_s=end_s), target_fps=30.0)
        for start_s, end_s in pairwise(times_s)
    ]
    starts = [clip.start_frame for clip in clips]
    ends = [clip.start_frame + clip.num_frames for clip in clips]
    assert starts == [0, *ends[:-1]]
    assert ends[-1] == whole_clip(video, target_fps=30.0).num_frames == 100


def test_a_whole_clip_has_the_frame_rate_of_its_video() -> None:
    video = Video(Path("a.mp4"), 100, 29.97, 8, 9, "x", "train", "p1")
    assert whole_clip(video) == Clip(Path("a.mp4"), 29.97, 0, 100, 29.97, "x", "train", "p1")
    part = whole_clip(replace(video, start_s=1.0, end_s=1.001))
    assert (part.start_frame, part.num_frames) == (30, 1)


def test_a_scan_keeps_all_parts_of_a_video_but_no_repeat(video: Video) -> None:
    path = video.path.with_name("clips.csv")
    parts = [replace(video, end_s=0.5), replace(video, start_s=0.5)]
    write_clip_list(path, parts)
    assert scan([path, path, video.path]).videos == tuple(parts)
    assert [found.path for found in scan([video.path, path]).videos] == [video.path]
    assert video_paths(path) == [video.path]
    short = scan([path], min_frames=20)
    assert short.videos == (parts[1],)
    assert short.skipped[0].reason == f"{video.path}: has 12 frames, at least 20 needed"
