"""The page of a data set's problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from endofm.files import write_text
from endofm.report.html import page_environment

MAX_ROWS = 1000

Row = tuple[str, str, str, str, str]
"""Kind, ``error`` or ``note``, where, what, cure."""


def write_check_page(
    page: Path, *, root: Path, counts: Mapping[str, int], rows: Sequence[Row]
) -> Path:
    """Write one self-contained page: what was looked at, and every problem, errors first.

    Args:
        page: To write.
        root: What was looked at.
        counts: How many of what.
        rows: The problems.
    """
    ordered = sorted(rows, key=lambda row: (row[1] != "error", row[0]))
    text = (
        page_environment()
        .get_template("check.html")
        .render(
            root=str(root),
            counts=counts,
            kinds=Counter((row[0], row[1]) for row in ordered),
            num_errors=sum(row[1] == "error" for row in rows),
            rows=ordered[:MAX_ROWS],
            num_more=max(len(rows) - MAX_ROWS, 0),
        )
    )
    write_text(page, text)
    return page
