"""One clip's ten views against decoding that clip, both on one core; prints one JSON line.

A loader cannot be faster than decoding, so the ratio says how much everything else costs: opening
and indexing the file, converting to RGB, cropping and resizing. Both are timed in turn and in
processor time, so that a machine that slows down or does other work counts on both sides.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from endofm.data.datasets import ViewDataset
from endofm.data.manifests import scan, split_into_clips
from endofm.data.views import ViewSettings

NUM_FRAMES, HEIGHT, WIDTH, FPS = 150, 256, 340, 30
LARGEST_RATIO = 2.5


def write_clip(path: Path) -> None:
    """Five seconds of moving, noisy tissue colours, as OpenCV's MPEG-4: a prepared clip."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    assert writer.isOpened(), "this OpenCV cannot write MPEG-4"
    for k in range(NUM_FRAMES):
        waves = [
            base + 50 * np.sin(columns / (9 + 4 * c) + rows / (23 - 5 * c) + k / (4 + c))
            for c, base in enumerate((80, 100, 170))
        ]
        picture = np.stack(waves, axis=-1) + rng.normal(0, 3, (HEIGHT, WIDTH, 1))
        writer.write(picture.clip(0, 255).astype(np.uint8))
    writer.release()


def decode(path: Path) -> None:
    """Decode every frame and convert none: the floor."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "NONE"
        assert sum(1 for _ in container.decode(stream)) == NUM_FRAMES


def seconds(work: Callable[[], object]) -> float:
    """Processor time that ``work`` takes, whatever else the machine does meanwhile."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(path: Path, num_rounds: int) -> dict[str, object]:
    """Median seconds of both, their ratio, and what it was measured with."""
    (video,) = scan([path]).videos
    dataset = ViewDataset(split_into_clips(video), ViewSettings(), seed=0)
    views_s, decode_s = [], []
    for epoch in range(-2, num_rounds):
        decoding = seconds(partial(decode, path))
        viewing = seconds(partial(dataset.__getitem__, (max(epoch, 0), 0)))
        if epoch >= 0:  # the first rounds warm up
            decode_s.append(decoding)
            views_s.append(viewing)
    ratio = statistics.median(views_s) / statistics.median(decode_s)
    return {
        "case": "ten views of one clip",
        "ratio": round(ratio, 3),
        "largest_ratio": LARGEST_RATIO,
        "ok": ratio <= LARGEST_RATIO,
        "views_s": round(statistics.median(views_s), 5),
        "decode_s": round(statistics.median(decode_s), 5),
        "rounds": num_rounds,
        "versions": {
            "python": platform.python_version(),
            "av": av.__version__,
            "cv2": cv2.__version__,
            "torch": torch.__version__,
        },
    }


def main() -> None:
    """Pin this process to one core, make a clip, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="clips to time")
    num_rounds = parser.parse_args().rounds
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_clip(path)
        print(json.dumps(measure(path, num_rounds)))


if __name__ == "__main__":
    main()
