"""Connections to a gallery's server, and what it refuses, in sentences.

As many connections as there are threads at work, opened when they are needed and kept for the next who asks: a command
that looks once opens one, no thread of ours waits in the background, and what the server says about a connection
reaches whoever asked for it.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar, cast

import psycopg
from pgvector.psycopg.vector import register_vector_info
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types import TypeInfo

from facerec_cli.errors import (
    DatabaseError,
    DatabaseRefusedError,
    NoSchemaError,
    NoServerDatabaseError,
    UncertainChangeError,
    UnreachableDatabaseError,
    UnusableLocationError,
)
from facerec_cli.gallery.postgres.location import Location
from facerec_cli.parallel import ordered_map

Cursor = psycopg.Cursor[tuple[Any, ...]]
Connection = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")
Item = TypeVar("Item")

# An error says all that psycopg would beside it, on the terminal.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

_MOST_CONNECTIONS = 16
_READERS = 4
"""Connections that read a large gallery together."""
_CONNECT_SECONDS = 10
_PATIENCE: Mapping[str, int] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""After a minute a server that a cable no longer leads to is lost; systems would wait for two hours."""
_TRIES = 5
"""Of a transaction that others get in the way of."""
_CONFLICTS = {"40001", "40P01"}
_READ_ONLY = {"25006"}
_LOST = {"57P01", "57P02", "57P03", "57P05"}
_PREPARE = """
select set_config('search_path', quote_ident(%s) || ', ' || coalesce((
           select quote_ident(nspname) from pg_extension
           join pg_namespace on pg_namespace.oid = extnamespace where extname = 'vector'
       ), 'public'), false),
       'vector', to_regtype('vector')::oid::bigint,
       (select typarray::bigint from pg_type where oid = to_regtype('vector'))
"""
_NUMBER = "select pg_current_xact_id_if_assigned()::text, pg_postmaster_start_time()"
_STATUS = "select case when pg_postmaster_start_time() = %s then pg_xact_status(%s::text::xid8) end"


class _LostAtCommitError(Exception):
    """The connection was lost between a transaction's end and the server's answer."""

    def __init__(self, number: str, began: datetime, result: object) -> None:
        """Remember the transaction's number, since when its server runs, and what to return if it was committed."""
        self.number = number
        self.began = began
        self.result = result


class Server:
    """The server of a gallery; may be shared by threads, and used after a fork."""

    def __init__(self, location: Location) -> None:
        """Connect when it is first asked."""
        self.location = location
        self._free = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._idle: list[Connection] = []
        self._process = os.getpid()
        weakref.finalize(self, _close, self._idle, self._process)

    def row(self, query: str | sql.Composed, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The first row of one statement, which is a transaction of its own.

        Raises:
            DatabaseError: the server refuses, or does not answer.
        """

        def asked(connection: Connection) -> tuple[Any, ...]:
            return one_row(connection.execute(query, values, binary=True))

        return self._run(asked)

    def read(self, work: Callable[[Cursor], T], moment: str | None = None) -> T:
        """What is read in one transaction, which sees the database at one moment.

        Args:
            work: called again, from the start, where the connection was lost or others got in the way.
            moment: that of a transaction under way, as it exports it; None: now.

        Raises:
            DatabaseError: the server refuses, or does not answer.
        """

        def whole(connection: Connection) -> T:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction(), connection.cursor(binary=True) as cursor:
                if moment is not None:
                    cursor.execute(sql.SQL("set transaction snapshot {}").format(moment))
                return work(cursor)

        return self._run(whole)

    def read_each(self, cursor: Cursor, work: Callable[[Cursor, Item], T], items: Sequence[Item]) -> list[T]:
        """What is read of each of many things at the moment that a transaction sees, on several connections.

        Raises:
            DatabaseError: the server refuses, or does not answer.
        """
        if len(items) < _READERS:
            return [work(cursor, item) for item in items]
        (moment,) = one_row(cursor.execute("select pg_export_snapshot()"))
        read = ordered_map(lambda item: self.read(lambda own: work(own, item), moment), items, _READERS)
        return list(read)

    def write(self, work: Callable[[Cursor], T]) -> T:
        """What one transaction changes: all of it or, whatever happens, nothing.

        Args:
            work: called again, from the start, where nothing of what it did is kept for sure.

        Raises:
            UncertainChangeError: the connection was lost as the change became final, and the server does not say
                whether it was.
            DatabaseError: the server refuses, or does not answer.
        """

        def whole(connection: Connection) -> T:
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            connection.read_only = None  # as the server has it: a standby then says that it can only be read
            number = None
            try:
                with connection.transaction(), connection.cursor(binary=True) as cursor:
                    result = work(cursor)
                    number, began = one_row(cursor.execute(_NUMBER))
            except psycopg.Error as error:
                if number is not None and _is_lost(error, connection):
                    raise _LostAtCommitError(number, began, result) from error
                raise
            return result

        for _ in range(_TRIES):
            try:
                return self._run(whole)
            except _LostAtCommitError as lost:
                if self._is_kept(lost.number, lost.began):
                    return cast("T", lost.result)
        raise _lost(self.location)

    def _run(self, work: Callable[[Connection], T]) -> T:
        for tries_left in reversed(range(_TRIES)):
            with self._connection() as connection:
                try:
                    return work(connection)
                except psycopg.Error as error:
                    is_lost = _is_lost(error, connection)
                    is_left = is_lost or error.sqlstate in _READ_ONLY
                    if is_left:
                        # Whatever ended this one has ended those that wait, so that the next try has a new one; where
                        # the URL names several servers, another may by now be the one that is written to.
                        connection.close()
                        _close(self._idle, self._process)
                    may_help = error.sqlstate in _CONFLICTS or (is_left and tries_left == _TRIES - 1)
                    if not (tries_left and may_help):
                        raise refused(error, self.location, is_lost=is_lost) from error
        raise AssertionError("unreachable")

    def _is_kept(self, number: str, began: datetime) -> bool:
        """Whether a transaction, whose connection was lost at its end, was committed.

        A server that began anew may have given its number to another.
        """
        try:
            for _ in range(_TRIES):
                (status,) = self.row(_STATUS, [began, number])
                if status in ("committed", "aborted"):
                    return bool(status == "committed")
                self.row("select pg_sleep(0.2)")
        except DatabaseError:
            status = None
        raise UncertainChangeError(
            f"The connection to {self.location} was lost while a change became final",
            "look whether it is made, and repeat it if it is not",
        )

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with self._free:
            if self._process != os.getpid():  # a fork's parent goes on with those
                self._process, self._idle = os.getpid(), []
                weakref.finalize(self, _close, self._idle, self._process)
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connected()
            try:
                yield connection
            finally:
                if not connection.closed:
                    self._idle.append(connection)

    def _connected(self) -> Connection:
        try:
            given: dict[str, Any] = conninfo_to_dict(self.location.conninfo)
        except (psycopg.Error, UnicodeDecodeError):
            raise UnusableLocationError(  # libpq's words may quote a password
                f"{self.location} has parameters that libpq does not know", "correct them"
            ) from None
        given = {"fallback_application_name": "facerec", **_PATIENCE, **given}
        given["client_encoding"] = "UTF8"  # names are anything, whatever PGCLIENTENCODING or the database says
        if "PGCONNECT_TIMEOUT" not in os.environ:
            given.setdefault("connect_timeout", _CONNECT_SECONDS)
        try:
            connection = psycopg.connect(**given, autocommit=True)
        except psycopg.Error as error:
            raise _not_connected(error, self.location) from error
        try:
            _, name, number, array = one_row(connection.execute(_PREPARE, [self.location.schema]))
        except psycopg.Error as error:
            connection.close()
            raise refused(error, self.location, is_lost=False) from error
        if number is not None:
            register_vector_info(connection, TypeInfo(name, number, array))
        return connection


def one_row(cursor: Cursor) -> tuple[Any, ...]:
    """The row of an answer that has one."""
    found = cursor.fetchone()
    assert found is not None
    return found


def _close(connections: list[Connection], process: int) -> None:
    """Close connections, where this is the process that opened them: to the server, a fork is its parent."""
    while connections and process == os.getpid():
        with suppress(IndexError):  # another thread took the last
            connections.pop().close()


def _is_lost(error: psycopg.Error, connection: Connection) -> bool:
    return connection.broken or error.sqlstate in _LOST or (error.sqlstate or "").startswith("08")


def _not_connected(error: psycopg.Error, location: Location) -> DatabaseError:
    """Why there is no connection: libpq has no code for it, and hands the server's words on."""
    said = str(error)
    found = re.search(r"FATAL:\s+(.*)", said) or re.search(r"failed: (?!connection to)(.*)", said)
    reason = (found[1] if found else said.splitlines()[0]).strip()
    if re.search(r'database ".*" does not exist', reason):
        return NoServerDatabaseError(
            f"There is no such database at {location}", "have it made with PostgreSQL's `createdb`"
        )
    is_refused = "authentication failed" in reason or "no password supplied" in reason or "role " in reason
    if is_refused or "pg_hba.conf" in reason:
        return DatabaseRefusedError(
            f"{location} lets nobody in ({reason})",
            "name a user that it has in the URL, with the password in PGPASSWORD or in the file ~/.pgpass",
        )
    return UnreachableDatabaseError(
        f"{location} does not answer ({reason})", "see whether the server runs there, and try again"
    )


def refused(error: psycopg.Error, location: Location, *, is_lost: bool) -> DatabaseError:
    """What the server refused."""
    state, reason = error.sqlstate or "", error.diag.message_primary or str(error).partition("\n")[0]
    if is_lost:
        return _lost(location)
    match state:
        case "3F000" | "42P01":
            return no_schema(location)
        case "42501":
            return DatabaseRefusedError(
                f"{location} does not let this user do that ({reason})", "have its owner grant it, or name another user"
            )
        case "25006":
            return DatabaseRefusedError(f"{location} can only be read ({reason})", "name the server that is written to")
        case "53100":
            return DatabaseRefusedError(f"{location} has no room left on its disk", "make room there")
        case "53300":
            return UnreachableDatabaseError(f"{location} has no connection left", "try again later")
    return DatabaseRefusedError(f"{location} refuses that ({reason})", "see what its server's log says")


def _lost(location: Location) -> UnreachableDatabaseError:
    return UnreachableDatabaseError(
        f"The connection to {location} was lost, and what was there before is untouched",
        "see whether the server runs there, and try again",
    )


def no_schema(location: Location) -> NoSchemaError:
    """The error of a database without our tables."""
    return NoSchemaError(
        f"{location} has no tables of facerec's in the schema {location.schema}", "initialise it", location.shown
    )
