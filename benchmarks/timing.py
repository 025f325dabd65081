"""What the benchmarks of video reading share: one core, processor time, versions, a video."""

import os
import platform
import time
from collections.abc import Callable, Iterator

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray


def use_one_core() -> None:
    """Pin this process to one core, and keep libraries from starting threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def seconds(work: Callable[[], object]) -> float:
    """Processor time that ``work`` takes, whatever else the machine does meanwhile."""
    start = time.process_time()
    work()
    return time.process_time() - start


def versions() -> dict[str, str]:
    """What a measurement was made with."""
    return {
        "python": platform.python_version(),
        "av": av.__version__,
        "cv2": cv2.__version__,
        "torch": torch.__version__,
    }


def tissue(num_frames: int, *, height: int, width: int) -> Iterator[NDArray[np.uint8]]:
    """Pictures (H, W, 3) RGB of moving, noisy tissue colours; always the same."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    for k in range(num_frames):
        waves = [
            base + 50 * np.sin(columns / (9 + 4 * c) + rows / (23 - 5 * c) + k / (4 + c))
            for c, base in enumerate((170, 100, 80))
        ]
        noise = rng.standard_normal((height, width, 1), dtype=np.float32)
        yield (np.stack(waves, axis=-1) + 3 * noise).clip(0, 255).astype(np.uint8)
