"""Groups of faces that an index keeps: a face is in one group at most, and ids are never used twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facerec_cli.datasets.collection import Collection, key_of
from facerec_cli.errors import NamesError
from facerec_cli.faces.quality import Quality, quality_score

_TOGETHER = 500
"""Ids that are looked up at once: SQLite takes 999 parameters."""


@dataclass(frozen=True)
class CollectedFace:
    """A face of a photo in an index, and the group that it is in.

    Attributes:
        id: stays while its photo is as it is, wherever it moves; never used twice.
        photo: its photo, as it was named.
        place: among the photo's faces.
        box: x, y, width, height, pixels of the upright photo.
        quality: its score, from 0 to 1; 0 of one whose alignment is doubtful.
        group: the group's id; None of a face in none.
        name: the group's, where it has one.
    """

    id: int
    photo: Path
    place: int
    box: tuple[float, float, float, float]
    quality: float
    group: int | None
    name: str | None


@dataclass(frozen=True, eq=False)
class CollectedChip:
    """A face's chip as JPEG, the SHA-256 of its photo, and the detector's confidence."""

    jpeg: bytes
    sha256: str
    score: float


class Groups:
    """The groups of an index; every method may raise ``CollectionError``."""

    def __init__(self, collection: Collection) -> None:
        """Of an index."""
        self._tables = collection.tables

    def faces(self, photos: Sequence[Path]) -> list[CollectedFace]:
        """The faces of photos, in their order, and of each largest first."""
        of = {key_of(photo): photo for photo in photos}
        with self._tables.reading() as db:
            found: dict[bytes, list[CollectedFace]] = {}
            for row in _by(db, _FACES, list(of)):
                found.setdefault(row["path"], []).append(_face(row, of[row["path"]]))
        return [face for key in of for face in sorted(found.get(key, ()), key=lambda face: face.place)]

    def chips(self, faces: Sequence[int]) -> dict[int, CollectedChip]:
        """The chips of faces, by the faces' ids."""
        with self._tables.reading() as db:
            return {
                row["face"]: CollectedChip(row["jpeg"], row["sha256"], row["score"]) for row in _by(db, _CHIPS, faces)
            }

    def join(self, members: Sequence[tuple[int | None, Sequence[int]]]) -> None:
        """Put faces that are in no group into one that is there, or, of None, into a new one."""
        if not members:
            return
        with self._tables.changing() as db:
            for group, faces in members:
                number = _new(db) if group is None else group
                db.executemany('INSERT OR IGNORE INTO grouped (face, "group") VALUES (?, ?)', _pairs(faces, number))
            _clear(db)

    def correct(self, names: Mapping[int, str], apart: Mapping[int, str | None]) -> None:
        """Take over what a user says: it stays so.

        Args:
            names: the names of groups; those of one name become one, which keeps the lowest id.
            apart: faces that are taken out of their groups: each into a new one, or to those of a name.

        Raises:
            NamesError: there is no such group or face.
        """
        with self._tables.changing() as db:
            for face, name in apart.items():
                if not db.execute("SELECT 1 FROM faces WHERE id = ?", [face]).fetchone():
                    raise NamesError(f"There is no face {face} in {self._tables.path}", "write the names anew")
                number = _new(db, name)
                db.execute('INSERT OR REPLACE INTO grouped (face, "group") VALUES (?, ?)', [face, number])
            for group, name in names.items():
                if not db.execute("UPDATE groups SET name = ? WHERE id = ?", [name, group]).rowcount:
                    raise NamesError(f"There is no group {group} in {self._tables.path}", "write the names anew")
            for name in {*names.values(), *filter(None, apart.values())}:
                first, *others = (
                    row["id"] for row in db.execute("SELECT id FROM groups WHERE name = ? ORDER BY id", [name])
                )
                for other in others:
                    db.execute('UPDATE grouped SET "group" = ? WHERE "group" = ?', [first, other])
            _clear(db)


_FACES = (
    'SELECT path, faces.*, "group", name FROM photos JOIN faces ON photo = photos.id'
    ' LEFT JOIN grouped ON face = faces.id LEFT JOIN groups ON groups.id = "group" WHERE path IN ({})'
)
_CHIPS = (
    "SELECT face, jpeg, sha256, score FROM chips JOIN faces ON face = faces.id JOIN photos ON photo = photos.id"
    " WHERE face IN ({})"
)


def _by(db: sqlite3.Connection, select: str, keys: Sequence[int] | Sequence[bytes]) -> Iterator[sqlite3.Row]:
    """The rows that a statement gives for keys, in no order."""
    for start in range(0, len(keys), _TOGETHER):
        some = keys[start : start + _TOGETHER]
        yield from db.execute(select.format(", ".join("?" * len(some))), some).fetchall()


def _face(row: sqlite3.Row, photo: Path) -> CollectedFace:
    x, y, width, height = np.frombuffer(row["box"], "<f8").tolist()
    score = quality_score(Quality(*np.frombuffer(row["quality"], "<f8").tolist()), row["score"])
    quality = 0.0 if row["doubtful"] else score
    return CollectedFace(row["id"], photo, row["number"], (x, y, width, height), quality, row["group"], row["name"])


def _new(db: sqlite3.Connection, name: str | None = None) -> int:
    return int(db.execute("INSERT INTO groups (name) VALUES (?)", [name]).lastrowid or 0)


def _pairs(faces: Sequence[int], group: int) -> list[tuple[int, int]]:
    return [(face, group) for face in faces]


def _clear(db: sqlite3.Connection) -> None:
    """Forget groups in which nobody is left."""
    db.execute('DELETE FROM groups WHERE id NOT IN (SELECT "group" FROM grouped)')
