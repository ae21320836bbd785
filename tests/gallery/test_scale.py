"""What docs/scale.md says of servers, done as it says."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psycopg
import pytest
from psycopg import conninfo

from facerec_cli.encoders.cohort import Prior
from facerec_cli.encoders.metric import Comparison, Cosine
from facerec_cli.errors import DatabaseError, UnknownPersonError
from facerec_cli.gallery.base import Gallery
from facerec_cli.gallery.opening import open_gallery
from tests.delivery.records import until
from tests.docs import programs
from tests.gallery.faces import COMPARISON, DIGEST, face
from tests.gallery.test_server_search import alike, enrol, people
from tests.servers import Server, free_port, postgres_server

PAGE = "docs/scale.md"
PASSWORD = "the other one's"


def parts(url: str) -> tuple[str, str]:
    """The database and the user of a URL."""
    found = conninfo.conninfo_to_dict(url)
    return str(found["dbname"]), str(found["user"])


class Sharded(NamedTuple):
    """A gallery on two servers, and the second of them."""

    url: str
    other: Server


@pytest.fixture(scope="module")
def sharded(postgres: Server) -> Iterator[Sharded]:
    with postgres.superuser() as connection:
        found = connection.execute("select from pg_available_extensions where name = 'postgres_fdw'").fetchall()
    if not found:
        pytest.skip("this PostgreSQL has no postgres_fdw: FACEREC_POSTGRES names one that has")
    on_other, by_superuser, by_owner, repair = programs(PAGE, "Shards", "sql")
    with postgres_server(passwords=True, log_statement="all") as other:
        url, other_url = postgres.create_database(), other.create_database(PASSWORD)
        (database, user), (other_database, other_user) = parts(url), parts(other_url)
        enrol(open_gallery(url, create=True), people(40)[:30])
        with psycopg.connect(other_url, password=PASSWORD) as connection:
            connection.execute(on_other)
        where = {
            "host 'shard1.example'": "host '127.0.0.1'",
            "port '5432'": f"port '{other.port}'",
            "dbname 'facerec'": f"dbname '{other_database}'",
            "sslmode 'verify-full'": "sslmode 'disable'",  # the wheel's server knows no TLS
            "mapping for facerec": f"mapping for {user}",
            "user 'facerec'": f"user '{other_user}'",
            "to facerec": f"to {user}",
        }
        for shown, here in where.items():
            assert shown in by_superuser
            by_superuser = by_superuser.replace(shown, here)
        with postgres.superuser(database) as connection:
            connection.execute(by_superuser)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(by_owner)
            assert connection.execute(repair).rowcount == 0
        yield Sharded(url, other)


def test_two_servers_answer_as_one(sharded: Sharded, tmp_path: Path) -> None:
    gallery = open_gallery(f"{sharded.url}?search=server")
    enrol(gallery, people(40)[30:], first=30)
    with psycopg.connect(sharded.url) as connection:
        for table in ("template_0", "template_1"):
            assert connection.execute(f"select count(*) > 10 from facerec.{table}").fetchone() == (True,)
    folder = open_gallery(tmp_path / "database", create=True)
    enrol(folder, people(40))
    assert np.allclose(gallery.snapshot().cohort(DIGEST).total, folder.snapshot().cohort(DIGEST).total, atol=1e-5)
    centre = Prior(0.3, 0.2, 0.2).centre(folder.snapshot().cohort(DIGEST))
    for comparison in (COMPARISON, Comparison(DIGEST, Cosine(centre))):
        expected = folder.snapshot().search(comparison, people(60)[40:], top=5)
        for search in ("server", "memory"):
            found = open_gallery(f"{sharded.url}?search={search}").snapshot()
            assert alike(found.search(comparison, people(60)[40:], top=5), expected)


def test_the_other_server_finds_its_nearest_itself(sharded: Sharded) -> None:
    snapshot = open_gallery(f"{sharded.url}?search=server").snapshot()
    centre = Prior(0.3, 0.2, 0.2).centre(snapshot.cohort(DIGEST))
    for comparison in (COMPARISON, Comparison(DIGEST, Cosine(centre))):
        before = len(sharded.other.log)
        snapshot.search(comparison, people(1), top=3)
        (asked,) = re.findall(r"CURSOR FOR\s+(SELECT .*)", sharded.other.log[before:])
        assert "ORDER BY" in asked and asked.endswith("LIMIT 3::bigint")
    assert "avg(template)" in sharded.other.log


def test_whoever_is_on_another_server_is_renamed_and_forgotten(sharded: Sharded) -> None:
    gallery = open_gallery(f"{sharded.url}?search=server")
    with psycopg.connect(sharded.url) as connection:
        (name,) = connection.execute(
            "select name from facerec.person join facerec.template_1 on person = id order by id limit 1"
        ).fetchone() or ("",)
    template = gallery.snapshot().template(DIGEST, name)
    gallery.rename(name, "Ada")
    gallery.add(COMPARISON, [face("Ada", template, 999)])
    assert gallery.snapshot().search(COMPARISON, template[None])[0][0].name == "Ada"
    assert gallery.snapshot().template(DIGEST, "Ada") == pytest.approx(template, abs=1e-6)
    gallery.remove("Ada")
    assert gallery.snapshot().search(COMPARISON, template[None])[0][0].distance > 0.01
    with pytest.raises(UnknownPersonError):
        gallery.snapshot().template(DIGEST, "Ada")


def command(text: str, url: str) -> list[str]:
    """A command that the page shows, for a database."""
    return [url if word == "$DATABASE" else word.replace("$DATABASE", url) for word in shlex.split(text)]


def seen(gallery: Gallery) -> list[object]:
    now = gallery.snapshot()
    return [
        (record.face, gallery.read_jpeg(record.face), None if record.embedding is None else record.embedding.tolist())
        for record in now.records(DIGEST)
    ]


def test_a_backup_brings_everybody_back(postgres: Server) -> None:
    dump, restore = programs(PAGE, "Backups", "sh")
    (another,) = programs(PAGE, "Backups", "sql")
    url, empty = postgres.create_database(), postgres.create_database()
    gallery = open_gallery(url, create=True)
    enrol(gallery, people(9))
    postgres.run(*command(dump, url))
    expected, version = seen(gallery), gallery.snapshot().version
    gallery.remove("person 3")
    postgres.run(*command(restore, empty))
    restored = open_gallery(empty)
    assert seen(restored) == expected
    assert restored.snapshot().version == version
    with psycopg.connect(empty) as connection:
        connection.execute(another)
    assert restored.snapshot().version != version
    assert restored.snapshot().search(COMPARISON, people(9)[[3]])[0][0].name == "person 3"
    restored.remove("person 3")
    enrol(restored, people(10)[9:], first=9)
    assert len(seen(restored)) == 9


@pytest.mark.parametrize("search", ["memory", "server"])
def test_a_standby_is_a_gallery_that_can_only_be_read(postgres: Server, search: str) -> None:
    url = postgres.create_database()
    gallery = open_gallery(f"{url}?search={search}", create=True)
    enrol(gallery, people(5))
    standby = replace(postgres, port=free_port(), folder=postgres.folder / "standby")
    data = str(standby.folder / "data")
    postgres.run("pg_basebackup", "--write-recovery-conf", "-c", "fast", "-D", data, "-d", postgres.url("postgres"))
    standby.start()
    try:
        replica = open_gallery(f"{standby.url(*parts(url))}?search={search}")
        assert len(list(replica.snapshot().people())) == 5
        enrol(gallery, people(6)[5:], first=5)
        with psycopg.connect(url) as primary, psycopg.connect(standby.url(*parts(url)), autocommit=True) as connection:
            (written,) = primary.execute("select pg_current_wal_insert_lsn()::text").fetchone() or ("",)
            arrived = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
            until(lambda: connection.execute(arrived, [written]).fetchone() == (True,))
        assert replica.snapshot().search(COMPARISON, people(6)[5:])[0][0].name == "person 5"
        with pytest.raises(DatabaseError, match="can only be read"):
            enrol(replica, people(7)[6:], first=6)
    finally:
        standby.stop("immediate")
        shutil.rmtree(standby.folder)


def test_a_password_is_changed_while_everybody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    (roles,) = programs(PAGE, "New passwords", "sql")
    with postgres_server(passwords=True) as server:
        old = server.create_database("an old one")
        database, user = parts(old)
        monkeypatch.setenv("PGPASSWORD", "an old one")
        enrol(open_gallery(old, create=True), people(2))
        with server.superuser(database) as connection:
            connection.execute(roles.replace("facerec;", f"{user};"))
        new = server.url(database, "facerec_2")
        with pytest.raises(DatabaseError):
            open_gallery(new)
        assert len(list(open_gallery(old).snapshot().people())) == 2
        monkeypatch.setenv("PGPASSWORD", "a new one")
        gallery = open_gallery(new)
        enrol(gallery, people(3)[2:], first=2)
        with server.superuser(database) as connection:
            connection.execute(f"alter role {user} nologin password null")
        assert len(list(gallery.snapshot().people())) == 3
        monkeypatch.setenv("PGPASSWORD", "an old one")
        with pytest.raises(DatabaseError):
            open_gallery(old)
