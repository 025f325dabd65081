import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.catalog.audit import find_overlaps, hash_set
from endofm.catalog.exclusion import write_overlaps
from endofm.catalog.fingerprints import hashed_times, pictures_at
from endofm.cli import run
from endofm.data.clip_list import write_clip_list
from endofm.data.excluding import read_excluded, without_excluded
from endofm.data.hash_matching import Hashes, matching_videos
from endofm.data.manifests import scan
from endofm.data.perceptual_hash import frame_hash
from endofm.data.video import write_video
from endofm.errors import DataError

FPS = 25


def footage(seed: int, *, num_frames: int = 100) -> list[NDArray[np.uint8]]:
    """A camera that moves over a wall of its own, (120, 160)."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(50, 210, (40, 40, 3)).astype(np.float32)
    wall = cv2.resize(coarse, (600, 600), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    return [
        wall[40 + n : 160 + n, 30 + n // 2 : 190 + n // 2].astype(np.uint8)
        for n in range(num_frames)
    ]


def write(path: Path, frames: Sequence[NDArray[np.uint8]], *, crf: int = 18) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, fps=FPS, crf=crf)
    return path


def copied(seed: int) -> list[NDArray[np.uint8]]:
    """The same 1.3 s later, larger, and in a black border."""
    frames = [cv2.resize(frame, (240, 180)) for frame in footage(seed)[33:]]
    return [np.pad(frame, [(20, 20), (40, 10), (0, 0)]).astype(np.uint8) for frame in frames]


def overlapping(*roots: Path, cache: Path) -> list[tuple[str, str, str]]:
    sets = [hash_set(root, cache=cache, num_workers=0) for root in roots]
    found = find_overlaps(sets)
    return [(one.first.path.stem, one.second.path.stem, one.by) for one in found]


def test_a_copy_of_another_size_quality_and_start_is_found(tmp_path: Path) -> None:
    for seed in range(4):
        write(tmp_path / "a" / f"a{seed}.mp4", footage(seed))
    write(tmp_path / "b" / "copy.mp4", copied(2), crf=38)
    write(tmp_path / "b" / "other.mp4", footage(9))
    found = overlapping(tmp_path / "a", tmp_path / "b", cache=tmp_path / "cache")
    assert found == [("a2", "copy", "frames")]


def test_names_that_tell_and_names_that_do_not(tmp_path: Path) -> None:
    for number, name in enumerate(("0f3e6c77-a", "frame", "0001", "Overview")):
        write(tmp_path / "a" / f"{name}.mp4", footage(number))
        write(tmp_path / "b" / f"{name.upper()}.mp4", footage(10 + number))
    found = overlapping(tmp_path / "a", tmp_path / "b", cache=tmp_path / "cache")
    assert found == [("0f3e6c77-a", "0F3E6C77-A", "id")]


def test_splits_of_one_set_share_no_footage_but_of_one_group(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.mp4", footage(1))
    videos = scan([tmp_path]).videos
    about = [("train", "1"), ("test", "2"), ("train", "2")]
    listed = [
        replace(video, split=split, group=group)
        for video, (split, group) in zip(videos, about, strict=True)
    ]
    write_clip_list(tmp_path / "clips.csv", listed)
    assert overlapping(tmp_path, cache=tmp_path / "cache") == [("a", "b", "frames")]


def test_a_thousand_pairs_of_strangers_raise_no_alarm() -> None:
    videos = [
        [frame_hash(frame[..., 1]) for frame in footage(seed, num_frames=100)[::10]]
        for seed in range(46)
    ]
    words = np.stack([word for video in videos for word in video if word is not None])
    assert len(words) == 460
    hashes = Hashes(words, np.repeat(np.arange(46), 10), np.tile(np.arange(10) * 0.25, 46))
    assert 46 * 45 // 2 > 1000
    found = matching_videos(hashes, hashes, differ=lambda a, b: a <= b)
    assert [(match.first, match.second) for match in found] == [(n, n) for n in range(46)]


def test_black_videos_match_nothing(tmp_path: Path) -> None:
    black = [np.zeros((120, 160, 3), np.uint8)] * 60
    for folder in ("a", "b"):
        write(tmp_path / folder / "v.mp4", black)
    assert not overlapping(tmp_path / "a", tmp_path / "b", cache=tmp_path / "cache")


def test_hashes_are_kept_until_the_file_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "a" / "v.mp4", footage(1))
    cache = tmp_path / "cache"
    first = hash_set(tmp_path / "a", cache=cache, num_workers=0)[0].fingerprint
    (kept,) = cache.iterdir()
    np.savez(kept, words=first.words[:3], times_s=first.times_s[:3])
    again = hash_set(tmp_path / "a", cache=cache, num_workers=0)[0].fingerprint
    assert len(again.words) == 3
    kept.write_bytes(b"PK damaged")
    assert len(hash_set(tmp_path / "a", cache=cache, num_workers=0)[0].fingerprint.words) > 3
    write(path, footage(2))
    changed = hash_set(tmp_path / "a", cache=cache, num_workers=0)[0].fingerprint
    assert not np.array_equal(changed.words, first.words)


def test_the_command_writes_what_pretraining_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(3):
        write(tmp_path / "train" / f"v{seed}.mp4", footage(seed))
    write(tmp_path / "tested" / "t.mp4", copied(1))
    (tmp_path / "tested" / "broken.mp4").write_bytes(b"no video")
    roots = [str(tmp_path / name) for name in ("train", "tested")]
    out = tmp_path / "out"
    assert run(["data", "audit", *roots, "--out", str(out), "--num-workers", "0"]) == 1
    told = capsys.readouterr().out
    assert "broken.mp4" in told
    assert f"endofm pretrain --exclude {out / 'exclude.csv'}" in told
    assert f"look at {out / 'audit.html'}" in told
    (row,) = csv.DictReader((out / "overlaps.csv").read_text().splitlines())
    assert (row["by"], row["other_path"]) == ("frames", str(tmp_path / "tested" / "t.mp4"))
    videos = scan([tmp_path / "train"]).videos
    left, num_excluded = without_excluded(videos, [out / "exclude.csv"])
    assert [video.path.stem for video in left] == ["v0", "v2"]
    assert num_excluded == 1
    assert run(["data", "audit", roots[0], "--out", str(out)]) == 2
    assert "has no splits, so there is nothing to compare it with" in capsys.readouterr().err
    other = write(tmp_path / "unlike" / "u.mp4", footage(8)).parent
    assert run(["data", "audit", roots[0], str(other), "--out", str(out)]) == 0


def test_lists_that_cannot_be_meant(tmp_path: Path) -> None:
    write(tmp_path / "a" / "v.mp4", footage(1, num_frames=10))
    videos = scan([tmp_path / "a"]).videos
    path = tmp_path / "exclude.csv"
    path.write_text("path\nb/v.mp4\n")
    with pytest.raises(DataError, match="names none of the videos"):
        without_excluded(videos, [path])
    path.write_text("path\na/v.mp4\n")
    assert read_excluded(path) == {(tmp_path / "a" / "v.mp4").resolve()}
    with pytest.raises(DataError, match="excludes all videos"):
        without_excluded(videos, [path])
    path.write_text("file\na/v.mp4\n")
    with pytest.raises(DataError, match="has no column 'path'"):
        without_excluded(videos, [path])
    path.write_text("path\n")  # an audit that found nothing
    assert without_excluded(videos, [path]) == (videos, 0)
    with pytest.raises(DataError, match="cannot be read as an exclusion list"):
        read_excluded(tmp_path / "none.csv")


def test_a_whole_group_is_left_out(tmp_path: Path) -> None:
    for name, seed in (("p1/a", 1), ("p1/b", 2), ("p2/a", 3)):
        write(tmp_path / "train" / f"{name}.mp4", footage(seed))
    write(tmp_path / "tested" / "t.mp4", copied(1))
    sets = [
        hash_set(tmp_path / name, cache=tmp_path / "cache", num_workers=0)
        for name in ("train", "tested")
    ]
    assert write_overlaps(tmp_path / "out", find_overlaps(sets), sets) == 2
    rows = list(csv.DictReader((tmp_path / "out" / "exclude.csv").read_text().splitlines()))
    assert [(row["group"], row["like"], row["by"]) for row in rows] == [
        ("p1", "tested/t", "frames"),
        ("p1", "train/p1/a", "group"),
    ]
    left, _ = without_excluded(
        scan([tmp_path / "train"]).videos, [tmp_path / "out" / "exclude.csv"]
    )
    assert [video.path.parent.name for video in left] == ["p2"]


@pytest.mark.parametrize("fps", [0.5, 1, 3, 25, 60])
def test_frames_are_hashed_over_the_whole_video(fps: float) -> None:
    for num_frames in (1, 5, 8, 100):
        times_s = hashed_times(num_frames, fps)
        duration_s = num_frames / fps
        steps_s = np.diff(times_s)
        assert times_s[0] > 0
        assert times_s[-1] < duration_s
        assert len(times_s) >= min(8, num_frames)
        assert len(times_s) <= num_frames
        assert (steps_s <= max(0.25, 1 / fps) + 1e-9).all()


def test_pictures_of_a_second_are_known_in_a_video_of_them(tmp_path: Path) -> None:
    frames = footage(4, num_frames=300)[::12]
    pictures = tmp_path / "raw" / "CholecT45" / "data" / "VID08"
    pictures.mkdir(parents=True)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(pictures / f"{number:06}.png"), frame[..., ::-1])
    (tmp_path / "b").mkdir()
    write_video(tmp_path / "b" / "v.mp4", frames, fps=1)
    sets = [
        hash_set(tmp_path / name, cache=tmp_path / "cache", num_workers=0) for name in ("raw", "b")
    ]
    (found,) = find_overlaps(sets)
    assert found.num_frames == len(frames)
    assert abs(found.offset_s) < 0.01
    shown = pictures_at(found.first.source, found.times_s)
    assert all(np.array_equal(one, frame) for one, frame in zip(shown, frames, strict=True))
    again = pictures_at(found.second.source, [time_s + found.offset_s for time_s in found.times_s])
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(shown, again, strict=True)) < 8


def test_damaged_hashes_are_made_anew(tmp_path: Path) -> None:
    write(tmp_path / "a" / "v.mp4", footage(0))
    write(tmp_path / "b" / "w.mp4", footage(0))
    roots, cache = (tmp_path / "a", tmp_path / "b"), tmp_path / "cache"
    found = overlapping(*roots, cache=cache)
    (kept, _) = sorted(cache.iterdir())
    whole = kept.read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(4))
    np.savez(tmp_path / "short.npz", words=np.zeros((3, 4), np.uint64), times_s=np.zeros(2))
    np.savez(tmp_path / "text.npz", words=np.array(["a"] * 8), times_s=np.zeros(2))
    others = [(tmp_path / name).read_bytes() for name in ("array.npy", "short.npz", "text.npz")]
    flipped = whole[:150] + bytes(255 - byte for byte in whole[150:160]) + whole[160:]
    for damaged in (b"", whole[:300], flipped, *others):
        kept.write_bytes(damaged)
        assert overlapping(*roots, cache=cache) == found


def test_links_to_nothing_are_told_and_pairs_known_by_name_alone_are_shown(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name / "patient-0001.mp4", [np.zeros((40, 48, 3), np.uint8)] * 9)
        (tmp_path / name / "gone.mp4").symlink_to("nowhere")
        (tmp_path / name / "circle.mp4").symlink_to("circle.mp4")
    words = [str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out")]
    assert run(["data", "audit", *words, "--num-workers", "0"]) == 1
    assert "none of its frames could be compared" in (tmp_path / "out" / "audit.html").read_text()


@pytest.mark.parametrize("text", ["", "foo\n", "path\na\0b\n", "path\ncircle\n"])
def test_a_list_that_excludes_nothing_by_mistake_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "exclude.csv").write_text(text)
    with pytest.raises(DataError, match="write it with: endofm data audit"):
        read_excluded(tmp_path / "exclude.csv")
