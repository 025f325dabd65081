"""Features of whole videos: a window slides over the video, each window is one clip.

Axes: N windows, T frames of a window, S pixels, D features.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from endofm.data.colour import normalise
from endofm.data.manifests import Skipped
from endofm.data.sampling import spread_indices
from endofm.data.transforms import centre_crop, resize_short_side
from endofm.data.video import FolderReader, VideoReader, open_video
from endofm.data.windows import batches, sliding_clips
from endofm.engine.weights import weights_sha256
from endofm.errors import ConfigError, DataError, VideoError
from endofm.files import replacing

Progress = Callable[[int, int], object]
"""Called with how much is done and how much there is."""


@dataclass(frozen=True)
class EmbedSettings:
    """How a video becomes clips; the default is the clips of the pre-training.

    Raises:
        ConfigError: A value that is not above zero.
    """

    num_frames: int = 8
    """Frames of a window, evenly over it, its first and its last included."""
    window_s: float = 5.0
    """Length of a window in seconds; the last one ends with the video and may be shorter."""
    stride_s: float | None = None
    """Seconds from one window's start to the next; by default a window, so that none overlap."""
    size_px: int = 224
    """Height and width of a frame: the short side is resized to it, the centre cut out."""
    batch_size: int = 4
    """Windows that go through the backbone at once."""
    folder_fps: float = 30.0
    """Frame rate of folders of single frames, which do not say theirs."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value}", "give a number above 0")


class Embeddings(NamedTuple):
    """What ``embed`` returns; unpacks into its two parts."""

    times_s: np.ndarray  # (N,) float64: the middle of each window
    features: np.ndarray  # (N, D) float32


@dataclass(frozen=True)
class EmbeddedVideos:
    """What ``embed_videos`` has written."""

    path: Path
    num_videos: int
    num_windows: int
    skipped: tuple[Skipped, ...]


class Window(NamedTuple):
    """One clip of a video."""

    middle_s: float
    indices: np.ndarray  # (T,) int64, rising


def embed(
    backbone: nn.Module,
    video: Path | str,
    *,
    num_frames: int = EmbedSettings.num_frames,
    window_s: float = EmbedSettings.window_s,
    stride_s: float | None = EmbedSettings.stride_s,
    size_px: int = EmbedSettings.size_px,
    batch_size: int = EmbedSettings.batch_size,
    folder_fps: float = EmbedSettings.folder_fps,
    progress: Progress | None = None,
) -> Embeddings:
    """Features of a video over time.

    Each frame is decoded at most once, and a video of any length needs the memory of a few
    windows. The backbone runs without gradients and in eval mode, where it is, in its own
    precision; its mode is restored.

    Args:
        backbone: From (B, 3, T, S, S) normalised by ImageNet's mean and std to (B, D).
        video: A video file or a folder of frames.
        num_frames: See ``EmbedSettings``, as for the next five.
        window_s: Length of a window.
        stride_s: From one window's start to the next; by default ``window_s``.
        size_px: Height and width of a frame.
        batch_size: Windows at once.
        folder_fps: Frame rate of a folder of frames.
        progress: Called with the number of finished windows and of all.

    Returns:
        ``times_s`` (N,), the middle of each window, and ``features`` (N, D).

    Raises:
        VideoError: The video cannot be read.
        ConfigError: A setting that is not above zero.
    """
    settings = EmbedSettings(
        num_frames=num_frames,
        window_s=window_s,
        stride_s=stride_s,
        size_px=size_px,
        batch_size=batch_size,
        folder_fps=folder_fps,
    )
    with open_video(video, folder_fps=folder_fps) as reader, _evaluating(backbone):
        windows = plan_windows(reader.times_s, reader.info.duration_s, settings)
        features: list[np.ndarray] = []
        frames = sliding_clips(
            lambda index: _square(reader, index, size_px), [window.indices for window in windows]
        )
        for clips in batches(frames, batch_size):
            features.extend(_forward(backbone, clips))
            if progress is not None:
                progress(len(features), len(windows))
    times_s = np.array([window.middle_s for window in windows])
    return Embeddings(times_s, np.stack(features))


def embed_videos(
    backbone: nn.Module,
    videos: Sequence[Path | str],
    out: Path | str,
    *,
    settings: EmbedSettings | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> EmbeddedVideos:
    """Write the features of many videos to one ``.npz`` file, in one step at the end.

    The file holds, N being the windows of all videos together and V the videos that could be read:
    ``features`` (N, D) float32, ``times_s`` (N,) float64, ``video_index`` (N,) int64 into
    ``videos`` (V,), ``skipped`` (paths left out), ``weights_sha256`` (of the backbone's tensors)
    and ``settings`` (JSON), the last four as text.

    Args:
        backbone: See ``embed``.
        videos: Video files and folders of frames, repeats counting once; those that cannot be
            read are left out.
        out: The file to write.
        settings: How videos become clips.
        overwrite: Take the place of a file that is there.
        progress: Called with the number of finished videos and of all.

    Raises:
        DataError: ``out`` is there already or cannot be written; there is no video, or none that
            can be read.
    """
    out, settings = Path(out), settings or EmbedSettings()
    if out.exists() and not overwrite:
        raise DataError(f"{out} exists already", "name another file, or add --overwrite")
    if not videos:
        raise DataError("no video to embed", "name video files or folders of frames")
    names = list(dict.fromkeys(str(video) for video in videos))
    found: dict[str, Embeddings] = {}
    skipped: list[Skipped] = []
    with _writing(out) as draft:  # before the work, so that a place that cannot be is told first
        for number, name in enumerate(names, start=1):
            try:
                found[name] = embed(backbone, name, **asdict(settings))
            except VideoError as error:
                skipped.append(Skipped(Path(name), str(error)))
            if progress is not None:
                progress(number, len(names))
        if not found:
            raise DataError(f"none of {len(names)} videos can be read; {skipped[0].reason}")
        _save(draft, backbone, found=found, skipped=skipped, settings=settings)
    num_windows = sum(len(part.times_s) for part in found.values())
    return EmbeddedVideos(out, len(found), num_windows, tuple(skipped))


def plan_windows(times_s: np.ndarray, duration_s: float, settings: EmbedSettings) -> list[Window]:
    """Cut a video into windows that cover it.

    A frame belongs to the windows that its middle lies in, so that rounded times of frames do not
    matter. Where frames are missing for longer than a window, there is no window.

    Args:
        times_s: Start of each frame, ascending from 0, (M,).
        duration_s: Length of the video.
        settings: Length, stride and number of frames.
    """
    middles_s = times_s + 0.5 * duration_s / len(times_s)
    stride_s = settings.stride_s or settings.window_s
    beyond_first_s = max(float(middles_s[-1]) - settings.window_s, 0.0)
    windows: list[Window] = []
    for number in range(1 + math.ceil(beyond_first_s / stride_s)):
        start_s = number * stride_s
        end_s = start_s + settings.window_s
        first, stop = np.searchsorted(middles_s, [start_s, end_s]).tolist()
        if first < stop:
            indices = spread_indices(first, stop - 1, settings.num_frames, clip_frames=len(times_s))
            windows.append(Window(0.5 * (start_s + min(end_s, duration_s)), indices))
    return windows


def _square(reader: VideoReader | FolderReader, index: int, size_px: int) -> np.ndarray:
    """One frame as the backbone sees it: (S, S, 3) uint8."""
    frame = reader.frames([index])[0]  # (H, W, 3)
    return centre_crop(resize_short_side(frame[None], size_px), size_px)[0]


@torch.no_grad()
def _forward(backbone: nn.Module, clips: np.ndarray) -> np.ndarray:
    parameter = next(backbone.parameters())
    frames = normalise(torch.from_numpy(clips).to(parameter.device))  # (B, 3, T, S, S)
    return backbone(frames.to(parameter.dtype)).float().cpu().numpy()


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _writing(out: Path) -> Iterator[Path]:
    try:
        with replacing(out) as draft:
            yield draft
    except OSError as error:
        raise DataError(
            f"{out} cannot be written ({error.strerror})", "name another file"
        ) from None


def _save(
    draft: Path,
    backbone: nn.Module,
    *,
    found: dict[str, Embeddings],
    skipped: Sequence[Skipped],
    settings: EmbedSettings,
) -> None:
    counts = [len(part.times_s) for part in found.values()]
    with draft.open("wb") as file:
        np.savez(
            file,
            features=np.concatenate([part.features for part in found.values()]),
            times_s=np.concatenate([part.times_s for part in found.values()]),
            video_index=np.repeat(np.arange(len(counts)), counts),
            videos=np.array(list(found), dtype=str),
            skipped=np.array([str(item.path) for item in skipped], dtype=str),
            weights_sha256=np.array(weights_sha256(backbone.state_dict())),
            settings=np.array(json.dumps(asdict(settings))),
        )
