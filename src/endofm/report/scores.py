"""A score with its interval, as an evaluation has written it and a table shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from endofm.report.reading import ProbeResult


@dataclass(frozen=True)
class ScoreRow:
    """One metric with its interval."""

    name: str
    result: ProbeResult
    share: bool
    """Is it to be written as a percentage?"""
    unit: str = ""
    """Of what is no share."""


def read_score(score: Mapping[str, Any]) -> ProbeResult:
    """One entry of ``scores``; ``null`` stands for what is undefined.

    Raises:
        ValueError: It is something else; or ``TypeError``, or ``KeyError``.
    """
    value, low, high = (
        math.nan if score[key] is None else float(score[key]) for key in ("value", "low", "high")
    )
    return ProbeResult(
        step=0,
        value=value,
        low=low,
        high=high,
        n=int(score["n"]),
        num_groups=int(score["num_groups"]),
        chance=math.nan,
        data_note="",
    )
