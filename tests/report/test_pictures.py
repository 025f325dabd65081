import base64
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.image import imread

from endofm.errors import RunError
from endofm.report.pictures import Strip, read_attention, read_views, thumbnail
from tests.report.builder import add_figures, soft_frames


def pixels(strip: Strip, frame: int) -> np.ndarray:
    kind, content = strip.frames[frame].split(",", maxsplit=1)
    assert kind == "data:image/jpeg;base64"
    return imread(io.BytesIO(base64.b64decode(content)), format="jpg").astype(int)


def test_views_are_named_and_complete(tmp_path: Path) -> None:
    add_figures(tmp_path, size_px=32)
    views = read_views(tmp_path / "figures" / "views.npz")
    assert views is not None
    assert [s.label for s in views.global_views] == ["Global 1", "Global 2"]
    assert [s.label for s in views.local_views] == [f"Local {i}" for i in range(1, 9)]
    assert [len(s.frames) for s in views.local_views] == [2, 2, 4, 4, 8, 8, 16, 16]
    assert (views.global_views[0].size, views.local_views[0].size) == ("32 × 32 px", "16 × 16 px")  # noqa: RUF001
    assert np.abs(pixels(views.local_views[7], 3) - soft_frames(16, 16, seed=9)[3]).mean() < 4


def attention_of(path: Path, attention: np.ndarray, size_px: int = 64) -> tuple[Strip, ...]:
    frames = np.full((attention.shape[1], size_px, size_px, 3), 90, np.uint8)
    np.savez(path, frames=frames, attention=attention.astype(np.float32))
    rows = read_attention(path)
    assert rows is not None
    return rows


def test_attention_lies_over_the_place_it_belongs_to(tmp_path: Path) -> None:
    attention = np.zeros((1, 2, 4, 4))
    attention[0, 0, 0, 3] = 0.8  # top right of the first frame
    attention[0, 1, 2, 0] = 0.4  # lower left of the second, half as much
    rows = attention_of(tmp_path / "a.npz", attention)
    assert [row.label for row in rows] == ["Input", "Mean of heads", "Head 1"]
    heat = [(pixels(rows[1], t) - pixels(rows[0], t)).clip(0).sum(axis=2) for t in (0, 1)]
    assert np.unravel_index(heat[0].argmax(), heat[0].shape) > (0, 47)
    top, left = np.unravel_index(heat[1].argmax(), heat[1].shape)
    assert 30 <= top <= 50
    assert left <= 16
    assert heat[0].max() > heat[1].max() > 0


def test_heads_are_averaged(tmp_path: Path) -> None:
    attention = np.zeros((2, 1, 2, 2))
    attention[0, 0, 0, 0] = attention[1, 0, 1, 1] = 1.0
    rows = attention_of(tmp_path / "a.npz", attention)
    for place in (4, 60):
        assert pixels(rows[1], 0)[place, place, 0] > pixels(rows[0], 0)[place, place, 0] + 40
    assert abs(pixels(rows[2], 0)[60, 60] - pixels(rows[0], 0)[60, 60]).max() < 40


def test_nothing_in_an_array_file_is_run(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "was run",)

    trap = np.array([Touch()])
    np.savez(
        tmp_path / "a.npz", allow_pickle=True, view0=trap, frames=trap, attention=trap, num_global=1
    )
    for read in (read_views, read_attention):
        with pytest.raises(RunError, match="cannot be shown"):
            read(tmp_path / "a.npz")
    assert not (tmp_path / "was run").exists()


def test_the_most_focused_heads_are_shown(tmp_path: Path) -> None:
    attention = np.full((5, 1, 4, 4), 1 / 16)
    for head, others in ((1, 0.02), (3, 0.0), (4, 0.05)):
        attention[head] = others
        attention[head, 0, 2, 2] = 1 - 15 * others
    labels = [row.label for row in attention_of(tmp_path / "a.npz", attention)]
    assert labels == ["Input", "Mean of heads", "Head 4", "Head 2", "Head 5"]


def test_each_row_has_its_own_scale(tmp_path: Path) -> None:
    attention = np.random.default_rng(0).random((2, 3, 4, 4))
    rows = attention_of(tmp_path / "a.npz", attention)
    fainter = attention_of(tmp_path / "b.npz", attention * np.array([0.01, 1])[:, None, None, None])
    assert [row.frames for row in fainter[2:]] == [row.frames for row in rows[2:]]


def test_even_attention_stays_grey(tmp_path: Path) -> None:
    attention = 1 + 0.1 * np.random.default_rng(0).random((1, 2, 4, 4))
    for row in attention_of(tmp_path / "a.npz", attention)[1:]:
        assert np.ptp(pixels(row, 0), axis=2).max() < 12


def test_no_attention_at_all_is_drawn_as_none(tmp_path: Path) -> None:
    rows = attention_of(tmp_path / "a.npz", np.zeros((2, 1, 3, 5)))
    assert len({tuple(row.frames) for row in rows[1:]}) == 1
    assert pixels(rows[1], 0) == pytest.approx(0.8 * 90, abs=2)


def test_a_run_without_pictures_has_none(tmp_path: Path) -> None:
    assert read_views(tmp_path / "views.npz") is None
    assert read_attention(tmp_path / "attention.npz") is None


FRAMES = soft_frames(2, 16)
ATTENTION = np.ones((1, 2, 4, 4), np.float32)
OTHER_ARRAYS: dict[str, dict[str, np.ndarray]] = {
    "other names": {"something": FRAMES},
    "floats": {"view0": FRAMES / 255, "frames": FRAMES / 255, "attention": ATTENTION},
    "no frames": {"view0": FRAMES[:0], "frames": FRAMES[:0], "attention": ATTENTION[:, :0]},
    "four colours": {
        "view0": np.ones((2, 8, 8, 4), np.uint8),
        "frames": np.ones((2, 8, 8, 4), np.uint8),
        "attention": ATTENTION,
    },
    "no colours": {"view0": FRAMES[..., 0], "frames": FRAMES[..., 0], "attention": ATTENTION},
}


def other_content(how: str, path: Path) -> bytes:
    np.savez_compressed(path, view0=FRAMES, frames=FRAMES, num_global=1)
    content = path.read_bytes()
    return {
        "empty": b"",
        "text": b"no archive",
        "cut short": content[:-100],
        "overwritten": content[:200] + bytes(60) + content[260:],
    }[how]


@pytest.mark.parametrize("how", ["empty", "text", "cut short", "overwritten", *OTHER_ARRAYS])
def test_damaged_arrays_are_one_clear_error(tmp_path: Path, how: str) -> None:
    path = tmp_path / "figure.npz"
    if how in OTHER_ARRAYS:
        np.savez(path, allow_pickle=False, num_global=1, **OTHER_ARRAYS[how])
    else:
        path.write_bytes(other_content(how, path))
    for read in (read_views, read_attention):
        with pytest.raises(RunError, match=r"figure\.npz cannot be shown .*; delete it, or let"):
            read(path)


@pytest.mark.parametrize("attention", [np.ones((1, 3, 4, 4)), np.ones((2, 4)), None])
def test_attention_must_fit_its_frames(tmp_path: Path, attention: np.ndarray | None) -> None:
    path = tmp_path / "a.npz"
    undefined = np.full((1, 2, 4, 4), np.nan)
    np.savez(
        path,
        frames=soft_frames(2, 16),
        attention=undefined if attention is None else attention,
    )
    with pytest.raises(RunError, match=r"attention of shape|attention is not finite"):
        read_attention(path)


@pytest.mark.parametrize("size_hw", [(2, 9000), (9000, 2), (240, 320), (1, 1)])
def test_thumbnails_keep_their_bounds(size_hw: tuple[int, int]) -> None:
    data = thumbnail(np.zeros((*size_hw, 3), np.uint8), height_px=96)
    picture = cv2.imdecode(
        np.frombuffer(base64.b64decode(data.split(",")[1]), np.uint8), cv2.IMREAD_COLOR
    )
    assert picture is not None
    height, width = picture.shape[:2]
    assert 1 <= height <= 96
    assert 1 <= width <= 4 * 96
