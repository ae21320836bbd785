"""The tables of a gallery on a server: migrations in plain SQL, each applied once, in the order of their numbers."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

import psycopg
from psycopg import sql

from facerec_cli.errors import DatabaseError, OlderSchemaError
from facerec_cli.gallery.postgres.connecting import Cursor, Server, no_schema, one_row
from facerec_cli.gallery.postgres.location import Location

_EXTENSION = "create extension vector"
_LEDGER = """
create table if not exists migration (
    number int primary key,
    name text not null,
    applied timestamptz not null default now()
)
"""


class Migration(NamedTuple):
    """One step: its number, its name, and what the server runs."""

    number: int
    name: str
    statements: str


def migrations() -> list[Migration]:
    """All that this facerec knows, in their order."""
    folder = resources.files(__package__) / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files]


def init(location: Location) -> list[str]:
    """Have the tables at a location, in a schema that is made if need be.

    Returns:
        The names of the migrations that were applied: none where the tables are there, and new enough.

    Raises:
        DatabaseError: the server refuses, the extension ``vector`` is missing, or the tables are a newer facerec's.
    """
    return Server(location).write(lambda cursor: _applied(cursor, location, create=True))


def migrate(location: Location) -> list[str]:
    """Bring the tables at a location to what this facerec knows; returns and raises as ``init``.

    Raises:
        NoSchemaError: there are none.
    """
    return Server(location).write(lambda cursor: _applied(cursor, location, create=False))


def check(server: Server) -> None:
    """Whether the tables are those of this facerec.

    Raises:
        NoSchemaError: there are none.
        OlderSchemaError: they are an older facerec's.
        DatabaseError: they are a newer facerec's.
    """
    # By its whole name: where a user may not look into a schema, the search path passes over it.
    ledger = sql.Identifier(server.location.schema, "migration")
    (number,) = server.row(sql.SQL("select max(number) from {}").format(ledger))
    _check_known(number, server.location)
    if number is None or number < migrations()[-1].number:
        raise OlderSchemaError(
            f"The tables of {server.location} are an older facerec's", "migrate them", server.location.shown
        )


def _applied(cursor: Cursor, location: Location, *, create: bool) -> list[str]:
    # One at a time, whoever else has the same idea.
    cursor.execute("select pg_advisory_xact_lock(hashtextextended('facerec ' || %s, 0))", [location.schema])
    if create:
        _have_extension(cursor, location)
        (is_there,) = one_row(cursor.execute("select to_regnamespace(quote_ident(%s))", [location.schema]))
        if is_there is None:
            cursor.execute(sql.SQL("create schema {}").format(sql.Identifier(location.schema)))
    (ledger,) = one_row(cursor.execute("select to_regclass(quote_ident(%s) || '.migration')", [location.schema]))
    if ledger is None and not create:
        raise no_schema(location)
    cursor.execute(_LEDGER)
    known = {number for (number,) in cursor.execute("select number from migration")}
    _check_known(max(known, default=0), location)
    new = [migration for migration in migrations() if migration.number not in known]
    for number, name, statements in new:
        cursor.execute(statements.encode(), binary=False)
        cursor.execute("insert into migration (number, name) values (%s, %s)", [number, name])
    return [name for _, name, _ in new]


def _have_extension(cursor: Cursor, location: Location) -> None:
    (is_there,) = one_row(cursor.execute("select to_regtype('vector')"))
    if is_there is not None:
        return
    try:
        cursor.execute(_EXTENSION)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"{location} lacks the extension vector", f"have a superuser run `{_EXTENSION}` in that database"
        ) from error
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile) as error:
        raise DatabaseError(f"The server of {location} has no pgvector", "have it installed there") from error


def _check_known(number: int | None, location: Location) -> None:
    newest = migrations()[-1].number
    if number is not None and number > newest:
        raise DatabaseError(
            f"The tables of {location} have version {number}, and this facerec reads version {newest}",
            "upgrade facerec",
        )
