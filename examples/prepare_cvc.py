"""CVC-ClinicDB's numbered frames as frame folders and a labelled clip list.

    python examples/prepare_cvc.py CVC-CLINICDB OUT

CVC-CLINICDB holds ``Original/1.png`` ..., ``sequences.csv`` (frame, sequence) and
``clip_windows.csv`` (windows of a few frames with and without a polyp). OUT gets

- ``sequences/{train,test}/<sequence>/<frame>.png``: what to pre-train on;
- ``windows/<window>/<frame>.png`` and ``windows/clips.csv``: labelled clips, split by sequence.

Every third sequence is held out, so that the labelled test clips, and the frames they were cut
from, come from sequences that neither pre-training on ``sequences/train`` nor the probe has seen.
"""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import tyro

from endofm.data.manifests import Video, write_clip_list
from endofm.errors import DataError

TEST_EVERY = 3
FPS = 25.0


@dataclass
class Arguments:
    """Prepare CVC-ClinicDB."""

    source: tyro.conf.Positional[Path]
    """Folder of the data set."""
    out: tyro.conf.Positional[Path]
    """Folder to write to."""


def split_of(sequence: int) -> str:
    """The split that a sequence belongs to."""
    return "test" if sequence % TEST_EVERY == 0 else "train"


def write_sequences(source: Path, out: Path) -> None:
    """Copy the frames into one folder a sequence."""
    with (source / "sequences.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            sequence = int(row["sequence"])
            folder = out / "sequences" / split_of(sequence) / f"sequence-{sequence:02d}"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / "Original" / f"{row['frame']}.png", folder)


def write_windows(source: Path, out: Path) -> Path:
    """Cut the labelled windows out of the frames and list them."""
    videos = []
    with (source / "clip_windows.csv").open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            first, count = int(row["first_frame"]), int(row["n_frames"])
            x, y, size = int(row["x"]), int(row["y"]), int(row["size"])
            folder = out / "windows" / f"{number:03d}-{row['label']}"
            folder.mkdir(parents=True, exist_ok=True)
            for frame in range(first, first + count):
                picture = cv2.imread(str(source / "Original" / f"{frame}.png"))
                if picture is None:
                    raise DataError(f"{source / 'Original' / f'{frame}.png'}: missing or no image")
                cv2.imwrite(str(folder / f"{frame}.png"), picture[y : y + size, x : x + size])
            sequence = int(row["sequence"])
            videos.append(
                Video(
                    path=folder,
                    num_frames=count,
                    fps=FPS,
                    height=size,
                    width=size,
                    label=row["label"],
                    split=split_of(sequence),
                    group=f"sequence-{sequence:02d}",
                )
            )
    path = out / "windows" / "clips.csv"
    write_clip_list(path, videos)
    return path


def main(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
    """Write both forms and say where they are."""
    write_sequences(arguments.source, arguments.out)
    clips = write_windows(arguments.source, arguments.out)
    print(f"{arguments.out / 'sequences' / 'train'}  {clips}")


if __name__ == "__main__":
    tyro.cli(main)
