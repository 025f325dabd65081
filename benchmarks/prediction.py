"""The memory that predicting a long video takes; prints one JSON line.

A process of its own slides a small classifier over 20,000 frames of 640 x 512 px, draws the scores
under all of them and writes the page. The largest memory that it ever held must not depend on the
length of the video, and no frame may be decoded twice while the window slides.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import av
import torch
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from safetensors.torch import save_file

import endofm
from benchmarks.timing import tissue, versions
from endofm.data.decoder import FrameDecoder
from endofm.models import Classifier, timesformer_tiny
from endofm.prediction import ClassPrediction
from endofm.tasks.classify_config import SamplingSettings

NUM_FRAMES, HEIGHT, WIDTH, FPS = 20_000, 512, 640, 30
DRIFT_PX = 64
LARGEST_MB = 2048
SETTINGS = SamplingSettings(num_frames=4, size_px=96)
BYTES_A_UNIT = 1 if sys.platform == "darwin" else 1024  # of what the system tells


def write_long_video(path: Path, num_frames: int) -> None:
    """A picture of tissue that drifts back and forth, encoded as quickly as x264 can."""
    (whole,) = tissue(1, height=HEIGHT, width=WIDTH + DRIFT_PX)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number in range(num_frames):
            left = abs(number % (2 * DRIFT_PX) - DRIFT_PX)
            picture = whole[:, left : left + WIDTH].copy()
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def write_weights(path: Path) -> None:
    """A small classifier of two classes with random weights."""
    torch.manual_seed(0)
    save_file(Classifier(timesformer_tiny(), num_classes=2).state_dict(), path)


def predict(folder: Path) -> dict[str, object]:
    """Predict and save the video of a folder in this process: what it took."""
    decode_packets = FrameDecoder._decode_packets  # where frames come out of FFmpeg
    num_decoded = num_sliding = 0

    def counting(decoder: FrameDecoder) -> Iterator[VideoFrame]:
        nonlocal num_decoded
        for frame in decode_packets(decoder):
            num_decoded += 1
            yield frame

    def progress(done: int, total: int) -> None:
        nonlocal num_sliding
        if done == total:
            num_sliding = num_decoded

    with patch.object(FrameDecoder, "_decode_packets", counting):
        found = endofm.predict(
            folder / "weights.safetensors",
            folder / "video.mp4",
            stride_s=1.0,
            sampling=SETTINGS,
            progress=progress,
        )
    assert isinstance(found, ClassPrediction)
    found.save(folder / "out")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_A_UNIT / 2**20
    ratio = num_sliding / found.video.num_frames
    return {
        "case": "prediction of a long video",
        "peak_mb": round(peak),
        "largest_mb": LARGEST_MB,
        "ok": peak <= LARGEST_MB and ratio <= 1.01,
        "decoded_ratio": round(ratio, 4),
        "frames": found.video.num_frames,
        "windows": len(found.scores),
        "versions": versions(),
    }


def main() -> None:
    """Make a video and weights, then let another process predict; it prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=NUM_FRAMES, help="length of the video")
    parser.add_argument("--inside", type=Path, help="predict what this folder holds")
    arguments = parser.parse_args()
    if arguments.inside:
        print(json.dumps(predict(arguments.inside)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_long_video(folder / "video.mp4", arguments.frames)
        write_weights(folder / "weights.safetensors")
        command = [sys.executable, "-m", "benchmarks.prediction", "--inside", str(folder)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
