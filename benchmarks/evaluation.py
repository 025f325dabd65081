"""Evaluating one long video against decoding all of it, both on one core; prints two JSON lines.

Evaluation takes 32 of 2,000 frames and decodes what these refer to. One video is as ``write_video``
makes it, the other has its key frames as far apart as x264 puts them by default, where more lies
between a frame and the nearest place to start; it has no goal. ``ratio`` says how many times
as long it takes to decode every frame and convert none, the least that anything does which reads
the whole video; ``pictures_ratio``, to make pictures of all frames and take the same from them.
All are timed in turn and in processor time, so that a machine that slows down or does other work
counts on all sides.
"""

import argparse
import json
import statistics
import tempfile
from functools import partial
from pathlib import Path

import av
import numpy as np

from benchmarks.timing import seconds, tissue, use_one_core, versions
from endofm.data.manifests import Video, scan
from endofm.data.video import VideoReader, write_video
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.classify_data import (
    EvaluationVideos,
    Frames,
    clip_indices,
    evaluation_squares,
    evaluation_starts,
)

NUM_FRAMES, HEIGHT, WIDTH, FPS = 2000, 512, 640, 30
SMALLEST_RATIOS = {30: 3.0, 250: None}  # by frames from one key frame to the next
SETTINGS = SamplingSettings()


def sample(video: Video) -> Frames:
    """The clips (C, T, S, S, 3) that a video is evaluated on."""
    return EvaluationVideos([video], SETTINGS)[0].frames


def sample_from_all(video: Video) -> Frames:
    """The same clips, from pictures of all frames."""
    starts = evaluation_starts(NUM_FRAMES, SETTINGS)
    indices = np.concatenate([clip_indices(NUM_FRAMES, start, SETTINGS) for start in starts])
    with VideoReader(video.path) as reader:
        wanted = set(indices.tolist())
        kept = {k: picture for k, picture in enumerate(reader.stream()) if k in wanted}
    squares = evaluation_squares(np.stack([kept[k] for k in indices.tolist()]), SETTINGS)
    return squares.reshape(len(starts), -1, *squares.shape[1:])


def decode(video: Video) -> None:
    """Decode every frame and convert none."""
    with av.open(video.path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "NONE"
        assert sum(1 for _ in container.decode(stream)) == NUM_FRAMES


def measure(video: Video, *, keyframe_every: int, num_rounds: int) -> dict[str, object]:
    """Median seconds of the three, their ratios, and what they were measured with."""
    assert np.array_equal(sample(video), sample_from_all(video))  # warms up as well
    works = {"sampled": sample, "decoded": decode, "pictures": sample_from_all}
    times_s: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(num_rounds):
        for name, work in works.items():
            times_s[name].append(seconds(partial(work, video)))
    medians_s = {name: statistics.median(times) for name, times in times_s.items()}
    ratio = medians_s["decoded"] / medians_s["sampled"]
    smallest_ratio = SMALLEST_RATIOS[keyframe_every]
    return {
        "case": f"evaluation of one video with a key frame every {keyframe_every}",
        "ratio": round(ratio, 3),
        "smallest_ratio": smallest_ratio,
        "ok": None if smallest_ratio is None else ratio >= smallest_ratio,
        "pictures_ratio": round(medians_s["pictures"] / medians_s["sampled"], 3),
        **{f"{name}_s": round(median_s, 4) for name, median_s in medians_s.items()},
        "video_mb": round(video.path.stat().st_size / 1e6, 1),
        "rounds": num_rounds,
        "versions": versions(),
    }


def main() -> None:
    """Make a video, measure, print; then another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="times to read the video each way")
    num_rounds = parser.parse_args().rounds
    use_one_core()
    for keyframe_every in SMALLEST_RATIOS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "video.mp4"
            frames = tissue(NUM_FRAMES, height=HEIGHT, width=WIDTH)
            write_video(path, frames, fps=FPS, keyframe_every=keyframe_every)
            (video,) = scan([path]).videos
            line = measure(video, keyframe_every=keyframe_every, num_rounds=num_rounds)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
