"""What can be wrong with a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from endofm.errors import EndofmError


@dataclass(frozen=True)
class Problem:
    """One thing to mend."""

    kind: str
    """video, list, label, split, mask or box."""
    where: str
    what: str
    cure: str
    is_error: bool = True
    """False for what may be meant so."""

    @classmethod
    def of(cls, error: EndofmError, kind: str, where: Path) -> Self:
        """From an error that a reader raised about a file."""
        message = " ".join(error.message.split())
        for name in (f"{where}: ", f"{where} "):
            message = message.removeprefix(name)
        return cls(kind, str(where), message, " ".join(error.hint.split()))
