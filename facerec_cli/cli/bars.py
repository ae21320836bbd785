"""How downloads look: a bar a file and one for all on a terminal, plain lines elsewhere; to stderr."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_EVERYTHING = "all"


class DownloadBars:
    """A ``Watcher`` for people; use as a context manager."""

    def __init__(self) -> None:
        """Prepare."""
        self._done: dict[str, int] = {}
        self._total: dict[str, int | None] = {}
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> DownloadBars:
        """Show the bars."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )

            columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self._progress = Progress(
                TextColumn("{task.description}"),
                *columns,
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bars away."""
        if self._progress:
            self._progress.stop()

    def started(self, name: str, done: int, total: int | None) -> None:
        self._done[name], self._total[name] = done, total
        if self._progress:
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name)
            self._progress.reset(self._tasks[name], total=total, completed=done)
            if len(self._tasks) > 1 and _EVERYTHING not in self._tasks:
                self._tasks[_EVERYTHING] = self._progress.add_task(_EVERYTHING)
            self._sum_up()
        elif total is not None:
            there = f", {done / 1e6:,.1f} MB of it already here" if done else ""
            self._say(f"{name}: {total / 1e6:,.1f} MB{there}")

    def advanced(self, name: str, count: int) -> None:
        before = self._done.get(name, 0)
        self._done[name] = before + count
        total = self._total.get(name)
        if self._progress:
            self._progress.advance(self._tasks[name], count)
            self._sum_up()
        elif total and before * 10 // total < self._done[name] * 10 // total < 10:
            self._say(f"{name}: {self._done[name] * 100 // total} %")

    def finished(self, name: str) -> None:
        if self._progress and name in self._tasks:
            self._progress.update(self._tasks[name], completed=self._total[name] or self._done[name])
        self._say(f"{name}: done")

    def noted(self, sentence: str) -> None:
        self._say(f"Warning: {sentence}")

    def _sum_up(self) -> None:
        if self._progress and _EVERYTHING in self._tasks:
            totals = [total for total in self._total.values() if total is not None]
            self._progress.update(
                self._tasks[_EVERYTHING], total=sum(totals), completed=min(sum(totals), sum(self._done.values()))
            )

    def _say(self, line: str) -> None:
        if self._progress:
            from rich.text import Text

            self._progress.console.print(Text(line), soft_wrap=True)
        else:
            click.echo(line, err=True)
