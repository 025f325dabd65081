"""The data set on disk: layout, splits, agreement of its parts, and what stops it."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.catalog import synthetic_dataset
from endofm.catalog.detection import read_boxes
from endofm.catalog.synthetic import KINDS, render_clip, tight_box
from endofm.catalog.synthetic_dataset import plan_clips, split_patients, write_dataset
from endofm.data.manifests import read_clip_list
from endofm.data.video import open_video
from endofm.errors import ConfigError, DataError

FRAMES, PX = 3, 64


def read_mask(path: Path) -> NDArray[np.uint8]:
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert mask is not None, f"{path} is no picture"
    return np.asarray(mask, np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "data"
    clips = write_dataset(
        folder, num_clips=3, num_patients=3, num_frames=FRAMES, size_px=PX, fps=5.0, seed=7
    )
    assert clips == folder / "clips.csv"
    return folder


def test_layout_is_complete_and_nothing_else(root: Path) -> None:
    names = [f"clip-{i:04d}" for i in (1, 2, 3)]
    masks = [f"masks/{name}/{t:06d}.png" for name in names for t in range(FRAMES)]
    expected = {"README.txt", "boxes.json", "clips.csv", *masks}
    expected |= {f"videos/{name}.mp4" for name in names}
    found = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    assert found == expected


def test_clip_list_describes_the_videos(root: Path) -> None:
    videos = read_clip_list(root / "clips.csv")
    assert [video.split for video in videos] == ["train", "val", "test"]
    assert [video.label for video in videos] == list(KINDS)
    assert len({video.group for video in videos}) == 3
    for video in videos:
        with open_video(video.path) as reader:
            frames = list(reader.stream())
        assert len(frames) == video.num_frames == FRAMES
        assert frames[0].shape == (video.height, video.width, 3) == (PX, PX, 3)


def test_readme_says_synthetic_and_how_to_repeat(root: Path) -> None:
    text = (root / "README.txt").read_text(encoding="utf-8")
    assert "No patient is shown" in text
    sizes = "num_clips=3, num_patients=3, num_frames=3, size_px=64, fps=5.0, seed=7"
    assert f"write_dataset(root, {sizes})" in text


def test_boxes_agree_with_masks(root: Path) -> None:
    coco = json.loads((root / "boxes.json").read_text(encoding="utf-8"))
    assert [category["name"] for category in coco["categories"]] == list(KINDS[1:])
    with (root / "clips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [video["file_name"] for video in coco["videos"]] == [row["path"] for row in rows]
    images = {image["id"]: image for image in coco["images"]}
    assert len(images) == len(coco["images"]) == 3 * FRAMES
    assert len({item["id"] for item in coco["annotations"]}) == len(coco["annotations"])
    found = {item["image_id"]: item for item in coco["annotations"]}
    assert {item["category_id"] for item in found.values()} == {1, 2}
    assert len(found) == len(coco["annotations"])  # at most one polyp a frame
    for image in images.values():
        row = rows[image["video_id"] - 1]
        name = Path(row["path"]).stem
        mask = read_mask(root / "masks" / name / f"{image['frame_index']:06d}.png")
        assert mask.shape == (image["height"], image["width"])
        assert set(np.unique(mask)) <= {0, 255}
        box = tight_box(mask.astype(np.bool_))
        assert (box is None) == (image["id"] not in found)
        if box is not None:
            annotation = found[image["id"]]
            x, y, width, height = annotation["bbox"]
            assert (x, y, x + width, y + height) == box
            assert annotation["area"] == np.count_nonzero(mask)
            assert KINDS[annotation["category_id"]] == row["label"]


def test_a_detector_can_learn_from_the_boxes(root: Path) -> None:
    coco = json.loads((root / "boxes.json").read_text(encoding="utf-8"))
    found = read_boxes(root, divide=False)
    with (root / "clips.csv").open(encoding="utf-8", newline="") as file:
        rows = {Path(row["path"]).stem: row for row in csv.DictReader(file)}
    for split, sequences in found.splits.items():
        for sequence in sequences:
            row = rows.pop(sequence.name)
            assert (row["split"], row["group"]) == (split, sequence.group)
            assert (len(sequence.frames), sequence.fps) == (FRAMES, 5)
    assert not rows
    boxes = sum(len(f.boxes_xyxy) for of in found.splits.values() for s in of for f in s.frames)
    assert boxes == len(coco["annotations"])


def test_masks_and_pictures_are_those_of_the_clip(root: Path) -> None:
    plan = plan_clips(3, 3, seed=7)[1]
    clip = render_clip(
        seed=plan.seed,
        kind=plan.kind,
        patient=plan.patient,
        num_frames=FRAMES,
        size_px=PX,
        fps=5.0,
    )
    with open_video(root / "videos" / f"{plan.name}.mp4") as reader:
        decoded = np.stack(list(reader.stream()))
    assert np.abs(decoded.astype(int) - clip.frames).mean() < 6  # H.264 with half the colour
    for t, mask in enumerate(clip.masks):
        written = read_mask(root / "masks" / plan.name / f"{t:06d}.png")
        np.testing.assert_array_equal(written > 0, mask)


@pytest.mark.parametrize(("num_clips", "num_patients"), [(30, 10), (9, 3), (60, 12), (47, 11)])
def test_splits_share_no_patient_and_each_has_every_kind(num_clips: int, num_patients: int) -> None:
    plans = plan_clips(num_clips, num_patients, seed=1)
    split_of = {plan.group: plan.split for plan in plans}
    assert len(split_of) == num_patients == len({plan.patient for plan in plans})
    assert all(split_of[plan.group] == plan.split for plan in plans)
    for split in ("train", "val", "test"):
        counts = [sum(p.split == split and p.kind == kind for p in plans) for kind in KINDS]
        assert min(counts) > 0
        assert max(counts) - min(counts) <= 1
    assert len({plan.seed for plan in plans}) == len({plan.name for plan in plans}) == num_clips


@pytest.mark.parametrize(
    ("num_patients", "sizes"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (10, (6, 2, 2))]
)
def test_patients_are_split_60_20_20(num_patients: int, sizes: tuple[int, int, int]) -> None:
    splits = split_patients(num_patients)
    assert tuple(splits.count(name) for name in ("train", "val", "test")) == sizes


def test_used_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="is not an empty folder; name a new folder"):
        write_dataset(tmp_path, num_clips=1, num_patients=1)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(("num_clips", "num_patients"), [(0, 0), (2, 3), (2, 0)])
def test_impossible_counts_are_refused(tmp_path: Path, num_clips: int, num_patients: int) -> None:
    with pytest.raises(ConfigError, match=f"{num_clips} clips cannot show {num_patients} patients"):
        write_dataset(tmp_path / "new", num_clips=num_clips, num_patients=num_patients)
    assert not (tmp_path / "new").exists()


def test_interruption_leaves_only_finished_clips(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert (done, total) == (1, 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(
            tmp_path, num_clips=2, num_patients=1, num_frames=2, size_px=32, progress=stop
        )
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    masks = {f"masks/clip-0001/{t:06d}.png" for t in range(2)}
    assert files == {"videos/clip-0001.mp4", *masks}


def test_failure_within_a_clip_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(synthetic_dataset, "tight_box", broken)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path, num_clips=1, num_patients=1, num_frames=2, size_px=32)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.slow
def test_workers_change_no_pixel(tmp_path: Path) -> None:
    folders = []
    for num_workers in (0, 2):
        folders.append(tmp_path / str(num_workers))
        write_dataset(
            folders[-1],
            num_clips=3,
            num_patients=2,
            num_frames=2,
            size_px=64,
            seed=5,
            num_workers=num_workers,
        )
    files = sorted(p.relative_to(folders[0]) for p in folders[0].rglob("*") if p.is_file())
    assert len(files) == 3 + 3 + 3 * 2
    for name in files:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
