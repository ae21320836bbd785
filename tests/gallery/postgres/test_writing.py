"""What several writers make of the same people, and that a change is whole or none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from facerec_cli.encoders.metric import templates
from facerec_cli.errors import DatabaseError, NameTakenError, PersonError, UnknownPersonError
from facerec_cli.gallery.hdf5 import Hdf5Gallery
from facerec_cli.gallery.postgres.store import PostgresGallery
from tests.gallery.faces import COMPARISON, DIGEST, face, unit
from tests.gallery.postgres.conftest import opened
from tests.servers import Server


def together(works: Sequence[Callable[[], object]]) -> list[object]:
    """What works return, or raise, that begin at one moment on threads of their own."""
    begin, ends = threading.Barrier(len(works)), [None] * len(works)

    def run(number: int, work: Callable[[], object]) -> None:
        begin.wait()
        try:
            ends[number] = work()  # type: ignore[call-overload]
        except (DatabaseError, PersonError) as error:
            ends[number] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=(number, work)) for number, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(ends)


def test_ten_writers_of_one_person_end_with_the_template_of_all_photos(gallery: PostgresGallery, url: str) -> None:
    vectors = [unit(1, number, number % 3) for number in range(30)]
    writers = [opened(url) for _ in range(10)]

    def write(number: int) -> None:
        for photo in range(3 * number, 3 * number + 3):
            assert writers[number].add(COMPARISON, [face("Ada", vectors[photo], photo)]) == [True]

    assert together([lambda n=n: write(n) for n in range(10)]) == [None] * 10  # type: ignore[misc]
    now = gallery.snapshot()
    photos = [record.embedding for record in now.records(DIGEST) if record.embedding is not None]
    assert sorted(map(bytes, photos)) == sorted(map(bytes, vectors))
    (expected,) = templates(np.stack(photos), np.zeros(30, np.int64), 1, COMPARISON.metric)
    assert now.template(DIGEST, "Ada").tobytes() == expected.tobytes()


def test_one_photo_enrolled_twice_at_once_is_there_once(gallery: PostgresGallery, url: str) -> None:
    writers = [opened(url) for _ in range(6)]
    for photo in range(5):
        new = together([lambda w=w, p=photo: w.add(COMPARISON, [face("Ada", unit(1, p), p)]) for w in writers])  # type: ignore[misc]
        assert sorted(map(str, new)) == ["[False]"] * 5 + ["[True]"]
    assert len(gallery.snapshot().faces("Ada")) == 5


def test_batches_of_the_same_people_in_other_orders_wait_for_each_other(gallery: PostgresGallery, url: str) -> None:
    writers, names, photos = [opened(url) for _ in range(4)], ["Ada", "Bob", "Eve", "Zoe"], count()

    def write(number: int) -> None:
        order = names[number:] + names[:number]
        for _ in range(5):
            writers[number].add(COMPARISON, [face(name, unit(1, number), next(photos)) for name in order])

    assert together([lambda n=n: write(n) for n in range(4)]) == [None] * 4  # type: ignore[misc]
    assert [person.photos for person in gallery.snapshot().people()] == [20] * 4


def test_who_is_removed_while_others_enrol_them_has_whole_photos_or_none(gallery: PostgresGallery, url: str) -> None:
    writer, remover = opened(url), opened(url)
    for photo in range(20):
        gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1000 + photo)])
        together(
            [
                lambda p=photo: writer.add(COMPARISON, [face("Ada", unit(0, 1), p)]),  # type: ignore[misc]
                lambda: remover.remove("Ada"),
            ]
        )
        now = gallery.snapshot()
        for person in now.people():
            assert person.photos == len(now.faces("Ada")) > 0
            assert now.pending_count(DIGEST) == 0
            assert now.template(DIGEST, "Ada").tolist() == unit(0, 1).tolist()


def test_of_two_who_take_one_name_one_has_it(gallery: PostgresGallery, url: str) -> None:
    other = opened(url)
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    ends = together([lambda: gallery.rename("Ada", "Eve"), lambda: other.rename("Bob", "Eve")])
    assert sorted(type(end).__name__ for end in ends) == ["NameTakenError", "NoneType"]
    (refused,) = (end for end in ends if isinstance(end, NameTakenError))
    assert "Eve is already enrolled" in str(refused)
    ends = together([lambda: gallery.rename("Eve", "Zoe"), lambda: other.add(COMPARISON, [face("Zoe", unit(1, 1), 3)])])
    assert "Zoe" in [person.name for person in gallery.snapshot().people()]


def test_two_who_are_merged_into_each_other_are_one(gallery: PostgresGallery, url: str) -> None:
    other = opened(url)
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    together([lambda: gallery.merge("Ada", "Bob"), lambda: other.merge("Bob", "Ada")])
    assert [person.photos for person in gallery.snapshot().people()] == [2]


@pytest.mark.parametrize("name", ["\udcff", "a\0b", ""])
def test_a_name_that_the_server_cannot_keep_is_nobodys(gallery: PostgresGallery, name: str) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0))])
    changes: list[Callable[[], object]] = [
        lambda: gallery.remove(name),
        lambda: gallery.rename(name, "Eve"),
        lambda: gallery.merge(name, "Ada"),
        lambda: gallery.merge("Ada", name),
    ]
    for change in changes:
        with pytest.raises(UnknownPersonError, match="Nobody named"):
            change()


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII"])
def test_names_are_anything_whatever_the_clients_encoding(
    encoding: str, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    database = f"names_{encoding.lower()}"
    with postgres.superuser() as connection:
        connection.execute(f"create database {database} template template0 encoding '{encoding}' locale 'C'".encode())
    gallery = opened(postgres.url(database), create=True)
    gallery.add(COMPARISON, [face("Zoë 李", unit(1, 0))])
    for search in ("memory", "server"):
        now = opened(f"{postgres.url(database)}?search={search}").snapshot()
        assert [person.name for person in now.people()] == ["Zoë 李"]


def test_a_batch_with_one_that_is_refused_enrols_nobody(gallery: PostgresGallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    before = gallery.snapshot().version
    with pytest.raises(DatabaseError, match="damaged"):
        gallery.add(COMPARISON, [face("Eve", unit(1, 0), 2), face("Ada", unit(1, 0, 0), 3), face("Bob", unit(1, 0), 4)])
    assert [(person.name, person.photos) for person in gallery.snapshot().people()] == [("Ada", 1)]
    assert gallery.snapshot().version == before


def test_templates_have_the_bits_of_a_folders(
    gallery: PostgresGallery, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Hdf5Gallery(tmp_path_factory.mktemp("same") / "database", create=True)
    chance = np.random.default_rng(3)
    for batch in range(4):
        faces = [face(f"person {n % 5}", unit(*chance.normal(size=64)), 10 * batch + n) for n in range(10)]
        for one in (gallery, folder):
            one.add(COMPARISON, faces)
    for number in range(5):
        mine, theirs = (one.snapshot().template(DIGEST, f"person {number}") for one in (gallery, folder))
        assert mine.tobytes() == theirs.tobytes()


def test_nothing_is_kept_of_who_is_forgotten(gallery: PostgresGallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    gallery.remove("Ada")
    counts = {
        table: gallery.server.row(f"select count(*) from {table}")[0]
        for table in ("person", "face", "embedding", "template", "forgotten")
    }
    assert counts == dict.fromkeys(counts, 1)


def test_a_score_and_a_time_come_back_as_from_a_folder(gallery: PostgresGallery) -> None:
    gallery.add(
        COMPARISON, [replace(face("Ada", unit(1, 0), 1), score=0.1, source="Zoë's photo \N{GRINNING FACE}.jpg")]
    )
    (kept,) = gallery.snapshot().faces("Ada")
    assert (kept.score, kept.source) == (float(np.float32(0.1)), "Zoë's photo \N{GRINNING FACE}.jpg")
    assert kept.created.microsecond == 0
