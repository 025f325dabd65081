"""Progress of long work: a live bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 15.0


class ProgressBar:
    """Context that shows how far a piece of work has come, at what speed, and the time left.

    Args:
        title: What is being done.
        total: Units of work altogether.
        done: Units done before, which the speed leaves out.
        unit: Plural name of a unit.
        show: Whether to show anything at all.
    """

    def __init__(
        self, title: str, *, total: int, done: int = 0, unit: str = "items", show: bool = True
    ) -> None:
        self._title, self._total, self._done, self._unit = title, total, done, unit
        self._console = Console(stderr=True, quiet=not show, highlight=False)
        self._first = done
        self._began = self._last_line = time.monotonic()
        self._live: Progress | None = None
        if self._console.is_terminal:
            self._live = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(compact=True),
                console=self._console,
            )
            self._bar = self._live.add_task(title, total=total, completed=done, note="")

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()
        elif self._done > self._first:
            self._print_line("")

    def update(self, done: int, note: str = "") -> None:
        """Tell that ``done`` units are finished; ``note`` stands beside the speed."""
        self._done = done
        text = f"{self._speed():.3g} {self._unit}/s  {note}".rstrip()
        if self._live:
            self._live.update(self._bar, completed=done, note=text)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._print_line(note)

    def set(self, done: int, total: int) -> None:
        """As ``update``, for work whose size shows only once it has begun."""
        self._total = total
        if self._live:
            self._live.update(self._bar, total=total)
        self.update(done)

    def say(self, text: str) -> None:
        """Print a line without disturbing the bar."""
        (self._live.console if self._live else self._console).print(text, markup=False)

    def _speed(self) -> float:
        seconds = max(time.monotonic() - self._began, 1e-6)
        return (self._done - self._first) / seconds

    def _print_line(self, note: str) -> None:
        self._last_line = time.monotonic()
        left_s = (self._total - self._done) / max(self._speed(), 1e-9)
        left = f"{left_s / 60:.0f} min left" if self._done < self._total else "done"
        self.say(
            f"{self._title}: {self._done}/{self._total}  {self._speed():.3g} {self._unit}/s  "
            f"{left}  {note}".rstrip()
        )
