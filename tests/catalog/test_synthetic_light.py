from pathlib import Path

import numpy as np
import pytest

from endofm.catalog.synthetic_dataset import write_dataset
from endofm.catalog.synthetic_light import (
    LIGHTS,
    narrow_band,
    write_examination,
    write_light_set,
)
from endofm.data.manifests import read_clip_list
from endofm.data.video import open_video
from endofm.errors import DataError

NUM_PATIENTS = 5


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    write_dataset(
        folder, num_clips=2 * NUM_PATIENTS, num_patients=NUM_PATIENTS, num_frames=4, size_px=32
    )
    write_light_set(folder, num_patients=NUM_PATIENTS)
    return folder


def redness(path: Path) -> float:
    with open_video(path) as reader:
        frames = np.stack(reader.frames(range(reader.info.num_frames))).astype(float)
    return float(frames[..., 0].mean() - frames[..., 1].mean())


def test_narrow_band_shows_green_as_red_and_blue_as_green_and_blue() -> None:
    frame = np.zeros((2, 3, 3), np.uint8)
    frame[..., 1], frame[..., 2] = 100, 200
    frame[..., 0] = np.arange(6).reshape(2, 3)  # red light is not there to be seen
    assert (narrow_band(frame) == [85, 255, 240]).all()
    assert (narrow_band(np.zeros((1, 1, 3), np.uint8)) == 0).all()


def test_each_patient_is_seen_under_both_lights(root: Path) -> None:
    listed = read_clip_list(root / "light.csv")
    before = read_clip_list(root / "clips.csv")
    assert [(v.group, v.split) for v in listed] == [(v.group, v.split) for v in before]
    for patient in {video.group for video in listed}:
        assert {video.label for video in listed if video.group == patient} == set(LIGHTS)


def test_clips_look_like_their_label(root: Path) -> None:
    listed = read_clip_list(root / "light.csv")
    white = [redness(video.path) for video in listed if video.label == "white_light"]
    narrow = [redness(video.path) for video in listed if video.label == "narrow_band"]
    assert min(white) > max(narrow)


def test_an_examination_switches_the_light_and_shows_test_patients_alone(
    root: Path, tmp_path: Path
) -> None:
    video = write_examination(root, tmp_path / "examination.mp4", num_clips=2)
    with open_video(video) as reader:
        frames = np.stack(reader.frames(range(reader.info.num_frames))).astype(float)
    assert len(frames) == 8
    red_over_green = (frames[..., 0] - frames[..., 1]).mean((1, 2))
    assert red_over_green[:4].min() > red_over_green[4:].max()
    first = next(v for v in read_clip_list(root / "clips.csv") if v.split == "test")
    with open_video(first.path) as reader:
        np.testing.assert_allclose(frames[0], reader.frames([0])[0], atol=24)  # encoded twice


def test_no_test_patient_no_examination(tmp_path: Path) -> None:
    write_dataset(tmp_path / "one", num_clips=1, num_patients=1, num_frames=2, size_px=32)
    with pytest.raises(DataError, match="has no test patient"):
        write_examination(tmp_path / "one", tmp_path / "video.mp4", num_clips=2)
