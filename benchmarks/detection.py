"""The detector with the base backbone on a stream, on the CPU; one JSON line a case.

Times are compared within a round: a frame of the stream with backbone and pyramid for one frame,
the deformable convolution with a plain 3 x 3 convolution of its size.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.forward import seconds
from endofm.models import Detector, timesformer_base
from endofm.models.deform_conv import deform_conv_by_rows
from endofm.models.fpn import STRIDES
from endofm.tasks.detect_config import FrameSettings, ReferenceSettings
from endofm.tasks.detect_stream import DetectionStream

SIZE_PX = 640
CHANNELS = 256
LARGEST_STREAM_RATIO = 1.35
LARGEST_CONVOLUTION_RATIO = 3.0


def medians(cases: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Seconds of each case, measured in turn."""
    times_s: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, case in cases.items():
            times_s[name].append(seconds(case))
    return {name: statistics.median(times[1:]) for name, times in times_s.items()}


@torch.inference_mode()
def convolution(rounds: int) -> dict[str, object]:
    """All five levels of a frame, in the layout that is fastest for each."""
    sides = [-(-SIZE_PX // stride) for stride in STRIDES]
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3) / 48
    last = weight.contiguous(memory_format=torch.channels_last)
    maps = [
        torch.randn(1, CHANNELS, side, side).contiguous(memory_format=torch.channels_last)
        for side in sides
    ]
    offsets = [torch.randn(1, 72, side, side) for side in sides]
    found = medians(
        {
            "plain": lambda: [F.conv2d(x, last, padding=1) for x in maps],
            "deformable": lambda: [
                deform_conv_by_rows(x, offset, weight)
                for x, offset in zip(maps, offsets, strict=True)
            ],
        },
        rounds=3 * rounds,
    )
    ratio = found["deformable"] / found["plain"]
    return {
        "case": "deformable over plain 3 x 3 convolution, five levels of 640 x 640 px",
        "ratio": round(ratio, 2),
        "largest_ratio": LARGEST_CONVOLUTION_RATIO,
        "ok": ratio <= LARGEST_CONVOLUTION_RATIO,
    }


@torch.inference_mode()
def streaming(rounds: int, *, num_references: int) -> dict[str, object]:
    """A frame of an online stream whose window is full."""
    detector = Detector(timesformer_base()).eval()
    stream = DetectionStream(
        detector,
        frames=FrameSettings(size_hw=(SIZE_PX, SIZE_PX)),
        references=ReferenceSettings(num=num_references, online=True),
    )
    frame = np.random.default_rng(0).integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    for _ in range(stream.references.reach_frames + 1):
        stream.push(frame)
    pixels = torch.randn(1, 1, 3, SIZE_PX, SIZE_PX)
    found = medians(
        {
            "backbone_and_pyramid": lambda: detector.pyramid(
                detector.backbone_maps(pixels, features="independent")
            ),
            "stream": lambda: stream.push(frame),
        },
        rounds=rounds,
    )
    ratio = found["stream"] / found["backbone_and_pyramid"]
    return {
        "case": f"a streamed frame, {num_references} references, over backbone and pyramid",
        "ratio": round(ratio, 3),
        "largest_ratio": LARGEST_STREAM_RATIO,
        "ok": ratio <= LARGEST_STREAM_RATIO,
        "frame_s": round(found["stream"], 2),
    }


def main() -> None:
    """Measure the cases whose name contains the argument; all without one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="part of a case's name")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    cases: dict[str, Callable[[], dict[str, object]]] = {
        "convolution": lambda: convolution(arguments.rounds),
        "streaming 2": lambda: streaming(arguments.rounds, num_references=2),
        "streaming 10": lambda: streaming(arguments.rounds, num_references=10),
    }
    for name, case in cases.items():
        if arguments.only in name:
            found = {**case(), "num_threads": torch.get_num_threads(), "torch": torch.__version__}
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
