from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import ImageColor, ImageFont

from endofm.data.transforms import resize_short_side
from endofm.data.video import VideoInfo, check_video, open_video, write_video
from endofm.prediction import drawing, overlay
from endofm.prediction.drawing import (
    BACK,
    BRIGHT,
    CURVES_PX,
    DIM,
    MARGIN_PX,
    ROW_PX,
    SHORT_PX,
    TRACK,
)
from endofm.prediction.overlay import MAX_ROWS, Scores, colour_of, write_overlay
from endofm.report.charts import COLOURS
from tests.data.coded_video import coded_frame, number_of, write_frames

WIDTH_PX = 400
SMALL_PX = SHORT_PX[0]
SMALL_WIDTH_PX = 64 * SMALL_PX // 48
DURATION_S = 10.0


def scores_of(
    values: Sequence[Sequence[float]],
    classes: Sequence[str],
    *,
    asked: Sequence[str] | None = None,
    answers: Sequence[Sequence[bool]] | None = None,
    thresholds: dict[str, float] | None = None,
    duration_s: float = DURATION_S,
) -> Scores:
    """Scores of windows evenly over a video."""
    num = len(values)
    return Scores(
        classes=classes,
        asked=classes if asked is None else asked,
        times_s=(np.arange(num) + 0.5) * duration_s / num,
        values=np.array(values, float),
        answers=np.array(values if answers is None else answers) > 0.5,
        thresholds=thresholds or {},
        duration_s=duration_s,
    )


def panel_at(scores: Scores, time_s: float, *, window: int = 0) -> np.ndarray:
    return overlay._Panel(scores, width_px=WIDTH_PX).at(window, time_s)


def is_colour(pixels: np.ndarray, colour: str) -> np.ndarray:
    """Where pixels (..., 3) have a colour."""
    return (pixels == np.array(ImageColor.getrgb(colour)[:3])).all(-1)


def row_of(panel: np.ndarray, row: int) -> np.ndarray:
    """The pixels (rows, W, 3) of a class's name, bar and number."""
    top = MARGIN_PX // 2 + row * ROW_PX
    return panel[top : top + ROW_PX]


def bar_of(panel: np.ndarray, row: int, colour: str) -> tuple[int, int]:
    """How many pixels of a bar are filled, and how many are not."""
    line = row_of(panel, row)[ROW_PX // 2 - 3, MARGIN_PX + int(0.34 * panel.shape[1]) :]
    return int(is_colour(line, colour).sum()), int(is_colour(line, TRACK).sum())


def text_of(panel: np.ndarray, row: int) -> np.ndarray:
    """The pixels of a class's name."""
    return row_of(panel, row)[:, : MARGIN_PX + int(0.34 * WIDTH_PX) - MARGIN_PX // 2]


@pytest.mark.parametrize("value", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_a_bar_is_as_long_as_its_score(value: float) -> None:
    scores = scores_of([[1 - value, value]], ["other", "red"], asked=["red"])
    panel = panel_at(scores, 0.0)
    for row, share, colour in ((0, 1 - value, DIM), (1, value, colour_of("red", ["red"]))):
        filled, rest = bar_of(panel, row, colour)
        assert filled + rest > 150
        assert filled / (filled + rest) == pytest.approx(share, abs=0.01)


def test_a_class_has_its_colour_of_the_page_lightened() -> None:
    names = [f"class {k}" for k in range(10)]
    for k, name in enumerate(names):
        page = np.array(ImageColor.getrgb(COLOURS[k % len(COLOURS)]))
        drawn = np.array(ImageColor.getrgb(colour_of(name, names)))
        assert drawn == pytest.approx(page + 0.35 * (255 - page), abs=0.5)
    assert colour_of("other", names) == DIM


def test_answered_classes_are_bright_and_others_dim() -> None:
    scores = scores_of([[0.9, 0.2], [0.1, 0.8]], ["first", "second"])
    for window, (bright, dim) in enumerate([(0, 1), (1, 0)]):
        panel = panel_at(scores, 0.0, window=window)
        assert is_colour(text_of(panel, bright), BRIGHT).any()
        assert not is_colour(text_of(panel, dim), BRIGHT).any()
        assert is_colour(text_of(panel, dim), DIM).any()


def test_thresholds_are_marked_where_there_are_any() -> None:
    scores = scores_of([[0.1, 0.2]], ["a", "b"], thresholds={"b": 0.7})
    panel = panel_at(scores, 0.0)
    line = row_of(panel, 1)[ROW_PX // 2 - 3]
    bar = np.flatnonzero(is_colour(line, TRACK) | is_colour(line, colour_of("b", ["a", "b"])))
    marks = np.flatnonzero(is_colour(line, BRIGHT)[bar[0] : bar[-1]])
    assert marks.mean() / (bar[-1] - bar[0]) == pytest.approx(0.7, abs=0.01)
    first = row_of(panel, 0)[ROW_PX // 2 - 3]
    assert not is_colour(first, BRIGHT)[bar[0] : bar[-1]].any()


def test_curves_pass_through_the_scores_and_are_held_level_at_the_ends() -> None:
    values = [[0.2], [0.8], [0.5]]
    panel = panel_at(scores_of(values, ["polyp"]), 9.9)
    top = ROW_PX + MARGIN_PX
    times_s = [0.0, DURATION_S / 6, DURATION_S / 2, DURATION_S * 5 / 6]
    for time_s, value in zip(times_s, [0.2, 0.2, 0.8, 0.5], strict=True):
        column = round(MARGIN_PX + time_s / DURATION_S * (WIDTH_PX - 2 * MARGIN_PX))
        drawn = is_colour(panel[top : top + CURVES_PX, column], colour_of("polyp", ["polyp"]))
        height = CURVES_PX - np.flatnonzero(drawn).mean() - 0.5
        assert height / CURVES_PX == pytest.approx(value, abs=0.04)


def test_only_classes_that_are_asked_for_have_a_curve() -> None:
    panel = panel_at(scores_of([[0.1, 0.9]], ["other", "red"], asked=["red"]), 0.0)
    curves = panel[2 * ROW_PX + MARGIN_PX :]
    assert is_colour(curves, colour_of("red", ["red"])).any()
    assert not is_colour(curves, DIM).any()


@pytest.mark.parametrize("time_s", [0.0, 2.5, 10.0, 11.0])
def test_the_present_moment_has_a_line(time_s: float) -> None:
    panel = panel_at(scores_of([[0.3]], ["polyp"]), time_s)
    top = ROW_PX + MARGIN_PX
    columns = is_colour(panel[top : top + CURVES_PX], BRIGHT).all(0)
    share = min(time_s / DURATION_S, 1)
    place = MARGIN_PX + share * (WIDTH_PX - 2 * MARGIN_PX)
    assert np.flatnonzero(columns).tolist() == [round(place) - 1, round(place)]


def test_of_many_classes_the_answered_and_then_the_highest_are_shown() -> None:
    names = [f"class {k}" for k in range(9)]
    low, high = [0.01] * 9, [0.01] * 9
    for k in (0, 1, 2, 3, 4, 5):
        high[k] = 0.3
    answers = [[False] * 9, [k == 8 for k in range(9)]]
    shown = overlay._Panel(scores_of([low, high], names, answers=answers), width_px=400)._shown
    assert shown == [0, 1, 2, 3, 4, 8]
    assert len(shown) == MAX_ROWS
    panel = panel_at(scores_of([low, high], names, answers=answers), 0.0, window=1)
    assert panel.shape == (MAX_ROWS * ROW_PX + CURVES_PX + 2 * MARGIN_PX, WIDTH_PX, 3)
    assert is_colour(text_of(panel, 5), BRIGHT).any()
    assert bar_of(panel, 5, colour_of("class 8", names))[0] > 0
    for k in (6, 7):
        assert not is_colour(panel, colour_of(names[k], names)).any()


@pytest.mark.parametrize(
    "name", ["polyp", "a polyp " * 30, "Größe ✓ 息肉" * 9, "two\nlines", "\u0627\u0644" * 40, ""]
)
def test_names_of_any_length_fit_in_front_of_their_bar(name: str) -> None:
    panel = panel_at(scores_of([[0.5]], [name]), 0.0)
    before = row_of(panel, 0)[:, text_of(panel, 0).shape[1] : MARGIN_PX + int(0.34 * WIDTH_PX)]
    assert is_colour(before, BACK).all()
    font = ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", 15)
    fitting = overlay._fitting(font, name, 100)
    assert font.getlength(fitting) <= 100
    assert "\n" not in fitting
    assert (fitting == " ".join(name.split())) == (len(name) < 12)


def drawn(
    path: Path, scores: Scores, *, fps: float | None = None
) -> tuple[VideoInfo, list[np.ndarray]]:
    """The frames of an overlay before they are encoded."""
    info = check_video(path)
    draw = overlay.drawing(info, scores)
    return info, list(drawing.drawn_frames(info, draw, fps=fps or info.fps, progress=None))


def test_under_each_frame_are_the_scores_of_its_moment(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, [coded_frame(k) for k in range(40)], fps=10)
    scores = scores_of([[0.2], [0.9], [0.4]], ["polyp"], duration_s=4.0)
    info, frames = drawn(path, scores)
    assert (info.height, info.width) == (48, 64)
    assert len(frames) == 40
    with open_video(path) as reader:
        pictures = np.stack(list(reader.stream()))
    resized = resize_short_side(pictures, SMALL_PX)
    for number, (frame, picture) in enumerate(zip(frames, resized, strict=True)):
        assert frame.shape == (SMALL_PX + ROW_PX + CURVES_PX + 2 * MARGIN_PX, SMALL_WIDTH_PX, 3)
        np.testing.assert_array_equal(frame[:SMALL_PX], picture)
        window = 0 if number * 0.1 < 4 / 3 else 1 if number * 0.1 < 8 / 3 else 2
        filled, rest = bar_of(frame[SMALL_PX:], 0, colour_of("polyp", ["polyp"]))
        share = scores.values[window, 0]
        assert filled / (filled + rest) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    ("size_hw", "short_px"), [((48, 64), SMALL_PX), ((440, 450), 440), ((700, 600), 480)]
)
def test_pictures_are_neither_too_small_for_text_nor_too_large(
    tmp_path: Path, size_hw: tuple[int, int], short_px: int
) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, [np.zeros((*size_hw, 3), np.uint8)], fps=10)
    _, (frame,) = drawn(path, scores_of([[0.5]], ["polyp"], duration_s=0.1))
    height, width = frame.shape[0] - ROW_PX - CURVES_PX - 2 * MARGIN_PX, frame.shape[1]
    assert min(height, width) == short_px
    assert height / width == pytest.approx(size_hw[0] / size_hw[1], rel=0.01)


@pytest.mark.parametrize("fps", [4.0, 12.5, 30000 / 1001, 60.0])
def test_the_drawn_video_is_as_long_as_the_source(tmp_path: Path, fps: float) -> None:
    path, out = tmp_path / "film.mp4", tmp_path / "overlay.mp4"
    write_video(path, [coded_frame(k) for k in range(12)], fps=fps)
    info = check_video(path)
    write_overlay(out, info, scores_of([[0.4]], ["polyp"], duration_s=info.duration_s))
    made = check_video(out)
    assert made.num_frames == info.num_frames == 12
    assert made.duration_s == pytest.approx(info.duration_s, rel=1e-3)
    assert made.width == SMALL_WIDTH_PX + SMALL_WIDTH_PX % 2
    with open_video(out) as reader:
        assert [number_of(frame[:SMALL_PX]) for frame in reader.stream()] == list(range(12))


def test_fast_videos_are_drawn_at_60_frames_a_second(tmp_path: Path) -> None:
    path, out = tmp_path / "film.mp4", tmp_path / "overlay.mp4"
    write_video(path, [coded_frame(k) for k in range(24)], fps=120)
    info = check_video(path)
    write_overlay(out, info, scores_of([[0.4]], ["polyp"], duration_s=info.duration_s))
    made = check_video(out)
    assert made.num_frames == 12
    assert made.fps == pytest.approx(60)
    with open_video(out) as reader:
        assert [number_of(frame[:SMALL_PX]) for frame in reader.stream()] == list(range(0, 24, 2))


def test_videos_of_varying_rate_keep_their_length_and_order(tmp_path: Path) -> None:
    path, out = tmp_path / "uneven.mkv", tmp_path / "overlay.mp4"
    times_ms = [*range(0, 400, 40), *range(400, 1400, 200)]
    frames = []
    for number, time_ms in enumerate(times_ms):
        frame = VideoFrame.from_ndarray(coded_frame(number), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
        frames.append(frame)
    write_frames(path, frames, codec="libx264", rate=1000)
    info = check_video(path)
    write_overlay(out, info, scores_of([[0.4]], ["polyp"], duration_s=info.duration_s))
    made = check_video(out)
    assert made.num_frames == info.num_frames == 15
    assert made.duration_s == pytest.approx(info.duration_s, rel=1e-3)
    with open_video(out) as reader:
        shown = [number_of(frame[:SMALL_PX]) for frame in reader.stream()]
    for tick, number in enumerate(shown):
        time_ms = 1000 * tick / made.fps
        assert number == max(k for k, begun in enumerate(times_ms) if begun <= time_ms + 1)
