"""A table for people, written a page at a time: the first page sets the widths, and what comes later keeps to them."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facerec_cli.cli.streams import shown, styled, write

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]
PAGE = 100
"""Rows that are looked at before the first is written."""
_GAP = "  "
_WHOLE = {"box", "time", "position"}
"""Columns of text that are never folded."""
_UNKNOWN = re.compile(r"unknown( \d+)?")
_NARROWEST = 8
"""Cells of a terminal below which no column of text is squeezed."""


class Table:
    """Rows below headings. On a terminal they fold to its width; elsewhere they are as wide as they need to be."""

    def __init__(
        self, columns: Sequence[str], worded: Callable[[str, Any], str], least: Mapping[str, int] | None = None
    ) -> None:
        """Begin.

        Args:
            columns: the keys of the rows, in order.
            worded: a column's value for people.
            least: cells of columns of which little is known beforehand: then each row is written as it comes.
        """
        self._columns = columns
        self._least = least or {}
        self._page_size = 1 if least else PAGE
        self._worded = worded
        self._page: list[Row] = []
        self._widths: list[int] = []
        self._numeric: list[bool] = []
        self._folds: list[bool] = []
        self._room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def add(self, row: Row) -> None:
        """One more row of plain values."""
        self._page.append(row)
        if len(self._page) == self._page_size:
            self._write_page()

    def end(self, caption: str | None) -> None:
        """Write what is left, and a line below; nothing where there is no row."""
        if self._page:
            self._write_page()
        if self._widths and caption:
            write(styled(shown(caption), sys.stdout, dim=True) + "\n")

    def _write_page(self) -> None:
        cells = [[self._cell(column, row[column]) for column in self._columns] for row in self._page]
        written = []
        if not self._widths:
            headings = [shown(column) for column in self._columns]
            self._set_widths([headings, *cells])
            written += [styled(line, sys.stdout, bold=True) for line in self._lines(headings)]
        for row, line in zip(self._page, cells, strict=True):
            folded = self._lines(line)
            is_unknown = _UNKNOWN.fullmatch(row.get("name") or "")
            written += (styled(part, sys.stdout, fg="yellow") for part in folded) if is_unknown else folded
        self._page.clear()
        write("\n".join(written) + "\n")

    def _cell(self, column: str, value: Any) -> str:
        text = shown(self._worded(column, value))
        if column == "photo" and self._room and len(text) > self._room // 4:
            return f"…/{Path(text).name}"
        return text

    def _set_widths(self, lines: Sequence[Sequence[str]]) -> None:
        numeric = [any(isinstance(row[column], int | float) for row in self._page) for column in self._columns]
        self._numeric = numeric
        self._folds = [
            not number and column not in _WHOLE for number, column in zip(numeric, self._columns, strict=True)
        ]
        least = [self._least.get(column, 0) for column in self._columns]
        wanted = [max(few, *map(_width, column)) for few, column in zip(least, zip(*lines, strict=True), strict=True)]
        self._widths = self._squeezed(wanted, [min(width, _NARROWEST) for width in wanted])

    def _squeezed(self, wanted: Sequence[int], least: Sequence[int]) -> list[int]:
        """Widths that fit a terminal, as far as columns that fold can be squeezed."""
        widths = list(wanted)
        while self._room and sum(widths) + len(_GAP) * (len(widths) - 1) > self._room:
            places = [place for place, width in enumerate(widths) if self._folds[place] and width > least[place]]
            if not places:
                break
            widths[max(places, key=widths.__getitem__)] -= 1
        return widths

    def _lines(self, cells: Sequence[str]) -> Iterator[str]:
        """A row: one line, or several where a terminal has no room for that."""
        line = self._line(cells, self._widths)
        if not self._room or _width(line) <= self._room:
            yield line
            return
        wanted = [max(width, _width(cell)) for width, cell in zip(self._widths, cells, strict=True)]
        widths = self._squeezed(wanted, self._widths)
        folded = [
            _fold(cell, width) if folds else [cell]
            for cell, width, folds in zip(cells, widths, self._folds, strict=True)
        ]
        yield from (self._line(parts, widths) for parts in zip_longest(*folded, fillvalue=""))

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        padded = []
        for cell, width, numeric in zip(cells, widths, self._numeric, strict=True):
            space = " " * (width - _width(cell))
            padded.append(space + cell if numeric and self._room else cell + space)
        return _GAP.join(padded).rstrip()


def _fold(text: str, width: int) -> list[str]:
    from rich.text import Text

    return [line.plain.rstrip() for line in Text(text).wrap(_console(), width, overflow="fold")]


@cache
def _console() -> Console:
    from rich.console import Console

    return Console()


def _width(text: str) -> int:
    """The cells that a terminal gives a text: two for East Asian wide letters, none for marks over others."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(letter) in _WIDTHLESS else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


_WIDTHLESS = {"Mn", "Me", "Cf"}
