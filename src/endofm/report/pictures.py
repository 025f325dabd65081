"""Pictures of what a model sees and where it looks, from the arrays that a run keeps.

Axes: T frames, H and W pixels, h and w patches.
"""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.image import imsave

from endofm.errors import RunError

NUM_HEADS_SHOWN = 3
FULL_COLOUR_TIMES = 2
"""Even attention is left without colour rather than blown up until it looks like a choice."""
MOST_ASPECT = 4
"""Width of a thumbnail over the height asked for."""
GREY_WEIGHTS = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Strip:
    """The frames of one view, or one row of a grid, in order of time."""

    label: str
    size: str
    frames: tuple[str, ...]  # data URIs


@dataclass(frozen=True)
class Views:
    """The views of one clip."""

    global_views: tuple[Strip, ...]
    local_views: tuple[Strip, ...]


def read_views(path: Path) -> Views | None:
    """The picture of one clip's views; ``None`` if the run has none.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    if not path.is_file():
        return None
    arrays = read_arrays(path)
    try:
        num_global = int(arrays["num_global"])
        views = [
            arrays[name] for name in takewhile(arrays.__contains__, map("view{}".format, count()))
        ]
        labels = [f"Global {i + 1}" for i in range(num_global)]
        labels += [f"Local {i + 1}" for i in range(len(views) - num_global)]
        strips = [frame_strip(view, label) for view, label in zip(views, labels, strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        raise not_understood(path, error) from None
    return Views(tuple(strips[:num_global]), tuple(strips[num_global:]))


def read_attention(path: Path) -> tuple[Strip, ...] | None:
    """Rows of a grid: the frames, the mean of the heads over them, the most focused heads.

    Each row has a scale of its own over all its frames: colour begins at the row's mean and is
    full at its largest value, or at ``FULL_COLOUR_TIMES`` the mean if nothing stands out so far.

    Raises:
        RunError: The file is damaged or holds something else.
    """
    if not path.is_file():
        return None
    arrays = read_arrays(path)
    try:
        frames, attention = arrays["frames"], arrays["attention"]  # (T, H, W, 3), (heads, T, h, w)
        if attention.ndim != 4 or attention.shape[1] != len(frames):
            raise ValueError(f"attention of shape {attention.shape} over {len(frames)} frames")
        if not np.isfinite(attention).all():
            raise ValueError("attention is not finite")
        rows = [
            frame_strip(frames, "Input"),
            attention_strip(frames, attention.mean(axis=0), "Mean of heads"),
        ]
        for head in _most_focused(attention)[:NUM_HEADS_SHOWN]:
            rows.append(attention_strip(frames, attention[head], f"Head {head + 1}"))
    except (KeyError, TypeError, ValueError) as error:
        raise not_understood(path, error) from None
    return tuple(rows)


def _most_focused(attention: np.ndarray) -> list[int]:
    """Heads in order of the entropy of their attention, the lowest first."""
    flat = attention.reshape(len(attention), attention.shape[1], -1).astype(np.float64)
    shares = flat / np.maximum(flat.sum(axis=2, keepdims=True), 1e-12)
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=2).mean(axis=1)
    return [int(head) for head in np.argsort(entropy, kind="stable")]


def attention_strip(frames: np.ndarray, attention: np.ndarray, label: str) -> Strip:
    """Attention (T, h, w) as heat over grey frames (T, H, W, 3) uint8; see ``read_attention``.

    Raises:
        ValueError: They are something else.
    """
    _check_frames(frames)
    excess = attention / max(float(attention.mean()), 1e-12) - 1
    scale = max(float(excess.max()), FULL_COLOUR_TIMES - 1)
    heat = np.stack([_enlarge(e / scale, frames.shape[1:3]) for e in excess])  # (T, H, W)
    heat = np.clip(heat, 0, 1)
    colour = 255 * colormaps["inferno"](heat)[..., :3]
    grey = (frames @ np.array(GREY_WEIGHTS))[..., None]
    share = 0.2 + 0.65 * heat[..., None]
    mixed = (1 - share) * grey + share * colour
    return frame_strip(mixed.round().astype(np.uint8), label)


def _enlarge(patches: np.ndarray, size_hw: tuple[int, ...]) -> np.ndarray:
    """Bilinear, with half-pixel centres: (h, w) -> (H, W)."""
    rows, columns = (
        _interpolation(n, size) for n, size in zip(patches.shape, size_hw, strict=True)
    )
    return rows @ patches @ columns.T


def _interpolation(num: int, size: int) -> np.ndarray:
    """Matrix (size, num) of the weights that ``num`` values have at ``size`` places."""
    place = np.clip((np.arange(size) + 0.5) * num / size - 0.5, 0, num - 1)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(num)), 0)


def frame_strip(frames: np.ndarray, label: str) -> Strip:
    """Frames (T, H, W, 3) uint8 as pictures.

    Raises:
        ValueError: They are something else.
    """
    _check_frames(frames)
    size = f"{frames.shape[2]} \N{MULTIPLICATION SIGN} {frames.shape[1]} px"
    return Strip(label, size, tuple(_as_jpeg(frame) for frame in frames))


def thumbnail(frame: np.ndarray, *, height_px: int = 96) -> str:
    """A frame (H, W, 3) uint8 as a small picture, a data URI; a strip is not so high."""
    height, width = frame.shape[:2]
    scale = min(height_px / height, MOST_ASPECT * height_px / width)
    size_wh = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(np.ascontiguousarray(frame), size_wh, interpolation=cv2.INTER_AREA)
    return frame_strip(small[None].astype(np.uint8, copy=False), "").frames[0]


def spread(total: int, number: int) -> list[int]:
    """So many of the places from 0 to total - 1, at equal distances."""
    return [int((place + 0.5) * total / number) for place in range(number)]


def _check_frames(frames: np.ndarray) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
        raise ValueError(f"frames are {frames.dtype} of shape {frames.shape}")


def _as_jpeg(frame: np.ndarray) -> str:
    file = io.BytesIO()
    imsave(file, frame, format="jpg", pil_kwargs={"quality": 88})
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file; nothing in it is executed.

    Raises:
        RunError: The file is missing, damaged or holds something else.
    """
    try:
        with zipfile.ZipFile(path):  # anything else, NumPy would try to open in other ways
            pass
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise not_understood(path, error) from None


def not_understood(path: Path, error: Exception) -> RunError:
    """The complaint about a file whose content cannot be drawn."""
    return RunError(f"{path} cannot be shown ({error})", "delete it, or let the run write it again")
