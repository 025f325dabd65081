"""Preparing a 1080p video against decoding, scaling and encoding it with PyAV alone.

Both do the same with the same settings on one core, in turn and in processor time; one JSON line.
The difference is what a prepared set has beyond its pictures: the index of the source, measures of
each frame, hashes, lists, and clips that appear only when complete.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from functools import partial
from pathlib import Path

import av
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from benchmarks.timing import seconds, tissue, use_one_core, versions
from endofm.catalog.all_sets import CARDS, find_set
from endofm.catalog.prepare import prepare
from endofm.catalog.prepare_settings import PrepareSettings
from endofm.data.video import write_video

NUM_FRAMES, HEIGHT, WIDTH, FPS = 300, 1080, 1920, 30
LEAST_RATE = 0.8
SETTINGS = PrepareSettings()


def plain(source: Path, target: Path) -> None:
    """Decode, scale and encode all frames into one file."""
    reformatter = VideoReformatter()
    width = round(WIDTH * SETTINGS.short_side_px / HEIGHT / 2) * 2
    with av.open(source) as container, av.open(target, "w") as output:
        decoding = container.streams.video[0]
        decoding.codec_context.thread_type = "NONE"
        encoding = output.add_stream("libx264", rate=FPS, options={"crf": str(SETTINGS.crf)})
        encoding.width, encoding.height = width, SETTINGS.short_side_px
        encoding.pix_fmt = "yuv420p"
        encoding.gop_size = SETTINGS.keyframe_every
        encoding.codec_context.thread_count = 1
        for frame in container.decode(decoding):
            scaled = reformatter.reformat(
                frame,
                width=width,
                height=SETTINGS.short_side_px,
                format="yuv420p",
                interpolation=Interpolation.BICUBIC,
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                threads=1,
            )
            output.mux(encoding.encode(scaled))
        output.mux(encoding.encode(None))


def ours(source: Path, target: Path) -> None:
    """The command's work in this process."""
    card = CARDS["own"]
    found = find_set(card, source)
    prepare(card, found, origin=source, root=target, settings=SETTINGS, num_workers=0)
    shutil.rmtree(target)


def measure(folder: Path, num_rounds: int) -> dict[str, object]:
    """Median seconds of both and the ratio of the rates."""
    source = folder / "source" / "video.mp4"
    source.parent.mkdir()
    write_video(source, tissue(NUM_FRAMES, height=HEIGHT, width=WIDTH), fps=FPS)
    plain_s, ours_s = [], []
    for count in range(-1, num_rounds):
        alone = seconds(partial(plain, source, folder / "plain.mp4"))
        preparing = seconds(partial(ours, source.parent, folder / "prepared"))
        if count >= 0:  # the first round warms up
            plain_s.append(alone)
            ours_s.append(preparing)
    rate = statistics.median(plain_s) / statistics.median(ours_s)
    return {
        "case": "preparing 1080p video, rate over PyAV alone",
        "ratio": round(rate, 3),
        "least_ratio": LEAST_RATE,
        "ok": rate >= LEAST_RATE,
        "plain_s": round(statistics.median(plain_s), 3),
        "ours_s": round(statistics.median(ours_s), 3),
        "num_frames": NUM_FRAMES,
        "rounds": num_rounds,
        "versions": versions(),
    }


def main() -> None:
    """Write a video, measure both, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    num_rounds = parser.parse_args().rounds
    use_one_core()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), num_rounds)))


if __name__ == "__main__":
    main()
