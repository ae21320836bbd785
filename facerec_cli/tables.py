"""SQLite files that hold what is private: whole changes or none, readable for whom the file's permissions say.

SQLite's rollback journal makes each change whole or not at all, whatever kills the program; unlike a write-ahead log it
goes with the change, so that what is deleted is in no file afterwards.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from facerec_cli.errors import FacerecError
from facerec_cli.files import refusal

_PATIENCE = 10.0
"""Seconds that are waited for another process at work in the file."""


@dataclass(frozen=True)
class Kind:
    """What is kept in a file, and how its troubles are told.

    Attributes:
        format: counts up when the schema changes.
        schema: the statements that make an empty file.
        settings: pragmas that every connection needs.
        newer: the error of a file that a newer facerec made.
        refused: the error of a file that the disk or the system refuses.
        damaged: the error of a file that is damaged.
        loss: what to do about a damaged one, as a clause.
    """

    format: int
    schema: str
    settings: Sequence[str]
    newer: type[FacerecError]
    refused: type[FacerecError]
    damaged: type[FacerecError]
    loss: str


class TableFile:
    """A file of tables; may be shared by threads, and by processes that have it open too.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path, mode: int, kind: Kind) -> None:
        """Open it, or make it where it is not there.

        Args:
            path: where it is; its folder is there.
            mode: permissions of a new one.
            kind: what it holds.

        Raises:
            FacerecError: of a class of the kind's: it cannot be opened, is damaged, or of a newer format.
        """
        self.path, self._kind = path, kind
        self._lock = threading.Lock()
        with self._telling():
            if path.is_symlink():
                raise kind.refused(f"{path} is a link", "put the file itself there")
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode))
            self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except FacerecError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        with self._telling():
            for setting in (*self._kind.settings, "trusted_schema = OFF"):
                self._connection.execute(f"PRAGMA {setting}")
            with self._transaction("BEGIN") as db:
                (found,) = db.execute("PRAGMA user_version").fetchone()
            if found > self._kind.format:
                raise self._kind.newer(f"{self.path} was made by a newer facerec", "update facerec")
            if found:
                return
            with self._transaction("BEGIN IMMEDIATE") as db:
                (found,) = db.execute("PRAGMA user_version").fetchone()
                if not found:  # nobody else has made it meanwhile
                    for statement in self._kind.schema.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {self._kind.format}")

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A change that is there as a whole, and on the disk, when the block ends; not at all if it raises.

        Raises:
            FacerecError: of a class of the kind's: the file cannot be read or written, or is damaged.
        """
        with self._telling(), self._transaction("BEGIN IMMEDIATE") as db:
            yield db

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A look at the file as it is at one moment; errors as ``changing``."""
        with self._telling(), self._transaction("BEGIN") as db:
            yield db

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute(begin)
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
            problem = f"{self.path} cannot be read or written ({error})"
            raise self._kind.refused(problem, "check the disk", str(self.path)) from error
        except sqlite3.Error as error:
            raise self._kind.damaged(f"{self.path} is damaged ({error})", self._kind.loss, str(self.path)) from error
        except OSError as error:
            reason, remedy = refusal(error)
            raise self._kind.refused(f"{self.path} cannot be opened, {reason}", remedy, str(self.path)) from error

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._connection.close()
