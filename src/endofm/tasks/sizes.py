"""Checks of sizes that save a user hours: told before anything is read."""

from __future__ import annotations

from endofm.errors import ConfigError
from endofm.models.timesformer import PATCH_PX


def check_frame_size(option: str, size_px: int) -> None:
    """Raise ``ConfigError`` for frames that do not split into patches."""
    if size_px % PATCH_PX:
        nearest = max(PATCH_PX, round(size_px / PATCH_PX) * PATCH_PX)
        raise ConfigError(f"{option} {size_px} is no multiple of {PATCH_PX}", f"use {nearest}")


def check_batch_size(batch_size: int, *, accumulate: int, num_processes: int) -> None:
    """Raise ``ConfigError`` for a batch that processes and micro-batches cannot share evenly."""
    parts = num_processes * accumulate
    if batch_size % parts:
        raise ConfigError(
            f"--batch-size {batch_size} does not divide into {num_processes} processes "
            f"x {accumulate} micro-batches",
            f"use a multiple of {parts}",
        )
