"""What people and programs see: results to stdout as table, JSON or CSV; everything else to stderr."""

from __future__ import annotations

import csv
import sys
from codecs import lookup
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from facerec_cli.cli.streams import shown, shown_json, write
from facerec_cli.cli.table import Row, Table
from facerec_cli.json_text import json_text

if TYPE_CHECKING:
    from facerec_cli.recognition.threshold import Threshold

_FORMULAS = tuple("=+-@\t\r\n＝＋－＠")
"""What makes spreadsheets take a cell for a formula (OWASP, CSV injection)."""


class Results:
    """Writes a command's results in the format that the user chose; use as a context manager.

    A result is one object for JSON, and one row or several for the table and CSV. Each is written as it comes, of a
    table each page. Names and paths: a table shows control characters escaped; JSON holds each exactly, in its own
    escapes; so does CSV, but for an apostrophe before text that a spreadsheet would run as a formula.
    """

    def __init__(self, output_format: str, columns: Sequence[str]) -> None:
        """Begin.

        Args:
            output_format: ``table``, ``json`` or ``csv``.
            columns: the keys of the rows, in order.
        """
        self.format = output_format
        self.columns = columns
        self._caption: str | None = None
        self._table = Table(columns, _worded)
        self._csv = csv.writer(_Output(), lineterminator="\r\n")
        self._on_terminal = sys.stdout.isatty()
        # An encoding that lacks letters gets them in JSON's escapes.
        self._ensure_ascii = lookup(sys.stdout.encoding or "utf-8").name != "utf-8"
        if output_format == "csv":
            self._csv.writerow(columns)

    def __enter__(self) -> Results:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left of the table, also when the work was stopped."""
        self._table.end(self._caption)

    def add(self, record: Mapping[str, Any], rows: Sequence[Row] | None = None) -> None:
        """Write one result.

        Args:
            record: for JSON.
            rows: for the table and CSV; by default the record itself.

        Raises:
            ValueError: a number is none (NaN), or infinite: JSON has no such numbers.
        """
        if self.format == "json":
            write(shown_json(json_text(record, ensure_ascii=self._ensure_ascii)) + "\n")
            return
        for row in [record] if rows is None else rows:
            if self.format == "csv":
                self._csv.writerow([self._csv_cell(row.get(column)) for column in self.columns])
            else:
                self._table.add(row)

    def caption(self, text: str) -> None:
        """A line below the table; people alone see it."""
        self._caption = text

    def _csv_cell(self, value: Any) -> Any:
        """A value as CSV holds it: text alone may be harmful, and -0.5 is a number."""
        if not isinstance(value, str):
            return value
        text = shown(value) if self._on_terminal else value
        return f"'{text}" if text.startswith(_FORMULAS) else text


def why(threshold: Threshold) -> str:
    """The threshold in force, and where it comes from."""
    if threshold.rate is None:
        return f"A match is a distance of at most {threshold.distance}, as given."
    alike = ""
    if threshold.distance < threshold.average:
        alike = f"; they are more alike than most, for whom it would be {threshold.average}"
    return (
        f"A match is a distance of at most {threshold.distance}, so that about {percent(threshold.rate)} of "
        f"strangers are named: it follows the {count(threshold.people, 'person')} enrolled, "
        f"{_comparisons(threshold.comparisons)}{alike}."
    )


def _comparisons(number: float) -> str:
    told = f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"
    return f"{told} comparison" + ("" if told == "1" else "s")


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


def _worded(column: str, value: Any) -> str:
    """A value as a table has it."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    if column == "probability":
        return "> 99.9 %" if value > 0.999 else "< 0.1 %" if value < 0.001 else f"{value * 100:.1f} %"
    if column == "fmr":
        return percent(value)
    # A distance, and a threshold, have more digits than three where they decide.
    return str(value) if column in ("distance", "threshold") and len(str(value)) > 5 else f"{value:.3f}"


class _Output:
    """What csv needs of a file. It quotes what its own line ends are made of: some readers' end at a return alone."""

    def write(self, text: str) -> None:
        write(text.removesuffix("\r\n") + "\n")
