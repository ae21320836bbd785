"""Which group people belong to: a CSV file with a column of persons and one or several that they are grouped by."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facerec_cli.errors import GroupsError

PERSON = "person"
"""The header of the column of persons."""
MOST_GROUPS = 50
"""Of a column: one with more is taken for something else than groups."""
_REMEDY = "give a CSV file with the header person,group"
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Groups:
    """People's groups.

    Attributes:
        path: the file that they come from.
        persons: who is in it, as it writes them.
        columns: each column's name with its persons' groups; persons without one are absent.
    """

    path: Path
    persons: list[str]
    columns: dict[str, dict[str, str]]

    def among(self, people: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
        """The columns with the groups of some people, under their own names, and which persons are none of these.

        Raises:
            GroupsError: none of the people has a group.
        """
        known = {_composed(person): person for person in people}
        columns = {
            column: {known[person]: group for person, group in group_of.items() if person in known}
            for column, group_of in self.columns.items()
        }
        if not any(columns.values()):
            raise _refused(self.path, "none of its persons with a group is in the data", "write them as in the data")
        return columns, [person for person in self.persons if person not in known]


def read_groups(path: Path) -> Groups:
    """Read people's groups: every column but ``person`` is one that they are grouped by.

    Columns may come in any order, separated by commas, semicolons or tabs as in the header; an empty cell is no group.
    A person may come again with the same groups.

    Args:
        path: the file, UTF-8.

    Raises:
        GroupsError: the file cannot be read, is no such table, or has one person in two groups of a column.
    """
    header, rows = _table(path)
    place = header.index(PERSON)
    columns: dict[str, dict[str, str]] = {name: {} for name in header if name != PERSON}
    persons: dict[str, None] = {}
    for number, cells in rows:
        if len(cells) != len(header):
            told = f"line {number:,} has {_cells(len(cells))} where the header has {_cells(len(header))}"
            raise _refused(path, told)
        person = _composed(cells[place])
        if not person:
            raise _refused(path, f"line {number:,} names no person")
        persons[person] = None
        for column, group in zip(header, cells, strict=True):
            if column == PERSON or not group:
                continue
            before = columns[column].setdefault(person, group)
            if before != group:
                told = f"line {number:,} has {person} in {group}, and a line before in {before}"
                raise _refused(path, told, "give each person one group of a column")
    for column, group_of in columns.items():
        groups = len(set(group_of.values()))
        if groups > MOST_GROUPS:
            told = f"its column {column} has {groups:,} groups, more than {MOST_GROUPS}"
            raise _refused(path, told, "take the column out, or make fewer of them")
    return Groups(path, list(persons), columns)


def _composed(person: str) -> str:
    """A name in the one way of several in which systems may write its letters."""
    return unicodedata.normalize("NFC", person)


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and the other lines that are not empty by their number."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _refused(path, error.strerror or str(error), "check its path and permissions") from error
    except UnicodeDecodeError as error:
        raise _refused(path, "it is not in UTF-8", "save it as CSV in UTF-8") from error
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
        rows = [(number, cells) for number, cells in rows if any(cells)]
    except csv.Error as error:
        raise _refused(path, f"line {reader.line_num:,} is no CSV ({error})") from error
    if not rows:
        raise _refused(path, "it is empty")
    header = [PERSON if cell.lower() == PERSON else cell for cell in rows[0][1]]
    if PERSON not in header:
        raise _refused(path, f"its header has no column {PERSON}, but {', '.join(filter(None, header))[:80]}")
    if len(header) < 2:
        raise _refused(path, f"its header has no column beside {PERSON}")
    if "" in header or len(set(header)) < len(header):
        raise _refused(path, "its header has two columns of one name, or one without a name")
    return header, rows[1:]


def _cells(number: int) -> str:
    return "one cell" if number == 1 else f"{number} cells"


def _refused(path: Path, problem: str, remedy: str = _REMEDY) -> GroupsError:
    return GroupsError(f"The groups cannot be read from {path}, {problem}", remedy)
