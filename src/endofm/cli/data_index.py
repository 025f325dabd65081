"""``endofm data index``: make a clip store of tar shards that others have written."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from endofm.cli.arguments import parse
from endofm.config import Settings
from endofm.data.manifests import write_skipped
from endofm.data.packing_folder import SKIPPED, PackingFolder
from endofm.data.shard_index import INDEX
from endofm.data.tar_scan import index_shards
from endofm.progress import ProgressBar


class Arguments(Settings):
    """Index tar shards (WebDataset) of videos, so that endofm pretrain can read them.

    Every video is opened and its ends decoded; the shards stay as they are.
    """

    folder: Positional[Path]
    """Folder of the shards (.tar); the index and skipped.csv are written beside them."""
    overwrite: bool = False
    """Index anew where there is an index."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm data index")
    folder = arguments.folder
    PackingFolder(folder).refuse_if_indexed(overwrite=arguments.overwrite)
    with ProgressBar("indexing", total=0, unit="shards") as bar:
        found = index_shards(folder, progress=bar.set)
    write_skipped(folder / SKIPPED, found.skipped)
    found.index.write(folder / INDEX)
    skipped = f", {len(found.skipped)} left out ({folder / SKIPPED})" if found.skipped else ""
    print(
        f"{folder}: {len(found.index)} videos in {len(found.index.shards)} shards{skipped}; "
        f"train on them with: endofm pretrain --data {folder}"
    )
