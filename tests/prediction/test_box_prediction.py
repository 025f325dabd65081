"""What is found in a video, and every file that is written of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from endofm.data.video import check_video
from endofm.errors import DataError, RunError
from endofm.prediction.box_overlay import draw_boxes
from endofm.report import write_prediction_page
from endofm.runfolder import PredictionFolder
from tests.prediction.box_builder import CLASSES, Box, boxes_of, found_of
from tests.prediction.builder import film
from tests.report.test_page import Page

LEFT: Box = (4.0, 5.0, 20.0, 25.0)
RIGHT: Box = (30.0, 10.0, 60.0, 40.0)
FRAMES = [
    found_of((0.9, 1, LEFT), (0.2, 2, RIGHT)),
    found_of((0.7, 1, LEFT)),
    found_of(),
    found_of((0.8, 2, RIGHT), (0.6, 1, LEFT), (0.1, 1, RIGHT)),
    found_of((0.4, 2, RIGHT)),
]
TRACKS = [[1, -1], [1], [], [2, 1, -1], [2]]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return film(tmp_path / "film.mp4", len(FRAMES), fps=10)


def test_boxes_from_the_threshold_on_count(video: Path) -> None:
    found = boxes_of(video, FRAMES)
    assert [len(found.found(index)) for index in range(5)] == [1, 1, 0, 2, 0]
    assert found.found(3).labels.tolist() == [2, 1]
    expected = [[0.9, 0.2], [0.7, 0.0], [0.0, 0.0], [0.6, 0.8], [0.0, 0.4]]
    np.testing.assert_allclose(found.scores, expected, rtol=1e-6)
    assert found.found_share == 0.6


def test_stretches_are_those_of_each_class(video: Path) -> None:
    spans = [(s.label, s.start_s, s.end_s, s.highest) for s in boxes_of(video, FRAMES).spans]
    assert [(label, start) for label, start, _, _ in spans] == [
        ("flat", 0.0),
        ("flat", pytest.approx(0.3)),
        ("raised", pytest.approx(0.3)),
    ]
    assert [end for _, _, end, _ in spans] == pytest.approx([0.2, 0.4, 0.4])
    assert [highest for _, _, _, highest in spans] == pytest.approx([0.9, 0.6, 0.8])


def test_a_track_reaches_from_its_first_frame_to_its_last(video: Path) -> None:
    spans = boxes_of(video, FRAMES, tracks=TRACKS).spans
    assert [span.label for span in spans] == ["#1 flat", "#2 raised"]
    assert [span.start_s for span in spans] == pytest.approx([0, 0.3])
    assert [span.end_s for span in spans] == pytest.approx([0.4, 0.5])
    assert [span.highest for span in spans] == pytest.approx([0.9, 0.8])


def test_everything_is_written(video: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = boxes_of(video, FRAMES, tracks=TRACKS)
    page = found.save(tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    files = PredictionFolder(tmp_path / "out")
    names = {"boxes.csv", "boxes.json", "overlay.mp4", "prediction.json", "telling.npz"}
    assert {path.name for path in files.path.iterdir()} == {*names, "prediction.html"}
    assert page == files.page
    assert seen[-1] == (5, 5)
    with files.boxes.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert rows[0] == {
        "frame": "0", "time_s": "0.000", "track": "1", "label": "flat", "score": "0.900000",
        "x1": "4.00", "y1": "5.00", "x2": "20.00", "y2": "25.00",
    }  # fmt: skip
    assert [row["track"] for row in rows] == ["1", "", "1", "2", "1", "", "2"]
    assert check_video(files.video).num_frames == 5


def test_coco_holds_every_box_of_every_frame(video: Path, tmp_path: Path) -> None:
    boxes_of(video, FRAMES, tracks=TRACKS).save(tmp_path / "out", draw_video=False)
    coco = json.loads(PredictionFolder(tmp_path / "out").coco.read_text())
    assert [image["frame_index"] for image in coco["images"]] == [0, 1, 2, 3, 4]
    assert {image["video_id"] for image in coco["images"]} == {coco["videos"][0]["id"]}
    assert [kind["name"] for kind in coco["categories"]] == list(CLASSES)
    first = coco["annotations"][0]
    assert first["bbox"] == [4, 5, 16, 20]
    assert (first["area"], first["score"], first["track_id"]) == (320, 0.9, 1)
    by_image = [one["image_id"] for one in coco["annotations"]]
    assert by_image == [1, 1, 2, 4, 4, 4, 5]
    assert "track_id" not in coco["annotations"][1]


def test_an_earlier_prediction_is_kept_unless_told(video: Path, tmp_path: Path) -> None:
    found = boxes_of(video, FRAMES)
    found.save(tmp_path / "out", draw_video=False)
    with pytest.raises(DataError, match="already holds a prediction"):
        found.save(tmp_path / "out", draw_video=False)
    found.save(tmp_path / "out", draw_video=False, overwrite=True)


def test_boxes_are_drawn_where_they_are_on_a_picture_of_any_size() -> None:
    picture = np.zeros((96, 128, 3), np.uint8)
    drawn = draw_boxes(
        picture, found_of((0.9, 1, RIGHT)), np.array([-1]), classes=CLASSES, frame_hw=(48, 64)
    )
    assert not picture.any()
    rows, columns = np.nonzero(drawn[:, :, 2] > 60)
    assert abs(columns.max() - 120) <= 4
    assert abs(rows.max() - 80) <= 4
    assert drawn[50, 90].tolist() == [0, 0, 0]  # the lesion itself stays visible


def test_the_page_says_what_is_found(video: Path, tmp_path: Path) -> None:
    boxes_of(video, FRAMES, data_note="<synthetic>").save(tmp_path / "out", draw_video=False)
    page = Page(PredictionFolder(tmp_path / "out").page)
    for words in (
        "boxes for each of 5 frames, 0:00.5 in all, with help from frames before and after",
        "For research; not a diagnosis",
        "detector trained on: <synthetic>",
        "Frames with a lesion 60.0 % 4 boxes",
        "Stretches 3 the first at 0:00.0",
        "flat: surest 90.0 % at 0:00.0",
        "flat 0:00.0 0:00.2 0:00.2 90.0 %",
        "raised 0:00.3 0:00.4 0:00.1 80.0 %",
        "First sightings",
        "boxes.csv",
    ):
        assert words in page.text, words
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.loaded)


def test_the_page_shows_tracks_as_bars(video: Path, tmp_path: Path) -> None:
    found = boxes_of(video, FRAMES, tracks=TRACKS)
    found.save(tmp_path / "out", draw_video=False)
    path = PredictionFolder(tmp_path / "out").page
    page = Page(path)
    assert "Tracks 2 the first at 0:00.0" in page.text
    assert "#1 flat 0:00.0 0:00.4 0:00.4 90.0 %" in page.text
    assert 'aria-label="#2 raised, 0:00.3 to 0:00.5"' in path.read_text()


def test_a_video_without_a_lesion_says_so(video: Path, tmp_path: Path) -> None:
    boxes_of(video, [found_of()] * 5, sightings=()).save(tmp_path / "out", draw_video=False)
    page = Page(PredictionFolder(tmp_path / "out").page)
    assert "No box in this video has a score of 0.5 or more." in page.text
    assert "Stretches 0 no lesion found" in page.text
    assert "First sightings" not in page.text


def test_a_damaged_prediction_is_told_in_one_line(video: Path, tmp_path: Path) -> None:
    boxes_of(video, FRAMES).save(tmp_path / "out", draw_video=False)
    files = PredictionFolder(tmp_path / "out")
    plain = json.loads(files.prediction.read_text())
    files.prediction.write_text(json.dumps({**plain, "classes": ["flat"]}))
    with pytest.raises(RunError, match=r"prediction\.json: missing or damaged"):
        write_prediction_page(files.path)
