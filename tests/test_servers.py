"""The server that tests of shared galleries run on."""

from __future__ import annotations

import psycopg
import pytest

from tests.servers import Server, postgres_server


def test_an_ordinary_user_finds_the_extension(postgres: Server) -> None:
    with psycopg.connect(postgres.create_database()) as connection:
        (distance,) = connection.execute("select '[1,2]'::vector <#> '[3,4]'::vector").fetchone() or ()
        (is_superuser,) = (
            connection.execute("select usesuper from pg_user where usename = current_user").fetchone() or ()
        )
    assert (distance, is_superuser) == (-11, False)


def test_what_is_committed_outlives_a_kill() -> None:
    with postgres_server() as server:
        url = server.create_database()
        with psycopg.connect(url) as connection:
            connection.execute("create table kept as select 7 as number")
        server.stop("immediate")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("select number from kept").fetchone() == (7,)
    assert not server.folder.exists()


def test_passwords_are_asked_for() -> None:
    with postgres_server(passwords=True) as server:
        url = server.create_database("a word")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url)
        psycopg.connect(url, password="a word").close()
