"""Samples a second from a clip store over those from the folder it was packed from; one JSON line.

Both are on the local disk and in its cache, so the ratio says what the store costs by itself: the
index, the ranged read, the checksum, and decoding from memory instead of from a file. Both are
timed in turn and in processor time, so that a machine that slows down counts on both sides.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.loader import write_clip
from benchmarks.timing import seconds, use_one_core, versions
from endofm.data.datasets import ViewDataset
from endofm.data.manifests import Clip, scan, split_into_clips
from endofm.data.shard_writer import pack_videos
from endofm.data.shards import StoredClips, open_store
from endofm.data.views import ViewSettings

NUM_CLIPS = 8
SMALLEST_RATIO = 0.9


def write_both(folder: Path) -> tuple[Sequence[Clip], Sequence[Clip]]:
    """The same clips in a folder and in a store."""
    (videos := folder / "videos").mkdir()
    write_clip(videos / "0.mp4")
    for number in range(1, NUM_CLIPS):
        shutil.copy(videos / "0.mp4", videos / f"{number}.mp4")
    found = scan([videos]).videos
    store_folder = folder / "store"
    pack_videos(found, store_folder, root=videos)
    store = open_store(str(store_folder))
    files = [clip for video in found for clip in split_into_clips(video)]
    return files, StoredClips(store, clip_frames=150, target_fps=30.0)


def measure(folder: Path, num_rounds: int) -> dict[str, object]:
    """Median samples a second of both, their ratio, and what it was measured with."""
    files, stored = (ViewDataset(clips, ViewSettings(), seed=0) for clips in write_both(folder))

    def read_all(dataset: ViewDataset, epoch: int) -> float:
        return seconds(lambda: [dataset[epoch, index] for index in range(NUM_CLIPS)])

    times_s: list[tuple[float, float]] = []
    for epoch in range(-1, num_rounds):
        pair = read_all(files, max(epoch, 0)), read_all(stored, max(epoch, 0))
        if epoch >= 0:  # the first round warms up
            times_s.append(pair)
    ratio = statistics.median(of_files / of_store for of_files, of_store in times_s)
    from_files, from_store = (
        NUM_CLIPS / statistics.median(column) for column in zip(*times_s, strict=True)
    )
    return {
        "case": "samples from a clip store over samples from its folder",
        "ratio": round(ratio, 3),
        "smallest_ratio": SMALLEST_RATIO,
        "ok": ratio >= SMALLEST_RATIO,
        "store_samples_per_s": round(from_store, 2),
        "folder_samples_per_s": round(from_files, 2),
        "rounds": num_rounds,
        "versions": versions(),
    }


def main() -> None:
    """Make clips, pack them, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="passes over the clips to time")
    num_rounds = parser.parse_args().rounds
    use_one_core()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), num_rounds)))


if __name__ == "__main__":
    main()
