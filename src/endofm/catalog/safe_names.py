"""Names for files from names that strangers chose."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

MAX_CHARS = 80
"""Of one part of a path: with a suffix it stays below what file systems take, in any script."""

_UNSAFE = re.compile(r"[^\w.\-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_names(names: Sequence[str]) -> list[str]:
    """A path for each name, relative, unique whatever the case of letters, and fit for any system.

    Letters of all scripts stay; blanks, line breaks and signs become ``_``. What had to be changed
    more, and what differs from another by case alone, ends in eight digits of its SHA-256.
    """
    plain = ["/".join(_part(part) for part in name.split("/") if part) or "_" for name in names]
    times: dict[str, int] = {}
    for path in plain:
        times[path.casefold()] = times.get(path.casefold(), 0) + 1
    return [
        path if times[path.casefold()] == 1 else f"{path}-{_digest(name)}"
        for name, path in zip(names, plain, strict=True)
    ]


def _part(part: str) -> str:
    safe = _UNSAFE.sub("_", part).strip("._") or "_"
    if len(safe.encode()) > MAX_CHARS or _RESERVED.fullmatch(safe):
        safe = f"{safe.encode()[:MAX_CHARS].decode(errors='ignore')}-{_digest(part)}"
    return safe


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:8]
