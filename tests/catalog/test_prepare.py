import csv
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from endofm.catalog.all_sets import CARDS, find_set
from endofm.catalog.check import check_set
from endofm.catalog.detection import read_boxes
from endofm.catalog.prepare import PREPARED, SKIPPED, prepare
from endofm.catalog.prepare_settings import PrepareSettings
from endofm.catalog.segmentation import find_segmented
from endofm.cli import run
from endofm.data.images import read_image
from endofm.data.manifests import read_clip_list, scan
from endofm.data.video import open_video, write_video
from endofm.errors import DataError, VideoError
from endofm.files import working_alone, write_text
from tests.catalog import public_layouts
from tests.catalog.public_layouts import LAYOUTS, picture, video


def prepared(
    name: str, origin: Path, root: Path, *, num_workers: int = 0, **settings: object
) -> dict[str, object]:
    card = CARDS[name]
    return prepare(
        card,
        find_set(card, origin),
        origin=origin,
        root=root,
        settings=PrepareSettings.model_validate(settings),
        num_workers=num_workers,
    )


def files_below(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def same_but_for_the_encoder(one: Path, other: Path) -> None:
    """x264's macroblock tree differs between runs on frames as small as these: see docs/log.md."""
    first, second = files_below(one), files_below(other)
    assert list(first) == list(second)
    encoded = (".mp4", "sources.csv", PREPARED)  # the last two hold hashes of the first
    for name, data in first.items():
        if not name.endswith(encoded) and not name.startswith(".prepare/sources"):
            assert data == second[name], name


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_becomes_clips_that_training_takes(name: str, tmp_path: Path) -> None:
    LAYOUTS[name](tmp_path / "in")
    before = files_below(tmp_path / "in")
    prepared(name, tmp_path / "in", tmp_path / "out", min_frames=3)
    assert files_below(tmp_path / "in") == before
    found = scan([tmp_path / "out"], min_frames=1)
    assert found.videos
    assert not found.skipped
    for one in found.videos:
        assert one.group
        with open_video(one.path) as clip:
            assert clip.info.num_frames == one.num_frames
            assert (clip.info.height, clip.info.width) == (one.height, one.width)
    summary = json.loads((tmp_path / "out" / PREPARED).read_text())
    assert summary["counts"]["clips"] == len(found.videos)
    assert summary["terms"] == CARDS[name].terms


def test_a_picture_a_second_is_neither_repeated_nor_sped_up(tmp_path: Path) -> None:
    public_layouts.cholect45(tmp_path / "in")
    prepared("cholect45", tmp_path / "in", tmp_path / "out")
    prepared("cholect45", tmp_path / "in", tmp_path / "fast", picture_fps=30)
    for folder, fps in (("out", 1.0), ("fast", 30.0)):
        clips = read_clip_list(tmp_path / folder / "clips.csv")
        assert [(one.num_frames, one.fps) for one in clips] == [(10, fps)] * 3


def test_frames_come_in_order_of_time_at_30_a_second(tmp_path: Path) -> None:
    for number in range(25):
        picture(tmp_path / "in" / "patient" / f"f{number}.png", 40 + 6 * number)
    public_layouts.video(tmp_path / "in" / "b" / "v.mp4", num_frames=50, fps=25)
    prepared("own", tmp_path / "in", tmp_path / "out")
    clips = {one.group: one for one in read_clip_list(tmp_path / "out" / "clips.csv")}
    assert clips["b"].num_frames == 60
    with open_video(clips["patient"].path) as clip:
        brightness = [float(frame.mean()) for frame in clip.stream()]
    assert brightness == sorted(brightness)
    assert len(brightness) == 25


def test_sizes_are_scaled_to_the_short_side_and_even(tmp_path: Path) -> None:
    for name, size_hw in {"tall": (101, 61), "wide": (67, 131), "small": (31, 45)}.items():
        folder = tmp_path / "in" / name
        folder.mkdir(parents=True)
        for number in range(9):
            cv2.imwrite(
                str(folder / f"{number}.png"), np.full((*size_hw, 3), (60, 80, 160), np.uint8)
            )
    prepared("own", tmp_path / "in", tmp_path / "out", short_side_px=48)
    clips = read_clip_list(tmp_path / "out" / "clips.csv")
    assert {one.group: (one.height, one.width) for one in clips} == {
        "tall": (80, 48),
        "wide": (48, 94),
        "small": (32, 44),
    }


def test_masks_and_boxes_reach_training_at_full_size(tmp_path: Path) -> None:
    public_layouts.sun_seg(tmp_path / "in")
    prepared("sun-seg", tmp_path / "in", tmp_path / "out", min_frames=2, short_side_px=16)
    segmented = find_segmented(tmp_path / "out", val_share=0.5)
    assert {one.name for one in segmented.splits["test"]} == {"testhard-unseen+case70_3"}
    boxed = read_boxes(tmp_path / "out", val_share=0.5)
    frames = [frame for one in boxed.splits["test"] for frame in one.frames]
    assert [frame.boxes_xyxy for frame in frames] == [((12.0, 10.0, 30.0, 20.0),)] * 4


def test_going_on_gives_the_same_and_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_layouts.ldpolypvideo(tmp_path / "in")
    prepared("ldpolypvideo", tmp_path / "in", tmp_path / "whole")
    count = iter(range(100))

    def interrupted(path: Path, text: str) -> None:
        if path.parent.name == "sources" and next(count) == 2:
            raise KeyboardInterrupt
        write_text(path, text)

    monkeypatch.setattr("endofm.catalog.prepare.write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepared("ldpolypvideo", tmp_path / "in", tmp_path / "out")
    monkeypatch.undo()
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "clips").rglob("*.mp4")}
    prepared("ldpolypvideo", tmp_path / "in", tmp_path / "out")
    kept = sum(path.stat().st_mtime_ns == at for path, at in done.items())
    assert kept == 2  # the third was written, not yet recorded
    same_but_for_the_encoder(tmp_path / "out", tmp_path / "whole")


def test_processes_write_the_same(tmp_path: Path) -> None:
    public_layouts.colonoscopic(tmp_path / "in")
    prepared("colonoscopic", tmp_path / "in", tmp_path / "one")
    prepared("colonoscopic", tmp_path / "in", tmp_path / "two", num_workers=2)
    same_but_for_the_encoder(tmp_path / "one", tmp_path / "two")


def test_a_damaged_source_is_told_and_tried_again(tmp_path: Path) -> None:
    video(tmp_path / "in" / "good.mp4")
    bad = tmp_path / "in" / "bad.mp4"
    bad.write_bytes((tmp_path / "in" / "good.mp4").read_bytes()[:900])
    prepared("own", tmp_path / "in", tmp_path / "out")
    (row,) = csv.DictReader((tmp_path / "out" / SKIPPED).read_text().splitlines())
    assert row["source"] == "bad.mp4"
    bad.write_bytes((tmp_path / "in" / "good.mp4").read_bytes())
    prepared("own", tmp_path / "in", tmp_path / "out")
    assert len(read_clip_list(tmp_path / "out" / "clips.csv")) == 2
    assert not (tmp_path / "out" / SKIPPED).exists()


def test_odd_names_stay_inside_and_apart(tmp_path: Path) -> None:
    names = ["a b", "a_b", "A_b", "line\nbreak", "内視鏡", "-rf", "x" * 200, "x.y"]
    for name in names:
        video(tmp_path / "in" / f"{name}.mp4", num_frames=9)
    prepared("own", tmp_path / "in", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    assert len(read_clip_list(tmp_path / "out" / "clips.csv")) == len(names)


def test_places_that_are_refused(tmp_path: Path) -> None:
    video(tmp_path / "in" / "a.mp4")
    for root in (tmp_path / "in", tmp_path / "in" / "out", tmp_path):
        with pytest.raises(DataError, match=r"lies in .*, or around it"):
            prepared("own", tmp_path / "in", root)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(DataError, match="is not empty"):
        prepared("own", tmp_path / "in", tmp_path / "full")
    prepared("own", tmp_path / "in", tmp_path / "out", crf=30)
    with pytest.raises(DataError, match="was begun for own with crf 30; repeat that"):
        prepared("own", tmp_path / "in", tmp_path / "out")


def test_a_full_disk_stops_everything_and_leaves_no_half_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video(tmp_path / "in" / "a.mp4")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("endofm.data.video_writer._encode", full)
    with pytest.raises((VideoError, OSError), match="No space left"):
        prepared("own", tmp_path / "in", tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.mp4*"))


def test_nothing_to_make_clips_of(tmp_path: Path) -> None:
    video(tmp_path / "in" / "a.mp4", num_frames=5)
    with pytest.raises(DataError, match="no clip could be made; all are too short"):
        prepared("own", tmp_path / "in", tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.mp4"))


def test_black_and_foreign_frames_are_left_out_and_no_clip_jumps(tmp_path: Path) -> None:
    frames = [np.full((40, 48, 3), (160, 80, 60), np.uint8)] * 60
    frames[20:30] = [np.zeros((40, 48, 3), np.uint8)] * 10
    frames[45:48] = [np.full((40, 48, 3), 200, np.uint8)] * 3  # a white wall
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "a.mp4", frames, fps=30)
    summary = prepared("own", tmp_path / "in", tmp_path / "out")
    assert summary["dropped"] == {"black": 10, "out_of_body": 3}
    clips = read_clip_list(tmp_path / "out" / "clips.csv")
    assert [one.num_frames for one in clips] == [20, 15, 12]
    rows = list(csv.DictReader((tmp_path / "out" / "quality.csv").read_text().splitlines()))
    assert [row["path"] for row in rows] == [f"clips/a/{n:04d}.mp4" for n in range(3)]
    assert all(0.3 < float(row["brightness"]) < 0.5 for row in rows)
    everything = prepared("own", tmp_path / "in", tmp_path / "all", keep_all=True)
    assert everything["dropped"] == {}


def test_the_border_is_cut_off_and_writing_blackened_in_clips_and_frames(tmp_path: Path) -> None:
    for number in range(12):
        path = picture(tmp_path / "in" / "train" / "1" / f"{number}.png", 60 + 8 * number)
        inside = cv2.resize(read_image(path)[..., ::-1], (160, 160))
        framed = cv2.copyMakeBorder(inside, 20, 20, 200, 20, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        cv2.putText(framed, "DOE JOHN", (10, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255,) * 3, 2)
        cv2.imwrite(str(path), framed)
        mask = np.zeros((200, 380), np.uint8)
        mask[60:100, 250:300] = 255
        cv2.imwrite(str(path.with_name(f"{number}_mask.png")), mask)
    found = {"crop_content": True, "mask_text": True}
    summary = prepared("cvc-clinicvideodb", tmp_path / "in", tmp_path / "out", **found)
    assert isinstance(summary["counts"], dict)
    assert summary["counts"]["sources_with_writing"] == 1
    (clip,) = read_clip_list(tmp_path / "out" / "clips.csv")
    assert clip.height == pytest.approx(160, abs=6)
    assert clip.width == pytest.approx(160, abs=6)
    frame = read_image(tmp_path / "out" / "frames" / "1" / "000003.png")
    assert frame.shape == (200, 380, 3)
    assert frame[:, :190].max() < 40
    assert frame[60:100, 250:300].mean() > 20


def test_a_source_that_has_changed_is_made_anew_and_others_are_kept(tmp_path: Path) -> None:
    origin, root = tmp_path / "in", tmp_path / "out"
    changed, same = video(origin / "a.mp4", num_frames=20), video(origin / "b.mp4")
    prepared("own", origin, root)
    kept = (root / "clips" / "b" / "0000.mp4").stat().st_mtime_ns
    video(changed, num_frames=31)
    prepared("own", origin, root)
    assert [one.num_frames for one in read_clip_list(root / "clips.csv")] == [31, 20]
    assert (root / "clips" / "b" / "0000.mp4").stat().st_mtime_ns == kept
    listed = "path,num_frames,fps,height,width,label\na.mp4,31,30,40,48,{}\n"
    for label in ("polyp", "normal"):
        (origin / "clips.csv").write_text(listed.format(label))
        prepared("own", origin, root)
        assert [one.label for one in read_clip_list(root / "clips.csv")] == [label]
    assert same.is_file()


def test_a_list_of_parts_is_refused_as_clips_are_of_whole_videos(tmp_path: Path) -> None:
    video(tmp_path / "in" / "a.mp4")
    listed = "path,num_frames,fps,height,width,label,end_s\na.mp4,20,30,40,48,polyp,0.3\n"
    (tmp_path / "in" / "clips.csv").write_text(listed)
    with pytest.raises(DataError, match="row 2: is about a part of a video"):
        prepared("own", tmp_path / "in", tmp_path / "out")


def test_what_is_no_video_is_told_and_the_rest_is_prepared(tmp_path: Path) -> None:
    origin = tmp_path / "in"
    video(origin / "good.mp4")
    (origin / "gone.mp4").symlink_to("nowhere")
    (origin / "circle.mp4").symlink_to("circle.mp4")
    os.mkfifo(origin / "pipe.mp4")
    for name in ("1.png", "2.png"):
        picture(origin / "frames" / name)
    os.mkfifo(origin / "frames" / "3.png")
    prepared("own", origin, tmp_path / "out", min_frames=1)
    rows = csv.DictReader((tmp_path / "out" / SKIPPED).read_text().splitlines())
    assert {row["source"] for row in rows} == {"circle.mp4", "frames", "gone.mp4", "pipe.mp4"}
    assert len(read_clip_list(tmp_path / "out" / "clips.csv")) == 2


def test_names_that_are_no_utf8_or_deep_are_kept(tmp_path: Path) -> None:
    origin, root = tmp_path / "in", tmp_path / "out"
    video(origin / "good.mp4")
    video(origin / ("a" * 79) / ("b" * 79) / ("c" * 79) / "v.mp4")
    (origin / "good.mp4").rename(origin / os.fsdecode(b"bad\xff.mp4"))
    for _ in range(2):
        prepared("own", origin, root)
        assert len(read_clip_list(root / "clips.csv")) == 2
    assert b"bad\xff.mp4" in (root / "sources.csv").read_bytes()


def test_boxes_without_masks_leave_no_folder_that_a_check_takes_for_masks(tmp_path: Path) -> None:
    public_layouts.ldpolypvideo(tmp_path / "in")
    prepared("ldpolypvideo", tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out" / "masks").exists()
    assert check_set(tmp_path / "out").num_errors == 0


def test_what_a_killed_process_left_is_removed_or_made_anew(tmp_path: Path) -> None:
    public_layouts.cvc_clinicvideodb(tmp_path / "in")
    root = tmp_path / "out"
    prepared("cvc-clinicvideodb", tmp_path / "in", root)
    whole = files_below(root)
    clip = next((root / "clips").rglob("*.mp4"))
    (clip.parent / ".0007.4711.part.mp4").write_bytes(b"half")
    (root / "frames" / ".x.4711.part").mkdir()
    (root / "frames" / ".x.4711.part" / "1.png").touch()
    clip.write_bytes(clip.read_bytes()[:100])
    prepared("cvc-clinicvideodb", tmp_path / "in", root)
    assert list(files_below(root)) == list(whole)
    assert clip.stat().st_size > 100


def test_what_was_made_of_a_source_that_is_gone_goes_too(tmp_path: Path) -> None:
    origin, root = tmp_path / "in", tmp_path / "out"
    video(origin / "a.mp4", num_frames=60)
    gone = video(origin / "b.mp4")
    prepared("own", origin, root, clip_frames=30)
    assert len(list((root / "clips").rglob("*.mp4"))) == 3
    video(origin / "a.mp4", num_frames=30)
    gone.unlink()
    prepared("own", origin, root, clip_frames=30)
    assert list((root / "clips").rglob("*.mp4")) == [root / "clips" / "a" / "0000.mp4"]


def test_two_cannot_prepare_to_one_folder_at_once(tmp_path: Path) -> None:
    origin, root = tmp_path / "in", tmp_path / "out"
    video(origin / "a.mp4")
    prepared("own", origin, root)
    with (
        working_alone(root, lock=".prepare/lock"),
        pytest.raises(DataError, match="another process is at work"),
    ):
        prepared("own", origin, root)


def test_videos_that_differ_in_the_suffix_alone_are_both_taken(tmp_path: Path) -> None:
    origin, root = tmp_path / "in", tmp_path / "out"
    video(origin / "a.mp4")
    shutil.copyfile(origin / "a.mp4", origin / "a.mov")
    prepared("own", origin, root)
    listed = read_clip_list(root / "clips.csv")
    assert [one.path.parent.name for one in listed] == ["a.mov", "a.mp4"]
    assert {one.group for one in listed} == {"a"}


def test_videos_that_give_no_clip_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    origin, root = tmp_path / "in", tmp_path / "out"
    video(origin / "good.mp4")
    video(origin / "short.mp4", num_frames=5)
    write_video(origin / "grey.mp4", [np.full((40, 48, 3), 90, np.uint8)] * 20, fps=30)
    assert run(["data", "prepare", "own", "--from", str(origin), "--to", str(root)]) == 0
    assert f"without a clip: 2 of 3 videos, see {root / SKIPPED}" in capsys.readouterr().out
    rows = list(csv.DictReader((root / SKIPPED).read_text().splitlines()))
    assert [row["source"] for row in rows] == ["grey.mp4", "short.mp4"]
    assert rows[0]["reason"].startswith("no clip: 20 frames out of body; --keep-all")
    assert rows[1]["reason"].startswith("no clip: 5 frames too short")
    assert [path.name for path in (root / "clips").iterdir()] == ["good"]
