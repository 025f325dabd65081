import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.classifiers import small_classifier, write_run, write_weights
from tests.cli.conftest import Outcome
from tests.prediction import mask_builder
from tests.prediction.builder import TWO, film

Endofm = Callable[..., Outcome]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run, its bare weights and a folder of two videos, one of them broken."""
    monkeypatch.chdir(tmp_path)
    write_run(Path("run"), small_classifier(2), TWO, thresholds=(0.4, 0.6))
    write_weights(Path("w.safetensors"), small_classifier(2))
    mask_builder.write_run(Path("masks-run"), mask_builder.small_segmenter())
    mask_builder.write_weights(Path("s.safetensors"), mask_builder.small_segmenter())
    Path("videos").mkdir()
    film(Path("videos/film.mp4"), 16)
    Path("videos/broken.mp4").write_bytes(b"no video")
    return tmp_path


def test_videos_of_a_folder_are_predicted(endofm: Endofm, place: Path) -> None:
    outcome = endofm("predict", "run", "videos", "--out", "out", "--stride-s", 0.2)
    assert outcome.status == 0, outcome.err
    assert outcome.out == (
        "out/film/prediction.html (all videos: out/videos.csv; 1 predicted, 0 kept, 1 skipped)\n"
    )
    assert "skipped: videos/broken.mp4" in outcome.err
    assert {path.name for path in (place / "out" / "film").iterdir()} == {
        *("overlay.mp4", "prediction.html", "prediction.json", "scores.csv", "telling.npz")
    }
    found = json.loads((place / "out/film/prediction.json").read_text())
    assert (found["classes"], found["thresholds"]) == (["other", "red"], {"red": 0.6})
    assert found["stride_s"] == pytest.approx(0.2)
    with (place / "out" / "videos.csv").open(newline="") as file:
        assert [row["folder"] for row in csv.DictReader(file)] == ["film"]

    refused = endofm("predict", "run", "videos", "--out", "out", "--stride-s", 0.2)
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "out/film already holds a prediction; add --resume" in refused.err
    again = endofm("predict", "run", "videos", "--out", "out", "--stride-s", 0.2, "--resume")
    assert "0 predicted, 1 kept, 1 skipped" in again.out
    other = endofm("predict", "run", "videos", "--out", "out", "--resume")
    assert "its stride_s is not what is asked for now; add --overwrite" in other.err


@pytest.mark.usefixtures("place")
def test_bare_weights_are_told_what_a_run_would_know(endofm: Endofm) -> None:
    outcome = endofm(
        *("predict", "w.safetensors", "videos/film.mp4", "--out", "out", "--no-draw-video"),
        *("--preset", "paper", "--classes", *TWO, "--num-telling", 1, "--batch-size", 2),
    )
    assert outcome.status == 0, outcome.err
    assert not Path("out/film/overlay.mp4").exists()
    found = json.loads(Path("out/film/prediction.json").read_text())
    assert found["classes"] == list(TWO)
    assert found["sampling"]["original_test_clip"]
    assert len(found["telling"]) == 1


@pytest.mark.usefixtures("place")
def test_a_segmenter_writes_masks(endofm: Endofm) -> None:
    outcome = endofm("predict", "masks-run", "videos", "--out", "out")
    assert outcome.status == 0, outcome.err
    assert outcome.out == (
        "out/film/prediction.html (all videos: out/videos.csv; 1 predicted, 0 kept, 1 skipped)\n"
    )
    assert "skipped: videos/broken.mp4" in outcome.err
    assert {path.name for path in Path("out/film").iterdir()} == {
        *("areas.csv", "masks", "overlay.mp4", "prediction.html", "prediction.json"),
        "telling.npz",
    }
    assert len(list(Path("out/film/masks").iterdir())) == 16
    again = endofm("predict", "masks-run", "videos", "--out", "out", "--resume")
    assert "0 predicted, 1 kept, 1 skipped" in again.out
    other = endofm("predict", "run", "videos", "--out", "out", "--resume")
    assert "out/film: its task is not what is asked for now; add --overwrite" in other.err
    other = endofm("predict", "masks-run", "videos", "--out", "out", "--resume", "--masks", "rle")
    assert "its masks is not what is asked for now; add --overwrite" in other.err


@pytest.mark.usefixtures("place")
def test_a_segmenter_without_a_run_is_told_how_to_see_frames(endofm: Endofm) -> None:
    Path("own.yaml").write_text("frames: {size_hw: [32, 32], clip_frames: 5, overlap_frames: 1}\n")
    outcome = endofm(
        *("predict", "s.safetensors", "videos/film.mp4", "--out", "out", "--no-draw-video"),
        *("--preset", "own.yaml", "--masks", "rle"),
    )
    assert outcome.status == 0, outcome.err
    found = json.loads(Path("out/film/prediction.json").read_text())
    assert (found["frames"]["size_hw"], found["frames"]["clip_frames"]) == ([32, 32], 5)
    assert Path("out/film/masks.json").is_file()
    assert not Path("out/film/overlay.mp4").exists()


FILM, OUT = "videos/film.mp4", ("--out", "out")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", FILM), "Missing from endofm predict: --out"),
        ((), "Missing from endofm predict"),
        (("run", *OUT), "no video to predict; name video files or folders"),
        (("nowhere", FILM, *OUT), "nowhere: no such file or folder"),
        (("videos", FILM, *OUT), "videos holds no finished checkpoint"),
        (("run", "nowhere.mp4", *OUT), "nowhere.mp4: no such file or folder"),
        (("run", "run/checkpoints", *OUT), "holds no video and no folder of frames"),
        (("run", "videos/broken.mp4", *OUT), "none of 1 videos can be read; videos/broken.mp4"),
        (("run", FILM, *OUT, "--stride-s", "0"), "greater than 0"),
        (("run", FILM, *OUT, "--stride-s", "x"), "--stride-s does not take 'x'; it takes FLOAT"),
        (
            ("run", FILM, *OUT, "--batch-size", "0"),
            "option 'batch_size': Input should be greater than 0",
        ),
        (("run", FILM, *OUT, "--strde-s", "1"), "did you mean --stride-s?"),
        (("run", FILM, *OUT, "--preset", "papr"), "no preset 'papr' for classify"),
        (("run", FILM, *OUT, "--preset", "paper"), "a run knows its classes and its clips"),
        (("run", FILM, *OUT, "--classes", "a", "b"), "a run knows its classes and its clips"),
        (("w.safetensors", FILM, *OUT, "--classes", "a"), "has 2 outputs for the classes a"),
        (("run", FILM, *OUT, "--masks", "png"), "run is a classifier; leave out masks"),
        (
            ("masks-run", FILM, *OUT, "--stride-s", "1"),
            "is a segmenter; leave out stride_s",
        ),
        (("masks-run", FILM, *OUT, "--batch-size", "4"), "segmenter; leave out batch_size"),
        (("masks-run", FILM, *OUT, "--num-telling", "3"), "segmenter; leave out num_telling"),
        (("s.safetensors", FILM, *OUT, "--classes", "a"), "segmenter; leave out classes"),
        (("masks-run", FILM, *OUT, "--preset", "paper"), "a run knows how it sees frames"),
        (("s.safetensors", FILM, *OUT, "--preset", "papr"), "no preset 'papr' for segment"),
        (
            ("masks-run", FILM, *OUT, "--masks", "gif"),
            "invalid choice 'gif' for argument",
        ),
        (("masks-run", "videos/broken.mp4", *OUT), "none of 1 videos can be read; videos/broken"),
        (("run", FILM, "--out", FILM), "videos/film.mp4: File exists"),
        (("run", FILM, "--out", f"{FILM}/out"), "videos/film.mp4/out: Not a directory"),
        (("run", FILM, *OUT, "--device", "abacus"), "abacus"),
    ],
)
@pytest.mark.usefixtures("place")
def test_a_mistake_is_one_line_with_its_cure(
    endofm: Endofm, words: tuple[str, ...], message: str
) -> None:
    outcome = endofm("predict", *words)
    assert (outcome.status, outcome.err.count("\n"), outcome.out) == (2, 1, "")
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert list(Path().rglob("prediction.json")) == []
