"""What people and programs see: results to stdout as table, JSON or CSV; everything else to stderr."""

from __future__ import annotations

import csv
import json
import sys
import time
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from facerec_cli.threshold import Threshold

Row = Mapping[str, Any]


class Results:
    """Writes a command's results in the format that the user chose; use as a context manager.

    A result is one object for JSON, and one row or several for the table and CSV.
    """

    def __init__(self, output_format: str, columns: Sequence[str]) -> None:
        """Begin.

        Args:
            output_format: ``table``, ``json`` or ``csv``.
            columns: the keys of the rows, in order.
        """
        self.format = output_format
        self.columns = columns
        self._rows: list[Row] = []
        self._caption: str | None = None
        self._csv = csv.DictWriter(_Echo(), columns, lineterminator="\n") if output_format == "csv" else None
        if self._csv:
            self._csv.writeheader()

    def __enter__(self) -> Results:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print the table, also of what there is when the work was stopped."""
        if self.format == "table" and self._rows:
            self._print_table()

    def add(self, record: Mapping[str, Any], rows: Sequence[Row] | None = None) -> None:
        """Write one result.

        Args:
            record: for JSON.
            rows: for the table and CSV; by default the record itself.
        """
        rows = [record] if rows is None else rows
        if self.format == "json":
            click.echo(json.dumps(record, ensure_ascii=False))
        elif self._csv:
            self._csv.writerows(rows)
        else:
            self._rows += rows

    def caption(self, text: str) -> None:
        """A line below the table; people alone see it."""
        self._caption = text

    def _print_table(self) -> None:
        cells = [[_cell(column, row[column]) for column in self.columns] for row in self._rows]
        if sys.stdout.isatty():
            self._print_rich(cells)
        else:
            self._print_plain(cells)

    def _print_plain(self, cells: Sequence[Sequence[str]]) -> None:
        """Columns as wide as they need to be: nothing is folded or cut for want of a terminal."""
        lines = [list(self.columns), *cells]
        widths = [max(_width(line[place]) for line in lines) for place in range(len(self.columns))]
        for line in lines:
            padded = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
            click.echo("  ".join(padded).rstrip())
        if self._caption:
            click.echo(self._caption)

    def _print_rich(self, cells: Sequence[Sequence[str]]) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(highlight=False)
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        room = console.width // 4
        for column in self.columns:
            numeric = any(isinstance(row[column], int | float) for row in self._rows)
            table.add_column(
                column,
                justify="right" if numeric else "left",
                no_wrap=numeric or column == "box",
                overflow="fold",
            )
        for row, line in zip(self._rows, cells, strict=True):
            style = "yellow" if row.get("name") == "unknown" else ""
            shown = [
                f"…/{Path(cell).name}" if column == "photo" and len(cell) > room else cell
                for column, cell in zip(self.columns, line, strict=True)
            ]
            table.add_row(*(Text(cell, style=style) for cell in shown))
        console.print(table)
        if self._caption:
            console.print(Text(self._caption, style="dim"))


class Reporter:
    """Errors, warnings, progress and summaries, to stderr; use as a context manager.

    On a terminal a bar with rate and time left is shown; elsewhere there is none.
    """

    def __init__(self, title: str = "", total: int | None = None, *, output_format: str = "table") -> None:
        """Prepare.

        Args:
            title: what is being done.
            total: how many items, where that is known; a single one gets no bar.
            output_format: of the results; json and csv come while the work goes on, and a bar on the same terminal
                would run into them.
        """
        self._bar = total != 1 and sys.stderr.isatty() and (output_format == "table" or not sys.stdout.isatty())
        self.title = title
        self.total = total
        self.errors = 0
        self.done = 0
        self._started = time.monotonic()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Reporter:
        """Show the bar."""
        if self._bar:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._progress.start()
            self._task = self._progress.add_task(self.title, total=self.total, rate="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._progress:
            self._progress.stop()

    def advance(self) -> None:
        """One more item is done."""
        self.done += 1
        if self._progress and self._task is not None:
            self._progress.update(self._task, completed=self.done, rate=f"{self.rate:.1f}/s")

    def update(self, done: int, total: int) -> None:
        """So many items are done, of so many."""
        if self._progress and self._task is not None:
            self._progress.update(self._task, total=total)
        self.done = done - 1
        self.advance()

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return time.monotonic() - self._started

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.done / max(self.seconds, 1e-9)

    @property
    def status(self) -> int:
        """The exit status: 1 after an error."""
        return 1 if self.errors else 0

    def error(self, sentence: object) -> None:
        """Something could not be done; the rest goes on."""
        self.errors += 1
        self._say(f"Error: {sentence}", "red")

    def warn(self, sentence: object) -> None:
        """Something the user should know."""
        self._say(f"Warning: {sentence}", "yellow")

    def note(self, sentence: object) -> None:
        """A summary."""
        self._say(str(sentence), "")

    def _say(self, sentence: str, colour: str) -> None:
        if self._progress:
            from rich.text import Text

            self._progress.console.print(Text(sentence, style=colour), soft_wrap=True)
        else:
            click.secho(sentence, err=True, fg=colour or None)


def why(limit: Threshold, people: int) -> str:
    """The threshold in force, and where it comes from."""
    if limit.rate is None or limit.calibration is None:
        return f"A match is a distance of at most {limit.distance:.3f}, as given."
    about = limit.calibration.about
    to_whom = (
        f", calibrated to {count(about['people'], 'person')} enrolled ({about['when']})"
        if {"when", "people"} <= about.keys()
        else ""
    )
    return (
        f"A match is a distance of at most {limit.distance:.3f}, so that about {percent(limit.rate)} of strangers are "
        f"named: {count(people, 'person')} enrolled, {limit.comparisons:.4g} comparisons{to_whom}."
    )


def rounded(value: float, digits: int = 4) -> float:
    """A number as results show it."""
    return round(float(value), digits)


def probability(value: float | None) -> float | None:
    """A probability as results show it, or none of a model that is not calibrated."""
    return None if value is None else rounded(value)


def percent(rate: float) -> str:
    """A rate for people: 0.01 as ``1 %``."""
    return f"{rate * 100:.4g} %"


def count(number: int, noun: str) -> str:
    """A number of things: ``1 photo``, ``1,680 people``."""
    plural = {"person": "people"}.get(noun, f"{noun}s")
    return f"{number:,} {noun if number == 1 else plural}"


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        if column == "probability":
            return "> 99.9 %" if value > 0.999 else "< 0.1 %" if value < 0.001 else f"{value * 100:.1f} %"
        return percent(value) if column == "fmr" else f"{value:.3f}"
    return str(value)


def _width(text: str) -> int:
    """The cells that a terminal gives a text: two for East Asian wide letters, none for marks over others."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


class _Echo:
    """What csv needs of a file: rows go through click, which copes with closed pipes and odd terminals."""

    def write(self, text: str) -> None:
        click.echo(text, nl=False)
