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
from facerec_cli.words import percent

if TYPE_CHECKING:
    pass

_FORMULAS = tuple("=+-@\t\r\n＝＋－＠")
"""What makes spreadsheets take a cell for a formula (OWASP, CSV injection)."""


class Results:
    """Writes a command's results in the format that the user chose; use as a context manager.

    A result is one object for JSON, and one row or several for the table and CSV. Each is written as it comes, of a
    table each page, unless rows are to be seen one by one. Names and paths: a table shows control characters escaped;
    JSON holds each exactly, in its own escapes; so does CSV, but for an apostrophe before text that a spreadsheet would
    run as a formula.
    """

    def __init__(self, output_format: str, columns: Sequence[str], *, least: Mapping[str, int] | None = None) -> None:
        """Begin.

        Args:
            output_format: ``table``, ``json`` or ``csv``.
            columns: the keys of the rows, in order.
            least: cells of a table's columns, where rows are to be seen one by one; see ``Table``.
        """
        self.format = output_format
        self.columns = columns
        self._caption: str | None = None
        self._table = Table(columns, _worded, least)
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
