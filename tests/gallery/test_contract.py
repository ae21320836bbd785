"""What every gallery does, whichever store keeps it: each test runs on each implementation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facerec_cli.encoders.cohort import MOST_PEOPLE, Cohort, photos_each
from facerec_cli.encoders.metric import Comparison, LearnedL1
from facerec_cli.errors import (
    LostChipError,
    NameTakenError,
    NotEmbeddedError,
    PersonError,
    UnknownPersonError,
    UnusableNameError,
)
from facerec_cli.gallery.base import Gallery, Snapshot
from facerec_cli.gallery.chipstore import decode_chip
from facerec_cli.gallery.hdf5 import Hdf5Gallery
from facerec_cli.gallery.opening import open_gallery
from tests.gallery.faces import COMPARISON, DIGEST, JPEG, OTHER, OTHER_COMPARISON, face, sha256, unit
from tests.gallery.memory import MemoryGallery
from tests.servers import Server


def of_many_segments(place: Path) -> Gallery:
    """A folder that keeps hardly anybody in one file."""
    gallery = Hdf5Gallery(place / "segments", create=True)
    gallery.index_file.sealed_bytes, gallery.index_file.tail_bytes = 1_500, 300
    return gallery


Make = Callable[[Path], Gallery]
STORES: dict[str, Make] = {
    "folder": lambda place: open_gallery(place / "database", create=True),
    "segments": of_many_segments,
    "memory": lambda _: MemoryGallery(),
}


ON_SERVERS = {"server": "memory", "server search": "server"}
"""Who searches."""


def on(postgres: Server, search: str) -> Make:
    """What makes a gallery in a new schema of a server."""
    url = postgres.create_database()
    return lambda _: open_gallery(f"{url}?schema=s{uuid4().hex}&search={search}", create=True)


@pytest.fixture(params=[*STORES, *ON_SERVERS])
def gallery(request: pytest.FixtureRequest, tmp_path: Path) -> Gallery:
    if request.param in STORES:
        return STORES[request.param](tmp_path)
    return on(request.getfixturevalue("postgres"), ON_SERVERS[request.param])(tmp_path)


def names(snapshot: Snapshot) -> list[str]:
    return [person.name for person in snapshot.people()]


NOBODY = Cohort(0, np.zeros(0), np.empty((0, 0), np.float32), np.empty((0, 0), np.float32), np.empty(0, np.int64))


def same(one: Cohort, other: Cohort) -> bool:
    return seen_of(one) == seen_of(other)


def seen_of(cohort: Cohort) -> list[object]:
    """A cohort but for the last digits, which depend on the order of sums."""
    rows = (cohort.templates, cohort.embeddings)
    return [
        cohort.people,
        cohort.total.round(5).tolist(),
        [(array.dtype, (array.round(5) + 0).tolist()) for array in rows],
        cohort.owner.tolist(),
    ]


def test_a_new_gallery_is_empty(gallery: Gallery) -> None:
    now = gallery.snapshot()
    assert names(now) == []
    assert dict(now.photo_counts()) == {}
    assert list(now.records(DIGEST)) == []
    assert now.pending_count(DIGEST) == 0
    assert same(now.cohort(DIGEST), NOBODY)
    assert now.search(COMPARISON, np.stack([unit(1, 0), unit(0, 1)])) == [[], []]


def test_enrolled_people_are_nearest_first(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(1, 1), 2), face("Eve", unit(0, 1), 3)])
    near_ada, near_eve = gallery.snapshot().search(COMPARISON, np.stack([unit(1, 0.1), unit(0.1, 1)]), top=2)
    assert [match.name for match in near_ada] == ["Ada", "Bob"]
    assert [match.name for match in near_eve] == ["Eve", "Bob"]
    assert near_ada[0].distance == pytest.approx(1 - unit(1, 0.1)[0], abs=1e-6)


def test_equal_distances_go_by_enrolment(gallery: Gallery) -> None:
    people = [f"person {number}" for number in range(9)]
    gallery.add(COMPARISON, [face(name, unit(1, 0), number) for number, name in enumerate(people)])
    (matches,) = gallery.snapshot().search(COMPARISON, unit(1, 0)[None], top=4)
    assert [match.name for match in matches] == people[:4]


def test_asking_for_more_people_than_there_are_gives_all(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    assert len(gallery.snapshot().search(COMPARISON, unit(0, 1)[None], top=5)[0]) == 1


def test_a_probe_that_is_no_numbers_is_near_nobody(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    probes = np.stack([unit(1, 0), np.full(2, np.nan, np.float32)])
    matches, none = gallery.snapshot().search(COMPARISON, probes)
    assert [match.name for match in matches] == ["Ada"]
    assert none == []


def test_another_metric_is_searched_by_that_metric(gallery: Gallery) -> None:
    learned = Comparison(OTHER, LearnedL1(np.array([-1, -2], np.float32), 1.5))
    first, second, probe = (np.array(numbers, np.float32) for numbers in ([0.2, 0.9], [0.8, 0.1], [0.7, 0.4]))
    gallery.add(learned, [face("Ada", first, 1), face("Bob", second, 2), face("Bob", probe, 3)])
    (matches,) = gallery.snapshot().search(learned, probe[None], top=2)
    assert [match.name for match in matches] == ["Bob", "Ada"]
    expected = learned.metric.pairs(probe[None], np.asarray((second + probe) / 2, np.float32)[None])[0]
    assert matches[0].distance == pytest.approx(expected)


def test_the_same_photo_again_changes_nothing(gallery: Gallery) -> None:
    assert gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Ada", unit(1, 0), 1)]) == [True, False]
    assert gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)]) == [False]
    now = gallery.snapshot()
    assert len(now.faces("Ada")) == 1
    assert now.has_photo("Ada", sha256(1))
    assert not now.has_photo("Ada", sha256(2))
    assert not now.has_photo("Bob", sha256(1))


def test_what_is_enrolled_is_told(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2), face("Ada", unit(0, 1), 3)])
    now = gallery.snapshot()
    ada, bob = now.people()
    assert (ada.name, ada.photos, bob.name, bob.photos) == ("Ada", 2, "Bob", 1)
    assert now.person("Bob") == bob
    first, second = now.faces("Ada")
    assert (first.source, first.sha256, second.source) == ("1.jpg", sha256(1), "3.jpg")
    assert first.score == pytest.approx(0.9)
    assert ada.created == first.created
    assert first.created.utcoffset() is not None
    with pytest.raises(UnknownPersonError):
        now.person("Eve")
    with pytest.raises(UnknownPersonError):
        now.faces("Eve")


def test_a_template_is_the_mean_direction_of_the_photos(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    gallery.add(COMPARISON, [face("Ada", unit(0, 1), 2), face("Bob", unit(0, 1), 2)])
    now = gallery.snapshot()
    assert now.template(DIGEST, "Ada") == pytest.approx(unit(1, 1))
    with pytest.raises(UnknownPersonError):
        now.template(DIGEST, "Eve")


def test_photos_are_counted_by_how_many_people_have_so_many(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), photo) for photo in range(3)])
    gallery.add(COMPARISON, [face("Bob", unit(1, 0), 1), face("Eve", unit(0, 1), 2)])
    assert dict(gallery.snapshot().photo_counts()) == {3: 1, 1: 2}


def test_people_are_read_page_by_page(gallery: Gallery) -> None:
    people = [f"person {number}" for number in range(7)]
    gallery.add(COMPARISON, [face(name, unit(1, number), number) for number, name in enumerate(people)])
    now, seen, after = gallery.snapshot(), [], 0
    while page := list(islice(now.people(after), 3)):
        assert [person.id for person in page] == sorted(person.id for person in page)
        seen += [person.name for person in page]
        after = page[-1].id
    assert seen == people


def test_a_chip_comes_back_as_it_was_enrolled(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    (enrolled,) = gallery.snapshot().faces("Ada")
    assert np.array_equal(gallery.read_chip(enrolled), decode_chip(JPEG))


def test_a_jpeg_comes_back_byte_by_byte(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    gallery.rename("Ada", "Ada Lovelace")
    (enrolled,) = gallery.snapshot().faces("Ada Lovelace")
    assert gallery.read_jpeg(enrolled) == JPEG
    gallery.remove("Ada Lovelace")
    with pytest.raises(LostChipError):
        gallery.read_jpeg(enrolled)


def test_a_copied_face_keeps_when_it_was_enrolled(gallery: Gallery) -> None:
    then = datetime(2001, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    gallery.add(COMPARISON, [replace(face("Ada", unit(1, 0), 1), created=then), face("Ada", unit(1, 0), 2)])
    now = gallery.snapshot()
    first, second = now.faces("Ada")
    assert now.person("Ada").created == first.created == then < second.created


def test_a_version_tells_whether_anything_changed(gallery: Gallery) -> None:
    versions = [gallery.snapshot().version]
    gallery.add(COMPARISON, [face("Ada", unit(1, 0)), face("Eve", unit(0, 1), 2)])
    versions.append(gallery.snapshot().version)
    assert gallery.snapshot().version == versions[-1]
    gallery.rename("Ada", "Bea")
    versions.append(gallery.snapshot().version)
    gallery.remove("Eve")
    versions.append(gallery.snapshot().version)
    assert len(set(versions)) == 4


def test_a_renamed_person_keeps_photos_and_chips(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Ada", unit(1, 0), 2), face("Bob", unit(0, 1), 3)])
    before = gallery.snapshot().person("Ada")
    gallery.rename("Ada", "A person with a much longer name than before")
    now = gallery.snapshot()
    renamed, bob = now.people()
    assert (renamed.id, renamed.photos) == (before.id, 2)
    assert bob.name == "Bob"
    assert [enrolled.source for enrolled in now.faces(renamed.name)] == ["1.jpg", "2.jpg"]
    for enrolled in now.faces(renamed.name):
        gallery.read_chip(enrolled)
    assert now.search(COMPARISON, unit(1, 0)[None])[0][0].name == renamed.name
    gallery.rename(renamed.name, renamed.name)
    assert names(gallery.snapshot()) == [renamed.name, "Bob"]


def test_a_rename_that_cannot_be_is_refused(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    with pytest.raises(NameTakenError, match="Bob is already enrolled"):
        gallery.rename("Ada", "Bob")
    with pytest.raises(UnknownPersonError, match="Nobody named 'Eve'"):
        gallery.rename("Eve", "Mallory")
    with pytest.raises(UnusableNameError):
        gallery.rename("Ada", "unknown")
    assert names(gallery.snapshot()) == ["Ada", "Bob"]


def test_who_is_removed_is_gone(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2), face("Ada", unit(1, 1), 3)])
    chips = gallery.snapshot().faces("Ada")
    assert gallery.remove("Ada") == 2
    now = gallery.snapshot()
    assert names(now) == ["Bob"]
    assert [record.face.name for record in now.records(DIGEST)] == ["Bob"]
    assert [match.name for match in now.search(COMPARISON, unit(1, 0)[None], top=5)[0]] == ["Bob"]
    for chip in chips:
        with pytest.raises(LostChipError):
            gallery.read_chip(chip)
    with pytest.raises(UnknownPersonError):
        gallery.remove("Ada")


def test_ids_are_never_used_twice(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    person, (photo,) = gallery.snapshot().person("Ada"), gallery.snapshot().faces("Ada")
    gallery.remove("Ada")
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    assert gallery.snapshot().person("Ada").id > person.id
    assert gallery.snapshot().faces("Ada")[0].id > photo.id


def test_models_do_not_mix(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    gallery.add(OTHER_COMPARISON, [face("Bob", unit(0, 1, 1), 2)])
    now = gallery.snapshot()
    assert [enrolled.name for enrolled in now.pending(DIGEST)] == ["Bob"]
    assert [enrolled.name for enrolled in now.pending(OTHER)] == ["Ada"]
    # Bob has no template of the first model, so there he cannot be found, near or far.
    assert [match.name for match in now.search(COMPARISON, unit(1, 0)[None], top=2)[0]] == ["Ada"]
    with pytest.raises(NotEmbeddedError):
        now.template(DIGEST, "Bob")
    (pending,) = now.pending(OTHER)
    gallery.store(OTHER_COMPARISON, [(pending, unit(1, 0, 0))])
    now = gallery.snapshot()
    assert now.pending_count(OTHER) == 0
    assert now.search(OTHER_COMPARISON, unit(1, 0, 0)[None])[0][0].name == "Ada"


def test_what_is_not_embedded_is_absent_and_no_answer(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    now = gallery.snapshot()
    assert [record.embedding for record in now.records(OTHER)] == [None, None]
    with pytest.raises(NotEmbeddedError):
        now.search(OTHER_COMPARISON, unit(1, 0, 0)[None])


def test_embeddings_come_in_batches(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face(f"person {number}", unit(1, number), number) for number in range(5)])
    faces = list(gallery.snapshot().pending(OTHER))
    gallery.store(OTHER_COMPARISON, [(enrolled, unit(1, 0, 1)) for enrolled in faces[:2]])
    now = gallery.snapshot()
    assert [enrolled.id for enrolled in now.pending(OTHER)] == [enrolled.id for enrolled in faces[2:]]
    assert len(now.search(OTHER_COMPARISON, unit(1, 0, 1)[None], top=9)[0]) == 2
    gallery.store(OTHER_COMPARISON, [(enrolled, unit(0, 1, 1)) for enrolled in faces[2:]])
    assert gallery.snapshot().pending_count(OTHER) == 0
    for record in gallery.snapshot().records(OTHER):
        assert record.embedding is not None
        expected = unit(1, 0, 1) if record.face.id in {enrolled.id for enrolled in faces[:2]} else unit(0, 1, 1)
        assert np.array_equal(record.embedding, expected)


def test_embeddings_of_who_is_gone_are_passed_over(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    ada, bob = gallery.snapshot().pending(OTHER)
    gallery.remove("Ada")
    gallery.store(OTHER_COMPARISON, [(ada, unit(1, 0, 0)), (bob, unit(0, 1, 0))])
    gallery.store(OTHER_COMPARISON, [(ada, unit(1, 0, 0))])
    gallery.store(OTHER_COMPARISON, [])
    assert names(gallery.snapshot()) == ["Bob"]
    assert gallery.snapshot().template(OTHER, "Bob") == pytest.approx(unit(0, 1, 0))


def test_opposite_photos_have_no_direction_in_common(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Ada", unit(-1, 0), 2), face("Bob", unit(0, 1), 3)])
    now = gallery.snapshot()
    with pytest.raises(NotEmbeddedError):
        now.template(DIGEST, "Ada")
    assert [match.name for match in now.search(COMPARISON, unit(1, 0)[None], top=2)[0]] == ["Bob"]
    assert now.cohort(DIGEST).people == 1
    assert now.cohort(DIGEST).templates.tolist() == [unit(0, 1).tolist()]


def test_a_cohort_worked_by_hand(gallery: Gallery) -> None:
    ada, bob = [unit(1, 0), unit(0, 1)], unit(-1, 2)
    gallery.add(COMPARISON, [face("Ada", ada[0], 1), face("Bob", bob, 3), face("Ada", ada[1], 2)])
    gallery.add(OTHER_COMPARISON, [face("Eve", unit(0, 1), 4), face("Bob", unit(1, 0), 5)])
    cohort = gallery.snapshot().cohort(DIGEST)
    assert cohort.people == 2
    assert cohort.total == pytest.approx(unit(1, 1).astype(np.float64) + bob, abs=1e-6)
    assert np.allclose(cohort.templates, [unit(1, 1), bob], atol=1e-6)
    assert cohort.embeddings.tolist() == [vector.tolist() for vector in (*ada, bob)]
    assert cohort.owner.tolist() == [0, 0, 1]
    # Each model's are its own.
    cohort = gallery.snapshot().cohort(OTHER)
    assert (cohort.people, cohort.embeddings.tolist()) == (2, [[1, 0], [0, 1]])
    assert same(gallery.snapshot().cohort("c" * 64), NOBODY)


def test_a_cohort_follows_every_change(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(-1, 2), 2), face("Eve", unit(1, 3), 3)])
    gallery.rename("Ada", "Zoe")
    assert gallery.snapshot().cohort(DIGEST).total == pytest.approx(
        unit(1, 0).astype(np.float64) + unit(-1, 2) + unit(1, 3), abs=1e-6
    )
    gallery.add(COMPARISON, [face("Zoe", unit(0, 1), 4)])
    cohort = gallery.snapshot().cohort(DIGEST)
    assert cohort.people == 3
    assert cohort.total == pytest.approx(unit(1, 1).astype(np.float64) + unit(-1, 2) + unit(1, 3), abs=1e-6)
    gallery.remove("Bob")
    cohort = gallery.snapshot().cohort(DIGEST)
    assert cohort.total == pytest.approx(unit(1, 1).astype(np.float64) + unit(1, 3), abs=1e-6)
    assert np.allclose(cohort.templates, [unit(1, 1), unit(1, 3)], atol=1e-6)
    pending = list(gallery.snapshot().pending(OTHER))
    gallery.store(OTHER_COMPARISON, [(enrolled, unit(2, 1, 0)) for enrolled in pending])
    assert gallery.snapshot().cohort(OTHER).total == pytest.approx(2 * unit(2, 1, 0).astype(np.float64), abs=1e-6)
    for name in ("Zoe", "Eve"):
        gallery.remove(name)
    assert same(gallery.snapshot().cohort(DIGEST), NOBODY)


@pytest.mark.parametrize("people", [3, MOST_PEOPLE, MOST_PEOPLE + 45])
def test_a_cohort_looks_at_so_many_people_and_photos(gallery: Gallery, people: int) -> None:
    vectors = np.random.default_rng(people).normal(size=(people, 6, 8))
    photos = 6 if people == 3 else 3
    gallery.add(
        COMPARISON,
        [
            face(f"person {n}", unit(*vectors[n, photo]), 10 * n + photo)
            for photo in range(photos)
            for n in range(people if photo == 0 else 3)
        ],
    )
    now = gallery.snapshot()
    cohort = now.cohort(DIGEST)
    known = {name: row for page, rows in now.templates(DIGEST) for name, row in zip(page, rows, strict=True)}
    assert cohort.people == people == len(known)
    assert cohort.total == pytest.approx(np.sum(list(known.values()), axis=0, dtype=np.float64), abs=1e-5)
    # Those whose first photo has the lowest SHA-256, in the order of enrolment.
    lowest = sorted(range(people), key=lambda n: sha256(10 * n))[:MOST_PEOPLE]
    looked_at = [f"person {n}" for n in sorted(lowest)]
    assert np.array_equal(cohort.templates, [known[name] for name in looked_at])
    each = photos_each(len(looked_at))
    expected = [
        (owner, unit(*vectors[int(name.split()[1]), photo]).tolist())
        for owner, name in enumerate(looked_at)
        for photo in range(min(each, len(now.faces(name))))
    ]
    assert list(zip(cohort.owner.tolist(), cohort.embeddings.tolist(), strict=True)) == expected


def test_a_cohort_is_of_photos_that_are_embedded(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Ada", unit(0, 1), 2), face("Bob", unit(1, 1), 3)])
    _, second, _ = gallery.snapshot().pending(OTHER)
    gallery.store(OTHER_COMPARISON, [(second, unit(3, 4))])
    cohort = gallery.snapshot().cohort(OTHER)
    assert (cohort.people, cohort.owner.tolist()) == (1, [0])
    assert np.allclose(cohort.embeddings, [[0.6, 0.8]]) and np.allclose(cohort.templates, [[0.6, 0.8]])
    assert cohort.total == pytest.approx([0.6, 0.8], abs=1e-6)


@pytest.mark.parametrize("gallery", [*STORES, "server"], indirect=True)  # a server that searches keeps nothing
def test_a_snapshot_stays_as_it_was(gallery: Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    before = gallery.snapshot()
    records = before.records(DIGEST)
    first = next(records)
    gallery.remove("Ada")
    gallery.rename("Bob", "Robert")
    gallery.add(COMPARISON, [face("Eve", unit(1, 0), 3)])
    assert names(before) == ["Ada", "Bob"]
    assert dict(before.photo_counts()) == {1: 2}
    assert before.search(COMPARISON, unit(1, 0)[None])[0][0].name == "Ada"
    # Each record has its own embedding, whatever was written between the two.
    for record, expected in zip([first, *records], (unit(1, 0), unit(0, 1)), strict=True):
        assert record.embedding is not None
        assert np.array_equal(record.embedding, expected)
    assert names(gallery.snapshot()) == ["Robert", "Eve"]


def test_threads_that_write_lose_nothing(gallery: Gallery) -> None:
    def write(writer: int) -> None:
        for number in range(5):
            gallery.add(COMPARISON, [face(f"{writer} {number}", unit(1, number), number)])

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    now = gallery.snapshot()
    assert sorted(names(now)) == sorted(f"{writer} {number}" for writer in range(3) for number in range(5))
    assert len({record.face.id for record in now.records(DIGEST)}) == 15


@pytest.fixture(scope="module")
def servers(postgres: Server) -> list[Make]:
    return [on(postgres, search) for search in ON_SERVERS.values()]


PEOPLE = st.sampled_from(["Ada", "Bob", "王芳"])
STEPS = st.one_of(
    st.tuples(st.just("add"), PEOPLE, st.integers(0, 4), st.sampled_from([COMPARISON, OTHER_COMPARISON])),
    st.tuples(st.just("rename"), PEOPLE, PEOPLE),
    st.tuples(st.just("remove"), PEOPLE),
    st.tuples(st.just("remove photo"), PEOPLE, st.integers(0, 2)),
    st.tuples(st.just("merge"), PEOPLE, PEOPLE),
    st.tuples(st.just("store"), st.integers(0, 2)),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=8))
def test_all_stores_answer_alike(
    tmp_path_factory: pytest.TempPathFactory, servers: list[Make], steps: list[tuple[object, ...]]
) -> None:
    place = tmp_path_factory.mktemp("alike")
    answers = [seen_after(make(place), steps) for make in (*STORES.values(), *servers)]
    assert all(answer == answers[0] for answer in answers)


def seen_after(gallery: Gallery, steps: list[tuple[object, ...]]) -> list[object]:
    """What can be seen of a gallery after some steps; keys of chips, ids and times left out."""
    told: list[object] = []
    for step, *arguments in steps:
        try:
            told.append(taken(gallery, str(step), arguments))
        except PersonError as error:
            told.append(type(error))
    now = gallery.snapshot()
    told += [(person.name, person.photos) for person in now.people()]
    ids = [person.id for person in now.people()]
    assert ids == sorted(set(ids))
    told.append(sorted(now.photo_counts().items()))
    for comparison in (COMPARISON, OTHER_COMPARISON):
        for record in now.records(comparison.digest):
            embedding = None if record.embedding is None else record.embedding.tolist()
            told.append((record.face.name, record.face.source, embedding))
            gallery.read_chip(record.face)
        try:
            matches = now.search(comparison, np.stack([unit(1, 2), unit(-2, 1)]), top=3)
            told.append([sorted((round(match.distance, 5), match.name) for match in row) for row in matches])
        except NotEmbeddedError as error:
            told.append(type(error))
        told.append(seen_of(now.cohort(comparison.digest)))
    return told


def taken(gallery: Gallery, step: str, arguments: list[object]) -> object:
    match step, arguments:
        case "add", [str(name), int(photo), Comparison() as comparison]:
            return gallery.add(comparison, [face(name, unit(1 + photo, len(name)), photo)])
        case "rename", [str(name), str(new_name)]:
            gallery.rename(name, new_name)
            return None
        case "remove", [str(name)]:
            return gallery.remove(name)
        case "remove photo", [str(name), int(photo)]:
            faces = gallery.snapshot().faces(name)
            return gallery.remove(name, [face.id for face in faces[photo : photo + 1]])
        case "merge", [str(name), str(into)]:
            return gallery.merge(name, into)
        case "store", [int(count)]:
            pending = list(islice(gallery.snapshot().pending(OTHER), count))
            gallery.store(OTHER_COMPARISON, [(enrolled, unit(1, int(enrolled.sha256[:2], 16))) for enrolled in pending])
            return None
    raise AssertionError(step)
