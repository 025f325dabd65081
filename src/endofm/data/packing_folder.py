"""The folder that videos are packed into: whose it is, and what an interruption has left there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from endofm.data.shard_index import INDEX
from endofm.errors import DataError
from endofm.files import write_text

SKIPPED = "skipped.csv"
"""The videos that were left out, and why."""

_PLAN = ".packing.json"


class PackingFolder:
    """A folder that becomes a clip store.

    While packing goes on it holds a note of what is packed, from which the next attempt sees that
    it may go on.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def claim(self, plan: Sequence[tuple[Path, str]], *, shard_bytes: int) -> None:
        """Take the folder for a packing, or go on with the one that was interrupted.

        Args:
            plan: Each video's file and what the store is to say of it.
            shard_bytes: Size of a shard at most.

        Raises:
            DataError: It holds a finished store, another packing, or something else.
        """
        self.refuse_if_finished()
        note = json.dumps({"sha256": _fingerprint(plan, shard_bytes)})
        kept = self.path / _PLAN
        if kept.exists():
            if kept.read_text(encoding="utf-8", errors="replace") != note:
                raise DataError(
                    f"{self.path}: holds the beginning of another packing, or the videos have "
                    "changed since",
                    "name another --to, or remove that folder",
                )
        elif self.path.exists() and (not self.path.is_dir() or self._others()):
            raise DataError(f"{self.path}: is not an empty folder", "name another --to")
        else:
            write_text(kept, note)
        for draft in self.path.glob(".shard-*.part.tar"):  # of a packing that was killed
            draft.unlink(missing_ok=True)

    def refuse_if_finished(self) -> None:
        """Raise ``DataError`` where a store is complete."""
        is_begun = (self.path / _PLAN).exists()  # and was killed just before its end
        if (self.path / INDEX).exists() and not is_begun:
            raise DataError(
                f"{self.path}: holds a finished clip store", "use it, or name another --to"
            )

    def refuse_if_indexed(self, *, overwrite: bool) -> None:
        """Raise ``DataError`` where the shards of others are not to be indexed (anew)."""
        if (self.path / _PLAN).exists():
            raise DataError(
                f"{self.path}: holds a packing that was interrupted",
                "go on with the same endofm data pack",
            )
        if (self.path / INDEX).exists() and not overwrite:
            raise DataError(f"{self.path}: holds an index", "use it, or add --overwrite")

    def finish(self) -> None:
        """Leave nothing but the store."""
        (self.path / _PLAN).unlink()

    def _others(self) -> list[Path]:
        return [
            item
            for item in self.path.iterdir()
            if item.name != SKIPPED and not item.name.startswith(".")
        ]


def _fingerprint(plan: Sequence[tuple[Path, str]], shard_bytes: int) -> str:
    digest = hashlib.sha256(str(shard_bytes).encode())
    for path, facts in plan:
        status = path.stat()
        digest.update(f"{status.st_size} {status.st_mtime_ns} {facts}\n".encode())
    return digest.hexdigest()
