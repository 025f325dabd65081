"""One clip's ten views against decoding that clip, both on one core; prints one JSON line.

A loader cannot be faster than decoding, so the ratio says how much everything else costs: opening
and indexing the file, converting to RGB, cropping and resizing. Both are timed in turn and in
processor time, so that a machine that slows down or does other work counts on both sides.
"""

import argparse
import json
import statistics
import tempfile
from functools import partial
from pathlib import Path

import av
import cv2

from benchmarks.timing import seconds, tissue, use_one_core, versions
from endofm.data.datasets import ViewDataset
from endofm.data.manifests import scan, split_into_clips
from endofm.data.views import ViewSettings

NUM_FRAMES, HEIGHT, WIDTH, FPS = 150, 256, 340, 30
LARGEST_RATIO = 2.5


def write_clip(path: Path) -> None:
    """Five seconds of moving, noisy tissue colours, as OpenCV's MPEG-4: a prepared clip."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    assert writer.isOpened(), "this OpenCV cannot write MPEG-4"
    for picture in tissue(NUM_FRAMES, height=HEIGHT, width=WIDTH):
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()


def decode(path: Path) -> None:
    """Decode every frame and convert none: the floor."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "NONE"
        assert sum(1 for _ in container.decode(stream)) == NUM_FRAMES


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
        "versions": versions(),
    }


def main() -> None:
    """Make a clip, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="clips to time")
    num_rounds = parser.parse_args().rounds
    use_one_core()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_clip(path)
        print(json.dumps(measure(path, num_rounds)))


if __name__ == "__main__":
    main()
