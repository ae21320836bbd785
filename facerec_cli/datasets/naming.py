"""The file in which people name groups of faces: CSV with the columns group, face and name.

A row with a group and a name names that group; groups of one name are one. A row with a face takes it out of its group:
to those of the name, or where there is none, to itself. A group without a name is passed over. So is a face without one
where there is a column photo: that is the list of all faces, which ``facerec cluster --format csv`` writes, filled in.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from facerec_cli.errors import NamesError
from facerec_cli.files import refusal

_COLUMNS = ("group", "face", "name")
_MOST_BYTES = 50_000_000


@dataclass(frozen=True)
class Names:
    """What such a file says: names of groups, and the faces that are taken out, with the name they get, if any."""

    groups: dict[int, str] = field(default_factory=dict)
    apart: dict[int, str | None] = field(default_factory=dict)


def read_names(path: Path) -> Names:
    """Read a file of names, in UTF-8 with or without a byte-order mark.

    Raises:
        NamesError: it cannot be read, or is none.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise NamesError(f"{path} is too large to be a list of names", "save the names anew")
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            # What spreadsheets write, by the language of their system.
            delimiter = next((one for one in ",;\t" if one in header), ",")
            return _names(path, csv.DictReader(file, delimiter=delimiter))
    except OSError as error:
        reason, remedy = refusal(error)
        raise NamesError(f"{path} cannot be read, {reason}", remedy) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise NamesError(f"{path} is no CSV in UTF-8 ({error})", "save the names anew") from error


def _names(path: Path, rows: csv.DictReader[str]) -> Names:
    if not {"group", "name"} <= set(rows.fieldnames or ()):
        raise NamesError(f"{path} has no columns {', '.join(_COLUMNS)}", "save the names anew")
    is_list = "photo" in (rows.fieldnames or ())
    names = Names()
    for row in rows:
        name = (row["name"] or "").strip()
        face, group = (_number(path, rows.line_num, row.get(column)) for column in ("face", "group"))
        if face is not None:
            if name or not is_list:
                names.apart[face] = name or None
        elif group is not None and name:
            names.groups[group] = name
    return names


def _number(path: Path, line: int, text: str | None) -> int | None:
    """A cell's number; None of an empty one."""
    if not text or not text.strip():
        return None
    if not text.strip().isdecimal() or len(text) > 18:
        raise NamesError(f"{path} has {text[:30]!r} in line {line}, which is no number", "save the names anew")
    return int(text)


def cleaned(names: Names, clean: Iterable[tuple[str, str]]) -> Names:
    """The same with other spellings, given as pairs of what is written and what it is."""
    spelt = dict(clean)
    return Names(
        {group: spelt[name] for group, name in names.groups.items()},
        {face: spelt[name] if name else None for face, name in names.apart.items()},
    )
