"""What people and programs see: results to stdout as table, JSON or CSV; everything else to stderr."""

from __future__ import annotations

import csv
import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from facerec_cli.recognition.threshold import Threshold

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


def why(threshold: Threshold) -> str:
    """The threshold in force, and where it comes from."""
    if threshold.rate is None or threshold.calibration is None:
        return f"A match is a distance of at most {threshold.distance:.3f}, as given."
    source, to_whom = threshold.calibration.source, ""
    if source.kind == "gallery":
        to_whom = f", calibrated to {count(source.people, 'person')} enrolled ({source.date})"
    return (
        f"A match is a distance of at most {threshold.distance:.3f}, so that about {percent(threshold.rate)} of "
        f"strangers are named: {count(threshold.people, 'person')} enrolled, {threshold.comparisons:.4g} "
        f"comparisons{to_whom}."
    )


def percent(rate: float) -> str:
    """A rate for people: 0.01 as ``1 %``."""
    return f"{rate * 100:.4g} %"


def count(number: int, noun: str) -> str:
    """A number of things: ``1 photo``, ``1,680 people``."""
    plural = {"person": "people"}.get(noun, f"{noun}s")
    return f"{number:,} {noun if number == 1 else plural}"


def some(things: Sequence[object]) -> str:
    """The first few of many things."""
    return ", ".join(map(str, things[:5])) + (", …" if len(things) > 5 else "")


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
