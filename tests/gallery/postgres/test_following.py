"""A process's copy follows its server: what others change is there at the next snapshot, and costs what changed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from facerec_cli.errors import NotEmbeddedError
from facerec_cli.gallery.base import Snapshot
from facerec_cli.gallery.postgres import copy
from facerec_cli.gallery.postgres.snapshot import CopySnapshot
from facerec_cli.gallery.postgres.store import PostgresGallery
from facerec_cli.gallery.segment import Segment
from tests.gallery.faces import COMPARISON, DIGEST, OTHER, OTHER_COMPARISON, face, unit
from tests.gallery.postgres.conftest import opened, templates
from tests.servers import Server


def nearest(snapshot: Snapshot, *numbers: float) -> list[str]:
    return [match.name for match in snapshot.search(COMPARISON, unit(*numbers)[None])[0]]


def test_every_change_of_another_is_in_the_next_snapshot(gallery: PostgresGallery, url: str) -> None:
    other = opened(url)
    other.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    assert nearest(gallery.snapshot(), 1, 0) == ["Ada"]
    other.rename("Ada", "Zoe")
    assert nearest(gallery.snapshot(), 1, 0) == ["Zoe"]
    other.add(COMPARISON, [face("Eve", unit(-1, 0), 3), face("Bob", unit(1, 2), 4)])
    assert nearest(gallery.snapshot(), -1, 0) == ["Eve"]
    assert gallery.snapshot().template(DIGEST, "Bob").tolist() == other.snapshot().template(DIGEST, "Bob").tolist()
    other.remove("Eve")
    assert nearest(gallery.snapshot(), -1, 0.1) == ["Bob"]
    other.merge("Bob", "Zoe")
    now = gallery.snapshot()
    assert [(person.name, person.photos) for person in now.people()] == [("Zoe", 3)]
    assert now.pending_count(DIGEST) == 2
    other.store(COMPARISON, [(pending, unit(0, 1)) for pending in now.pending(DIGEST)])
    now = gallery.snapshot()
    assert now.pending_count(DIGEST) == 0
    assert now.version == other.snapshot().version
    other.remove("Zoe")
    assert nearest(gallery.snapshot(), 1, 0) == []


def test_where_nothing_changed_one_statement_is_asked(gallery: PostgresGallery, postgres: Server) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    assert nearest(gallery.snapshot(), 1, 0) == ["Ada"]
    with postgres.superuser() as connection:
        connection.execute("alter system set log_statement = 'all'")
        connection.execute("select pg_reload_conf()")
    try:
        while "log_statement" not in postgres.log:  # the server says that it has read its settings
            time.sleep(0.01)
        before = len(asked(postgres))
        for _ in range(5):
            assert nearest(gallery.snapshot(), 1, 0) == ["Ada"]
        statements = asked(postgres)[before:]
        assert len(statements) == 5
        assert all("select history, version from gallery" in statement for statement in statements)
    finally:
        with postgres.superuser() as connection:
            connection.execute("alter system reset log_statement")
            connection.execute("select pg_reload_conf()")


def asked(postgres: Server) -> list[str]:
    """The statements in a server's log."""
    return [line for line in postgres.log.splitlines() if " statement: " in line or " execute " in line]


def test_only_the_segments_that_hold_a_change_are_made_anew(
    gallery: PostgresGallery, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "_PEOPLE_EACH", 4)
    gallery.add(COMPARISON, [face(f"person {n:02}", unit(n, 1), n) for n in range(20)])
    reader = opened(url)
    before = segments(reader)
    assert [len(segment) for segment in before] == [4] * 5
    gallery.rename("person 05", "Eve")
    gallery.add(COMPARISON, [face("person 06", unit(0, 1), 50)])
    after = segments(reader)
    assert [one is other for one, other in zip(before, after, strict=True)] == [True, False, True, True, True]
    gallery.remove("person 13")
    gallery.add(COMPARISON, [face("Zoe", unit(-1, 1), 60)])
    last = segments(reader)
    assert [one is other for one, other in zip(after, last, strict=True)] == [True, True, True, False, False]
    # As many as there are in a segment come, and no segment grows for ever.
    gallery.add(COMPARISON, [face(f"another {n}", unit(-n, 1), n) for n in range(30)])
    grown = segments(reader)
    assert max(len(segment) for segment in grown) <= 8
    assert same_as(reader, opened(url))


def segments(gallery: PostgresGallery) -> list[Segment]:
    snapshot = gallery.snapshot()
    assert isinstance(snapshot, CopySnapshot)
    return list(snapshot.known_by(DIGEST).segments)


def same_as(one: PostgresGallery, other: PostgresGallery) -> bool:
    """Whether two copies know the same, however they came to it."""
    return seen(one.snapshot()) == seen(other.snapshot())


def seen(now: Snapshot) -> list[object]:
    return [
        list(now.people()),
        [(record.face, record.embedding is not None) for record in now.records(DIGEST)],
        templates(now),
        list(now.pending(DIGEST)),
    ]


def test_a_copy_that_followed_is_a_copy_that_was_made_now(
    gallery: PostgresGallery, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "_PEOPLE_EACH", 3)
    follower, chance = opened(url), np.random.default_rng(1)
    follower.snapshot().pending_count(DIGEST)
    for step in range(60):
        names = [person.name for person in gallery.snapshot().people()]
        one, other = (str(name) for name in chance.choice(names, 2)) if names else ("nobody", "nobody")
        match int(chance.integers(0, 6)):
            case 0 if names:
                gallery.remove(one)
            case 1 if names:
                gallery.rename(one, f"renamed {step}")
            case 2 if names:
                gallery.remove(one, [gallery.snapshot().faces(one)[0].id])
            case 3 if names:
                gallery.merge(one, other)
            case 4:
                pending = list(gallery.snapshot().pending(DIGEST))
                gallery.store(COMPARISON, [(one_face, unit(1, one_face.id)) for one_face in pending])
            case _:
                gallery.add(
                    COMPARISON, [face(f"person {step} {n % 3}", unit(n, step + 1), 10 * step + n) for n in range(5)]
                )
        if step % 3 == 0:
            assert same_as(follower, opened(url))


def test_templates_of_a_model_come_when_it_is_first_asked_about(gallery: PostgresGallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    now = gallery.snapshot()
    with pytest.raises(NotEmbeddedError):
        now.template(OTHER, "Ada")
    gallery.store(OTHER_COMPARISON, [(one, unit(1, 2, 3)) for one in now.faces("Ada")])
    assert gallery.snapshot().template(OTHER, "Ada") == pytest.approx(unit(1, 2, 3))


def test_a_snapshot_asked_late_about_a_model_has_whoever_is_still_there(gallery: PostgresGallery, url: str) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    late = opened(url).snapshot()
    gallery.remove("Ada")
    gallery.add(COMPARISON, [face("Eve", unit(1, 0), 3)])
    assert nearest(late, 1, 0) == ["Bob"]
    assert [person.name for person in late.people()] == ["Ada", "Bob"]
    assert late.cohort(DIGEST).people == 1


def test_who_is_forgotten_meanwhile_is_remembered_by_their_template(gallery: PostgresGallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    now = gallery.snapshot()
    cohort = now.cohort(DIGEST)
    gallery.remove("Ada")
    assert np.array_equal(now.cohort(DIGEST).embeddings, cohort.embeddings)
    assert [record.embedding is None for record in now.records(DIGEST)] == [True, False]


def test_threads_share_one_copy(gallery: PostgresGallery, url: str) -> None:
    writer = opened(url)
    writer.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    wrong: list[object] = []

    def read() -> None:
        for _ in range(30):
            now = gallery.snapshot()
            people = len(list(now.people()))
            if len(templates(now)) != people or not nearest(now, 1, 0):
                wrong.append(people)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(20):
        writer.add(COMPARISON, [face(f"person {number}", unit(1, number), number)])
    for reader in readers:
        reader.join()
    assert wrong == []
    state = gallery.snapshot()
    assert isinstance(state, CopySnapshot)
    assert state.index is gallery.snapshot().index  # type: ignore[attr-defined]


def test_another_process_knows_at_once_and_ends_at_once(gallery: PostgresGallery, url: str) -> None:
    script = """if True:
        import sys
        from facerec_cli.gallery.opening import open_gallery
        gallery = open_gallery(sys.argv[1])
        for line in sys.stdin:
            print([person.name for person in gallery.snapshot().people()], flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", script, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None

        def answer() -> str:
            process.stdin.write("\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            return process.stdout.readline().strip()  # type: ignore[union-attr]

        assert answer() == "[]"
        gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
        assert answer() == "['Ada']"
        gallery.remove("Ada")
        assert answer() == "[]"
        process.stdin.close()
        assert process.wait(timeout=20) == 0


def test_after_very_many_changes_everybody_is_brought_anew(
    gallery: PostgresGallery, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "_PEOPLE_EACH", 4)
    gallery.add(COMPARISON, [face(f"person {n}", unit(n, 1), n) for n in range(8)])
    follower = opened(url)
    follower.snapshot().pending_count(DIGEST)
    gallery.add(COMPARISON, [face(f"another {n}", unit(-n, 1), n) for n in range(20)])
    assert [len(segment) for segment in segments(follower)] == [4] * 7
    assert same_as(follower, opened(url))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, which Windows cannot")
def test_a_fork_has_connections_of_its_own(gallery: PostgresGallery, url: str) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    script = """if True:
        import os, sys
        from facerec_cli.gallery.opening import open_gallery
        gallery = open_gallery(sys.argv[1])
        connection = "select pg_backend_pid()"
        before = gallery.server.row(connection)
        child = os.fork()
        assert (gallery.server.row(connection) == before) == bool(child)
        print([person.name for person in gallery.snapshot().people()], flush=True)
        if child:
            os.waitpid(child, 0)
            assert gallery.server.row(connection) == before
    """
    done = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("['Ada']\n" * 2, "")


def test_a_database_restored_from_a_backup_is_brought_anew(gallery: PostgresGallery, url: str) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    gallery.add(COMPARISON, [face("Bob", unit(0, 1), 2)])
    follower = opened(url)
    assert len(list(follower.snapshot().people())) == 2
    gallery.server.write(lambda cursor: cursor.execute("delete from person where name = 'Bob'") and None)
    gallery.server.write(lambda cursor: cursor.execute("update gallery set version = version - 1") and None)
    assert [person.name for person in follower.snapshot().people()] == ["Ada"]


def test_a_standby_that_took_over_begins_a_history(gallery: PostgresGallery, url: str) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    follower = opened(url)
    before, beside = follower.snapshot().version, gallery.beside
    assert len(list(follower.snapshot().people())) == 2
    # It lacks what came last, and something else has the version since.
    gallery.server.write(lambda cursor: cursor.execute("delete from person where name = 'Bob'") and None)
    gallery.server.write(lambda cursor: cursor.execute("update gallery set history = gen_random_uuid()") and None)
    now = follower.snapshot()
    assert now.version != before
    assert [person.name for person in now.people()] == ["Ada"]
    assert gallery.beside == beside
