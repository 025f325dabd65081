import csv
import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from endofm.data import rle
from endofm.data.masks import read_mask
from endofm.data.video import check_video
from endofm.errors import DataError, VideoError
from endofm.prediction import MaskPrediction, mask_prediction
from endofm.runfolder import PredictionFolder
from tests.prediction.builder import film, paint, prediction_of
from tests.prediction.mask_builder import masks_of, square

SIDES = [0, 4, 9, 3, 0, 0, 12, 0]
SHARED = {"areas.csv", "prediction.html", "prediction.json", "telling.npz"}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Eight frames of noise, outside of where results go."""
    return film(tmp_path / "film.mp4", len(SIDES), fps=10)


@pytest.fixture
def out(tmp_path: Path) -> PredictionFolder:
    return PredictionFolder(tmp_path / "new" / "out")


def listing(out: PredictionFolder) -> set[str]:
    return {item.name for item in out.path.iterdir()}


def read_json(out: PredictionFolder) -> dict[str, Any]:
    def refused(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    found: dict[str, Any] = json.loads(out.prediction.read_text(), parse_constant=refused)
    return found


def test_areas_and_stretches_are_those_of_the_masks(video: Path) -> None:
    found = masks_of(video, SIDES)
    np.testing.assert_array_equal(found.mask(2), square(9))
    assert found.areas_px.tolist() == [side**2 for side in SIDES]
    assert found.areas == pytest.approx(np.square(SIDES) / (48 * 64))
    assert found.mean_area == pytest.approx(np.square(SIDES).mean() / (48 * 64))
    assert found.lesion_share == 0.5
    spans = [(span.start_s, span.end_s, round(48 * 64 * span.highest)) for span in found.spans]
    assert spans == [(0.1, 0.4, 81), (0.6, 0.7, 144)]
    assert found.longest_s == pytest.approx(0.3)
    last = masks_of(video, [0, 3])
    assert (last.spans[0].start_s, last.spans[0].end_s) == (0.1, 0.2)


def test_a_frame_that_is_not_there_is_refused(video: Path) -> None:
    for absent in (-1, len(SIDES)):
        with pytest.raises(DataError, match=f"no frame {absent}; choose 0 to 7"):
            masks_of(video, SIDES).mask(absent)


def test_everything_is_written_and_the_page_returned(out: PredictionFolder, video: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = masks_of(video, SIDES)
    page = found.save(out.path, progress=lambda done, total: seen.append((done, total)))
    assert page == out.page
    assert listing(out) == {*SHARED, "masks", "overlay.mp4"}
    assert seen == [(done, 8) for done in range(1, 9)]
    assert check_video(out.video).num_frames == 8
    for index, path in enumerate(sorted(out.masks.iterdir())):
        assert path.name == f"{index:06d}.png"
        np.testing.assert_array_equal(read_mask(path, threshold=255), found.mask(index))
    with out.areas.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["area_px"]) for row in rows] == found.areas_px.tolist()
    stored = read_json(out)
    assert (stored["task"], stored["masks"], stored["num_frames"]) == ("segment", "png", 8)
    assert stored["video"] == str(video.absolute())
    assert (stored["height"], stored["width"], stored["duration_s"]) == (48, 64, 0.8)
    assert stored["lesion_share"] == 0.5
    assert stored["largest_area"] == pytest.approx(144 / (48 * 64))
    assert stored["largest_s"] == pytest.approx(0.65)
    assert stored["frames"] == found.frames.model_dump(mode="json")
    assert (stored["source"], stored["weights_sha256"]) == ("runs/s", "0e" * 32)
    assert stored["environment"]["packages"]["endofm"]
    assert out.prediction.stat().st_size < 4000
    with np.load(out.telling, allow_pickle=False) as arrays:
        assert set(arrays) == {"times_s", "areas", "frame0", "outlined0"}
        assert (arrays["frame0"] != arrays["outlined0"]).any()


def test_run_lengths_take_the_place_of_pictures(out: PredictionFolder, video: Path) -> None:
    found = masks_of(video, SIDES)
    found.save(out.path, masks="rle", draw_video=False)
    assert listing(out) == {*SHARED, "masks.json"}
    stored = json.loads(out.run_lengths.read_text())
    for index, counts in enumerate(stored["counts"]):
        np.testing.assert_array_equal(rle.decode(counts, stored["size"]), found.mask(index))
    found.save(out.path, overwrite=True, draw_video=False)
    assert listing(out) == {*SHARED, "masks"}
    found.save(out.path, masks="rle", overwrite=True, draw_video=False)
    assert listing(out) == {*SHARED, "masks.json"}


def test_predictions_of_both_tasks_take_each_others_place(
    out: PredictionFolder, video: Path
) -> None:
    masks, classes = masks_of(video, SIDES), prediction_of(video, [[0.1, 0.9]])
    masks.save(out.path, draw_video=False)
    (out.path / "notes.txt").touch()
    for other in (classes, masks):
        with pytest.raises(DataError, match="already holds a prediction; add --overwrite"):
            other.save(out.path, draw_video=False)
    classes.save(out.path, overwrite=True, draw_video=False)
    others = {"notes.txt", "prediction.html", "prediction.json", "telling.npz"}
    assert listing(out) == {*others, "scores.csv"}
    masks.save(out.path, overwrite=True, draw_video=False)
    assert listing(out) == {*others, "areas.csv", "masks"}


def test_fewer_masks_leave_none_of_an_earlier_video(out: PredictionFolder, video: Path) -> None:
    masks_of(video, SIDES).save(out.path, draw_video=False)
    masks_of(video, [1, 2]).save(out.path, overwrite=True, draw_video=False)
    assert sorted(path.name for path in out.masks.iterdir()) == ["000000.png", "000001.png"]


def test_masks_that_no_prediction_has_made_are_never_lost(
    out: PredictionFolder, video: Path
) -> None:
    out.masks.mkdir(parents=True)
    (out.masks / "000000.png").write_bytes(b"truth")
    (out.path / "areas.csv").write_text("by,hand\n")
    found = masks_of(video, SIDES)
    for overwrite in (False, True):
        with pytest.raises(DataError, match=r"masks is no earlier prediction's; name another"):
            found.save(out.path, overwrite=overwrite)
    prediction_of(video, [[0.1, 0.9]]).save(out.path, draw_video=False)
    with pytest.raises(DataError, match="is no earlier prediction's"):
        found.save(out.path, overwrite=True)
    prediction_of(video, [[0.1, 0.9]]).save(out.path, draw_video=False, overwrite=True)
    assert (out.masks / "000000.png").read_bytes() == b"truth"


@pytest.mark.parametrize("step", ["write_pictures", "write_mask_overlay", "write_json"])
def test_a_kill_midway_leaves_no_prediction_and_nothing_in_the_way(
    out: PredictionFolder, video: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    masks_of(video, SIDES).save(out.path, draw_video=False)

    def killed(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mask_prediction, step, killed)
        with pytest.raises(KeyboardInterrupt):
            masks_of(video, SIDES[::-1]).save(out.path, overwrite=True)
    assert not out.prediction.exists()
    assert not out.page.exists()
    masks_of(video, [5]).save(out.path, draw_video=False)
    assert read_json(out)["num_frames"] == 1
    assert len(list(out.masks.iterdir())) == 1


def test_a_video_that_is_gone_is_told(out: PredictionFolder, video: Path) -> None:
    found = masks_of(video, SIDES)
    video.unlink()
    with pytest.raises(VideoError, match=r"film\.mp4"):
        found.save(out.path)
    assert not out.prediction.exists()
    found.save(out.path, draw_video=False)
    assert out.prediction.exists()


def test_a_video_that_has_changed_is_told(out: PredictionFolder, video: Path) -> None:
    found = masks_of(video, [0, 5])
    with pytest.raises(VideoError, match=r"has 8 frames now, and had 2; predict it again"):
        found.save(out.path)
    assert not out.prediction.exists()


def test_the_video_itself_is_never_written_over(tmp_path: Path) -> None:
    def check(found: MaskPrediction, out: Path) -> None:
        with pytest.raises(DataError, match=r"would be written over or into; name another"):
            found.save(out, overwrite=True, draw_video=False)

    check(masks_of(film(tmp_path / "overlay.mp4", 2), [1, 2]), tmp_path)
    frames = paint(tmp_path / "masks", [(0, 0, 0)] * 3)
    check(masks_of(frames, [1, 2, 3]), tmp_path)
    check(masks_of(frames, [1, 2, 3]), frames)
    check(masks_of(paint(frames / "inner", [(0, 0, 0)] * 2), [1, 2]), tmp_path)
    assert len(list(frames.iterdir())) == 4


def test_a_video_without_a_lesion_is_written(out: PredictionFolder, video: Path) -> None:
    found = masks_of(video, [0] * 8)
    assert (found.spans, found.longest_s, found.lesion_share) == ((), 0.0, 0.0)
    found.save(out.path)
    assert read_json(out)["spans"] == read_json(out)["largest"] == []
    assert not read_mask(out.masks / "000003.png").any()
