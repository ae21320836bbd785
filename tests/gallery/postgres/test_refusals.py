"""What a server refuses, in sentences, and a connection that is lost."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from facerec_cli.errors import (
    DatabaseError,
    DatabaseRefusedError,
    NoDatabaseError,
    NoSchemaError,
    NoServerDatabaseError,
    OlderSchemaError,
    UncertainChangeError,
    UnreachableDatabaseError,
    UnusableLocationError,
)
from facerec_cli.gallery.opening import open_gallery
from facerec_cli.gallery.postgres.location import Location
from facerec_cli.gallery.postgres.schema import init, migrate, migrations
from facerec_cli.gallery.postgres.store import PostgresGallery
from tests.gallery.faces import COMPARISON, DIGEST, face, unit
from tests.gallery.postgres.conftest import opened, templates
from tests.gallery.postgres.relay import relay
from tests.servers import Server, postgres_server


def test_a_database_without_tables_is_none_until_it_is_made(url: str) -> None:
    with pytest.raises(NoSchemaError, match="has no tables of facerec's in the schema facerec") as refused:
        open_gallery(url)
    assert isinstance(refused.value, NoDatabaseError)
    assert refused.value.subject == url
    with pytest.raises(NoSchemaError):
        migrate(Location.parse(url))
    assert init(Location.parse(url)) == [migration.name for migration in migrations()]
    assert init(Location.parse(url)) == migrate(Location.parse(url)) == []
    assert list(open_gallery(url).snapshot().people()) == []


def test_schemas_of_one_database_are_galleries_of_their_own(url: str) -> None:
    one, other = (open_gallery(f"{url}?schema={name}", create=True) for name in ("Staff", "guests of 'all\" sorts"))
    one.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    assert list(other.snapshot().people()) == []
    assert one.snapshot().version != other.snapshot().version


def test_many_who_make_the_tables_at_once_make_them_once(url: str) -> None:
    made: list[list[str]] = []
    threads = [threading.Thread(target=lambda: made.append(init(Location.parse(url)))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, made)) == [0, 0, 0, 0, len(migrations())]


def test_newer_and_older_tables_are_refused(gallery: PostgresGallery, url: str) -> None:
    gallery.server.write(lambda cursor: cursor.execute("insert into migration (number, name) values (9999, 'x')"))
    for refused_by in (open_gallery, lambda url: init(Location.parse(url)), lambda url: migrate(Location.parse(url))):
        with pytest.raises(DatabaseError, match="version 9999, and this facerec reads version") as refused:
            refused_by(url)
        assert refused.value.remedy == "upgrade facerec"
    gallery.server.write(lambda cursor: cursor.execute("delete from migration"))
    with pytest.raises(OlderSchemaError, match="older facerec's") as older:
        open_gallery(url)
    assert older.value.subject == url


def test_an_extension_is_a_superusers_to_make(postgres: Server) -> None:
    url = postgres.create_database(extension=False)
    with pytest.raises(DatabaseError, match="lacks the extension vector") as refused:
        open_gallery(url, create=True)
    assert "superuser run `create extension vector`" in refused.value.remedy
    gallery = open_gallery(postgres.url(url.rpartition("/")[2]), create=True)
    assert gallery.add(COMPARISON, [face("Ada", unit(1, 0))]) == [True]


def test_the_extension_may_be_in_a_schema_of_its_own(postgres: Server) -> None:
    url = postgres.create_database(extension=False)
    with postgres.superuser(url.rpartition("/")[2]) as connection:
        connection.execute("create schema extensions")
        connection.execute("create extension vector schema extensions")
        connection.execute("grant usage on schema extensions to public")
    gallery = open_gallery(url, create=True)
    assert gallery.add(COMPARISON, [face("Ada", unit(1, 0))]) == [True]
    for search in ("memory", "server"):
        assert (
            open_gallery(f"{url}?search={search}").snapshot().search(COMPARISON, unit(1, 0)[None])[0][0].name == "Ada"
        )


def test_no_such_database_user_or_server(postgres: Server, url: str) -> None:
    with pytest.raises(NoServerDatabaseError, match="no such database"):
        open_gallery(postgres.url("nowhere"))
    with pytest.raises(DatabaseRefusedError, match='role "nobody_here" does not exist'):
        open_gallery(postgres.url("postgres", "nobody_here"))
    with pytest.raises(UnreachableDatabaseError, match="does not answer"):
        open_gallery("postgresql://ada@127.0.0.1:1/people")
    with pytest.raises(UnreachableDatabaseError, match="does not answer"):
        open_gallery("postgresql://ada@nowhere.invalid/people")
    with pytest.raises(UnusableLocationError, match="parameters that libpq does not know"):
        open_gallery(f"{url}?sslmoed=require")
    with pytest.raises(UnusableLocationError, match="parameters that libpq does not know"):
        open_gallery("postgresql://127.0.0.1:1/%ff")


def test_a_user_without_rights_is_told(gallery: PostgresGallery, url: str, postgres: Server) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    guest = postgres.create_database().partition("//")[2].partition("@")[0]
    as_guest = f"postgresql://{guest}@{url.partition('@')[2]}"
    with pytest.raises(DatabaseRefusedError, match="permission denied"):
        open_gallery(as_guest)
    gallery.server.write(lambda cursor: cursor.execute(f"grant usage on schema facerec to {guest}"))
    gallery.server.write(lambda cursor: cursor.execute(f"grant select on all tables in schema facerec to {guest}"))
    reader = open_gallery(as_guest)
    assert reader.snapshot().search(COMPARISON, unit(1, 0)[None])[0][0].name == "Ada"
    with pytest.raises(DatabaseRefusedError, match="permission denied"):
        reader.remove("Ada")
    assert len(list(gallery.snapshot().people())) == 1


def test_a_server_that_is_only_read_is_told(gallery: PostgresGallery, url: str) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    standby = open_gallery(f"{url}?options=-cdefault_transaction_read_only%3Don")
    assert len(list(standby.snapshot().people())) == 1
    with pytest.raises(DatabaseRefusedError, match="can only be read"):
        standby.remove("Ada")


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server that asks for passwords."""
    with postgres_server(passwords=True) as server:
        yield server


def test_passwords_are_libpqs_and_never_shown(guarded: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = guarded.create_database(password="Zitr0ne")
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with pytest.raises(DatabaseRefusedError, match="no password supplied"):
        open_gallery(url)
    with pytest.raises(DatabaseRefusedError, match="password authentication failed") as refused:
        open_gallery(url.replace("@", ":Falsch@"))
    assert "Falsch" not in repr(refused.value) + str(refused.value)
    gallery = opened(url.replace("@", ":Zitr0ne@"), create=True)
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    assert gallery.location == gallery.snapshot().location == url
    monkeypatch.setenv("PGPASSWORD", "Zitr0ne")
    assert len(list(open_gallery(url).snapshot().people())) == 1


def test_a_connection_that_ended_is_replaced(gallery: PostgresGallery, postgres: Server) -> None:
    def end_all() -> None:
        with postgres.superuser() as connection:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename like 'owner%'"
            )

    end_all()
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    end_all()
    assert [person.name for person in gallery.snapshot().people()] == ["Ada"]
    end_all()
    gallery.remove("Ada")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other options")
def test_a_server_that_no_cable_leads_to_is_not_waited_for_two_hours(gallery: PostgresGallery, url: str) -> None:
    def patience(opened: PostgresGallery) -> tuple[int, ...]:
        def asked(cursor: psycopg.Cursor[tuple[object, ...]]) -> tuple[int, ...]:
            with socket.socket(fileno=os.dup(cursor.connection.fileno())) as own:
                options = socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT
                return tuple(own.getsockopt(socket.IPPROTO_TCP, option) for option in options)

        return opened.server.read(asked)

    assert patience(gallery) == (30, 10, 3, 60_000)
    assert patience(opened(f"{url}?keepalives_idle=77")) == (77, 10, 3, 60_000)


def test_a_change_whose_connection_is_lost_in_the_middle_is_made_again(gallery: PostgresGallery) -> None:
    tries: list[int] = []

    def change(cursor: psycopg.Cursor[tuple[object, ...]]) -> str:
        tries.append(1)
        cursor.execute("update gallery set version = version + 1")
        if len(tries) == 1:
            (own,) = cursor.execute("select pg_backend_pid()").fetchone() or (0,)
            other = psycopg.connect(gallery.server.location.conninfo, autocommit=True)
            other.execute("select pg_terminate_backend(%s, 5000)", [own])
            other.close()
        return "done"

    (before,) = gallery.server.row("select version from gallery")
    assert gallery.server.write(change) == "done"
    assert len(tries) == 2
    assert gallery.server.row("select version from gallery") == (before + 1,)


def test_a_change_whose_end_is_in_doubt_is_looked_up(gallery: PostgresGallery, url: str, postgres: Server) -> None:
    with relay(postgres.port) as way:
        writer = opened(url.replace(str(postgres.port), str(way.port)))
        for number in range(4):
            way.loses = "answer" if number % 2 else "commit"
            assert writer.add(COMPARISON, [face(f"person {number}", unit(1, number), number)]) == [True]
            assert way.loses is None
            assert len(list(gallery.snapshot().people())) == number + 1
        way.loses, way.is_last = "answer", True
        with pytest.raises(UncertainChangeError) as doubt:
            writer.add(COMPARISON, [face("Eve", unit(1, 1), 9)])
        assert "look whether it is made" in doubt.value.remedy
    assert gallery.snapshot().person("Eve").photos == 1


@pytest.mark.parametrize(("times", "is_made"), [(3, True), (9, False)])
def test_a_change_whose_end_is_lost_again_and_again_is_made_or_told(
    times: int, is_made: bool, gallery: PostgresGallery, url: str, postgres: Server
) -> None:
    with relay(postgres.port) as way:
        writer = opened(url.replace(str(postgres.port), str(way.port)))
        way.loses, way.times = "commit", times
        if is_made:
            assert writer.add(COMPARISON, [face("Ada", unit(1, 0))]) == [True]
        else:
            with pytest.raises(UnreachableDatabaseError, match="was lost"):
                writer.add(COMPARISON, [face("Ada", unit(1, 0))])
    assert [person.photos for person in gallery.snapshot().people()] == [1] * is_made


def test_what_was_reported_is_there_after_the_server_was_killed() -> None:
    with postgres_server(durable=True) as server:
        gallery = opened(server.create_database(), create=True)
        reported: list[str] = []
        told: list[DatabaseError] = []

        def write(writer: int) -> None:
            for number in count():
                name = f"person {writer} {number}"
                try:
                    gallery.add(COMPARISON, [face(name, unit(1, number), 2 * number + photo) for photo in range(2)])
                except DatabaseError as error:
                    told.append(error)
                    return
                reported.append(name)

        for kill in range(1, 4):
            writers = [threading.Thread(target=write, args=(10 * kill + writer,)) for writer in range(3)]
            for writer in writers:
                writer.start()
            before = len(reported)
            while len(reported) < before + 20:
                time.sleep(0.01)
            server.stop("immediate")
            for writer in writers:
                writer.join()
            with pytest.raises(UnreachableDatabaseError, match="does not answer"):
                gallery.snapshot()
            server.start()
            now = gallery.snapshot()
            people = {person.name: person.photos for person in now.people()}
            assert set(reported) <= people.keys()
            assert len(people) <= len(reported) + 3 * kill  # the last of each writer was in work
            assert set(people.values()) == {2}
            assert now.pending_count(DIGEST) == 0
            assert len(templates(now)) == len(people)
        assert len(told) == 9
        assert all(isinstance(error, UnreachableDatabaseError | UncertainChangeError) for error in told)
