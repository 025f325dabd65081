"""What has changed in a prepared set since it was prepared."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from endofm.catalog.prepare import PREPARED, SOURCES
from endofm.catalog.problems import Problem

_CURE = "prepare it again, unless it is meant so"


def changes(root: Path, *, every_clip: bool) -> Iterator[Problem]:
    """Lists, and clips if asked for, that are not those whose hashes ``prepare`` wrote.

    Args:
        root: Any set; of one that was not prepared nothing is known.
        every_clip: Read all clips as well.
    """
    try:
        hashes = json.loads((root / PREPARED).read_bytes())["sha256"]
        written = {str(name): str(value) for name, value in hashes.items()}
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        yield Problem("list", str(root / PREPARED), "is damaged", _CURE, is_error=False)
        return
    for name, value in written.items():
        if Path(name).name == name and _hash(root / name) != value:
            what = "has changed since the set was prepared"
            yield Problem("list", str(root / name), what, _CURE, is_error=False)
    if every_clip and _hash(root / SOURCES) == written.get(SOURCES):
        with (root / SOURCES).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            for row in csv.DictReader(file):
                if _hash(root / row["clip"]) != row["sha256"]:
                    what = "is not the clip that was prepared"
                    yield Problem("video", str(root / row["clip"]), what, _CURE)


def _hash(path: Path) -> str:
    """SHA-256 of a file; empty of one that is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
