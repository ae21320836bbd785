"""Where remembered strangers are kept: an SQLite file in the folder beside the gallery, with its permissions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from facerec_cli.errors import DamagedDatabaseError, DatabaseError, DatabaseRefusedError
from facerec_cli.files import refusal
from facerec_cli.gallery.place import STRANGERS
from facerec_cli.tables import Kind, TableFile

_SCHEMA = """
CREATE TABLE groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL, mean BLOB NOT NULL, seen INTEGER NOT NULL,
    first REAL NOT NULL, last REAL NOT NULL
);
CREATE TABLE faces (
    id INTEGER PRIMARY KEY AUTOINCREMENT, "group" INTEGER NOT NULL, sha256 TEXT NOT NULL, source TEXT NOT NULL,
    seen REAL NOT NULL, quality REAL NOT NULL, score REAL NOT NULL, chip BLOB NOT NULL, embedding BLOB NOT NULL,
    UNIQUE ("group", sha256)
);
CREATE INDEX faces_sha256 ON faces (sha256);
CREATE INDEX faces_seen ON faces (seen);
CREATE TABLE sightings (
    person INTEGER NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, seen REAL NOT NULL, quality REAL NOT NULL
);
CREATE INDEX sightings_person ON sightings (person);
CREATE INDEX sightings_seen ON sightings (seen);
"""
"""A group's ``mean`` is of its faces' embeddings, and ``seen`` is how many they are. Times are Unix seconds; arrays are
float32, least byte first."""
_KIND = Kind(
    format=1,
    schema=_SCHEMA,
    # What is deleted is overwritten with zeros, and the file shrinks.
    settings=("secure_delete = ON", "auto_vacuum = FULL"),
    newer=DatabaseError,
    refused=DatabaseRefusedError,
    damaged=DamagedDatabaseError,
    loss="delete it: those in it are then forgotten",
)


class StrangerFile:
    """The file; may be shared by threads."""

    def __init__(self, folder: Path, begin: Callable[[sqlite3.Connection], None]) -> None:
        """Open it, or make it where it is not there.

        Args:
            folder: of the file; made where it is not there, for its user alone.
            begin: called at the beginning of each change: what is always done first.

        Raises:
            DatabaseError: it cannot be opened, is damaged, or of a newer format.
        """
        self._begin = begin
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = folder.stat().st_mode & 0o666
        except OSError as error:
            reason, remedy = refusal(error)
            raise DatabaseRefusedError(f"{folder} cannot be opened, {reason}", remedy) from error
        self._file = TableFile(folder / STRANGERS, mode, _KIND)

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A look or a change that is there as a whole, and on the disk, when the block ends; not at all if it raises.

        Raises:
            DatabaseError: the file cannot be read or written, or is damaged.
        """
        with self._file.changing() as db:
            self._begin(db)
            yield db

    def close(self) -> None:
        """Close it."""
        self._file.close()
