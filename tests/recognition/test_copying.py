"""Galleries copied from store to store: to the bit, as far as it got, and told where it is not the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from facerec_cli import Gallery, Recognizer, open_gallery
from facerec_cli.encoders.metric import Comparison
from facerec_cli.errors import DatabaseError, LostChipError, UnusableLocationError
from facerec_cli.gallery.base import NewFace
from facerec_cli.gallery.chipstore import encode_chip
from facerec_cli.recognition.comparing import compare_copy
from facerec_cli.recognition.copying import copy_people
from tests.gallery.faces import OTHER_COMPARISON, unit
from tests.gallery.memory import MemoryGallery
from tests.servers import Server

BEGAN = datetime(2020, 2, 29, 12, 0, tzinfo=timezone.utc)
PEOPLE = ["Ada Lovelace", "Blaise Pascal", "Ada Lovelace", "Émilie du Châtelet", "Carl Friedrich Gauß"]
STORES = ["folder", "memory", "server", "searching server"]
Make = Callable[[str], Gallery]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes an empty gallery in a store."""

    def new(store: str) -> Gallery:
        if store == "memory":
            return MemoryGallery()
        if store == "folder":
            return open_gallery(tmp_path / f"database-{len(list(tmp_path.iterdir()))}", create=True)
        server: Server = request.getfixturevalue("postgres")
        searching = "?search=server" if store.startswith("searching") else ""
        return open_gallery(server.create_database() + searching, create=True)

    return new


def picture(number: int) -> bytes:
    return encode_chip(np.random.default_rng(number).integers(0, 256, (112, 112, 3), np.uint8))


def filled(gallery: Gallery, comparison: Comparison, size: int = 128) -> Gallery:
    """With five photos of four people, enrolled a day apart."""
    faces = []
    for number, name in enumerate(PEOPLE):
        embedding = unit(*np.random.default_rng(number).normal(size=size))
        sha256 = hashlib.sha256(str(number).encode()).hexdigest()
        created = BEGAN + timedelta(days=number)
        faces.append(NewFace(name, picture(number), embedding, sha256, f"{number}.png", 0.75, created))
    gallery.add(comparison, faces)
    return gallery


def contents(gallery: Gallery, digest: str) -> list[object]:
    """All that is kept, but for ids and keys."""
    snapshot = gallery.snapshot()
    people: list[object] = [(person.name, person.photos, person.created) for person in snapshot.people()]
    for record in snapshot.records(digest):
        face, known = record.face, record.embedding
        told = replace(face, id=0, chip="")
        people.append((told, gallery.read_jpeg(face), None if known is None else known.tobytes()))
    return people


@pytest.mark.parametrize("target", STORES)
@pytest.mark.parametrize("source", STORES)
def test_a_copy_has_the_same_bits_and_times(source: str, target: str, make: Make, recognizer: Recognizer) -> None:
    digest = recognizer.comparison.digest
    original, copy = filled(make(source), recognizer.comparison), make(target)
    told: list[tuple[int, int]] = []
    copied = copy_people(recognizer, original, copy, lambda done, total: told.append((done, total)))
    assert (copied.new, copied.embedded, told) == (5, 0, [(number, 5) for number in range(1, 6)])
    assert contents(copy, digest) == contents(original, digest)
    compared = compare_copy(copied.people, original, copy)
    assert compared.source == compared.target
    assert (compared.target.people, compared.target.photos, len(compared.target.sha256)) == (4, 5, 64)
    assert (compared.problems, compared.other_people, compared.other_photos) == ([], 0, 0)
    assert copy_people(recognizer, original, copy).new == 0


@pytest.mark.parametrize("target", STORES)
def test_what_is_interrupted_keeps_what_was_done_and_goes_on(target: str, make: Make, recognizer: Recognizer) -> None:
    original, copy = filled(make("folder"), recognizer.comparison), make(target)

    def stop(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_people(recognizer, original, copy, stop)
    assert sum(person.photos for person in copy.snapshot().people()) == 3
    assert copy_people(recognizer, original, copy).new == 2
    digest = recognizer.comparison.digest
    assert contents(copy, digest) == contents(original, digest)


def test_what_the_source_has_not_embedded_is_embedded_from_the_chip(make: Make, recognizer: Recognizer) -> None:
    original, copy = filled(make("folder"), OTHER_COMPARISON), make("folder")
    copied = copy_people(recognizer, original, copy)
    assert (copied.new, copied.embedded) == (5, 5)
    for record in copy.snapshot().records(recognizer.comparison.digest):
        (expected,) = recognizer.embed_enrolled([copy.read_chip(record.face)])
        assert record.embedding is not None
        assert record.embedding.tobytes() == expected.tobytes()
    assert original.snapshot().pending_count(recognizer.comparison.digest) == 5


def test_who_is_in_the_target_gets_the_photos_there(make: Make, recognizer: Recognizer) -> None:
    original, copy = filled(make("folder"), recognizer.comparison), make("folder")
    embedding = unit(*np.random.default_rng(9).normal(size=128))
    own = NewFace("Ada Lovelace", picture(9), embedding, "9" * 64, "own.png", 0.5)
    copy.add(recognizer.comparison, [own, replace(own, name="Somebody else")])
    copied = copy_people(recognizer, original, copy)
    photos = {person.name: person.photos for person in copy.snapshot().people()}
    assert photos["Ada Lovelace"] == 3
    compared = compare_copy(copied.people, original, copy)
    assert compared.source == compared.target
    assert (compared.problems, compared.other_people, compared.other_photos) == ([], 1, 2)


def test_a_lost_chip_is_told_and_the_others_are_copied(make: Make, recognizer: Recognizer, tmp_path: Path) -> None:
    original, copy = filled(make("folder"), recognizer.comparison), make("memory")
    missing, damaged = (original.snapshot().faces(name)[0] for name in ("Ada Lovelace", "Blaise Pascal"))
    (tmp_path / "database-0" / missing.chip).unlink()
    (tmp_path / "database-0" / damaged.chip).write_bytes(b"no picture")
    copied = copy_people(recognizer, original, copy)
    assert copied.new == 3
    compared = compare_copy(copied.people, original, copy)
    assert [type(problem) for problem in compared.problems] == [LostChipError, LostChipError]
    assert compared.source == compared.target
    assert (compared.target.people, compared.target.photos) == (3, 3)


def test_a_copy_that_is_not_the_same_is_told(make: Make, recognizer: Recognizer) -> None:
    original, copy = filled(make("folder"), recognizer.comparison), make("memory")
    copied = copy_people(recognizer, original, copy)
    copy.remove("Blaise Pascal")
    (other,) = copy.snapshot().faces("Émilie du Châtelet")
    assert isinstance(copy, MemoryGallery)
    copy.chips.add(other.chip, picture(77))
    compared = compare_copy(copied.people, original, copy)
    assert [(type(problem), str(problem)) for problem in compared.problems] == [
        (DatabaseError, "1.png of Blaise Pascal is missing in memory"),
        (DatabaseError, "3.png of Émilie du Châtelet has another chip in memory"),
    ]
    assert compared.source.sha256 != compared.target.sha256
    assert (compared.target.people, compared.target.photos) == (3, 4)


def test_a_gallery_is_not_copied_to_itself(make: Make, recognizer: Recognizer, tmp_path: Path) -> None:
    original = filled(make("folder"), recognizer.comparison)
    (tmp_path / "link").symlink_to(tmp_path / "database-0")
    with pytest.raises(UnusableLocationError):
        copy_people(recognizer, original, open_gallery(tmp_path / "link"))


def test_a_server_is_not_copied_to_itself(make: Make, recognizer: Recognizer, postgres: Server) -> None:
    url = postgres.create_database()
    open_gallery(url, create=True)
    with pytest.raises(UnusableLocationError):
        copy_people(recognizer, open_gallery(url), open_gallery(f"{url}?search=server"))
