"""``endofm data pack``: videos into the tar shards of a clip store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import PositiveInt
from tyro.conf import Positional

from endofm.cli.arguments import parse
from endofm.config import Settings, Share
from endofm.data.excluding import without_excluded
from endofm.data.manifests import Scan, scan, write_skipped
from endofm.data.packing_folder import SKIPPED, PackingFolder
from endofm.data.shard_writer import pack_videos
from endofm.errors import DataError
from endofm.progress import ProgressBar


class Arguments(Settings):
    """Pack videos into tar shards (WebDataset), for disks and servers that dislike many files.

    The files are copied as they are; a second run goes on where the first was interrupted.
    """

    source: Annotated[Positional[Path], tyro.conf.arg(metavar="FROM")]
    """Folder of videos, a single video, or a clip list (.csv)."""
    to: Path
    """A new or empty folder; shards, index and skipped.csv are written there and nowhere else."""
    shard_mb: PositiveInt = 1000
    """Size of a shard at most, in MB (1e6 bytes)."""
    max_skipped_share: Share = 0.1
    """Refuse to pack when more than this share of the videos cannot be used."""
    exclude: tuple[Path, ...] = ()
    """Lists of videos to leave out, as endofm data audit writes them."""
    num_workers: PositiveInt = 4
    """Threads that check videos."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm data pack")
    source, to = arguments.source, arguments.to
    PackingFolder(to).refuse_if_finished()
    found = _scan(arguments)
    with (
        _telling_what_is_kept(to),
        ProgressBar("packing", total=len(found.videos), unit="videos") as bar,
    ):
        index = pack_videos(
            found.videos,
            to,
            root=source if source.is_dir() else source.parent,
            shard_bytes=arguments.shard_mb * 1_000_000,
            progress=bar.set,
        )
        write_skipped(to / SKIPPED, found.skipped)
    skipped = f", {len(found.skipped)} left out ({to / SKIPPED})" if found.skipped else ""
    print(
        f"{to}: {len(index)} videos in {len(index.shards)} shards{skipped}; "
        f"train on them with: endofm pretrain --data {to}"
    )


def _scan(arguments: Arguments) -> Scan:
    with ProgressBar("checking videos", total=0, unit="videos") as bar:
        found = scan(
            [arguments.source],
            min_frames=1,  # how many are enough is for the training to say
            num_workers=arguments.num_workers,
            progress=bar.set,
        )
    num_skipped = len(found.skipped)
    num_videos = num_skipped + len(found.videos)
    if not num_videos:
        raise DataError(f"{arguments.source}: lists no video", "name another list or folder")
    if not found.videos or num_skipped > arguments.max_skipped_share * num_videos:
        raise DataError(
            f"{num_skipped} of {num_videos} videos cannot be used; "
            f"the first: {found.skipped[0].reason}",
            f"mend or remove them, or raise --max-skipped-share above "
            f"{arguments.max_skipped_share:g}",
        )
    if not arguments.exclude:
        return found
    videos, num_excluded = without_excluded(found.videos, arguments.exclude)
    print(f"left out: {num_excluded} of {len(found.videos)} videos, as --exclude says")
    return Scan(videos, found.skipped)


@contextmanager
def _telling_what_is_kept(to: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        num_shards = len(list(to.glob("*.tar")))
        raise KeyboardInterrupt(
            f"{num_shards} finished shards are kept in {to}; go on with the same command"
        ) from None
