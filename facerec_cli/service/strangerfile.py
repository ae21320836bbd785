"""Where remembered strangers are kept: an SQLite file in the database's folder, with the folder's permissions.

SQLite's rollback journal makes each change whole or not at all, whatever kills the service; unlike a write-ahead log it
goes with the change, so that what is forgotten is in no file afterwards.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facerec_cli.errors import DamagedDatabaseError, DatabaseError, DatabaseRefusedError
from facerec_cli.files import refusal
from facerec_cli.gallery.place import STRANGERS

_FORMAT = 1
_PATIENCE = 10.0
"""Seconds that are waited for another process at work in the file."""
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


class StrangerFile:
    """The file; may be shared by threads."""

    def __init__(self, folder: Path, begin: Callable[[sqlite3.Connection], None]) -> None:
        """Open it, or make it where it is not there.

        Args:
            folder: the database's.
            begin: called at the beginning of each change: what is always done first.

        Raises:
            DatabaseError: it cannot be opened, is damaged, or of a newer format.
        """
        self._path = folder / STRANGERS
        self._begin = begin
        self._lock = threading.Lock()
        with self._telling():
            if self._path.is_symlink():
                raise DatabaseRefusedError(f"{self._path} is a link", "put the file itself there")
            with suppress(FileExistsError):
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
                os.close(os.open(self._path, flags, folder.stat().st_mode & 0o666))
            self._connection = sqlite3.connect(
                self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            # What is deleted is overwritten with zeros, and the file shrinks.
            for setting in ("secure_delete = ON", "auto_vacuum = FULL", "trusted_schema = OFF"):
                self._connection.execute(f"PRAGMA {setting}")
        try:
            self._prepare()
        except DatabaseError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        with self._telling(), self._transaction() as db:
            (found,) = db.execute("PRAGMA user_version").fetchone()
            if found > _FORMAT:
                raise DatabaseError(f"{self._path} was made by a newer facerec", "update facerec")
            if not found:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_FORMAT}")

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A look or a change that is there as a whole, and on the disk, when the block ends; not at all if it raises.

        Raises:
            DatabaseError: the file cannot be read or written, or is damaged.
        """
        with self._telling(), self._transaction() as db:
            self._begin(db)
            yield db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what SQLite and the disk refuse into words."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise DatabaseRefusedError(f"{self._path} cannot be read or written ({error})", "check the disk") from error
        except sqlite3.Error as error:
            problem = f"{self._path} is damaged ({error})"
            raise DamagedDatabaseError(problem, "delete it: those in it are then forgotten") from error
        except OSError as error:
            reason, remedy = refusal(error)
            raise DatabaseRefusedError(f"{self._path} cannot be opened, {reason}", remedy) from error

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._connection.close()
