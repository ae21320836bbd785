"""Strangers as they are kept: what is grouped, what is not kept, and what is forgotten."""

from __future__ import annotations

import os
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_cli import Gallery, Photo, Recognizer, enroll, open_gallery
from facerec_cli.defaults import UNKNOWN
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.errors import DatabaseError
from facerec_cli.faces.extraction import Face
from facerec_cli.faces.images import pixels
from facerec_cli.gallery.base import Person
from facerec_cli.gallery.place import STRANGERS
from facerec_cli.recognition.following import Instant
from facerec_cli.recognition.results import Decision
from facerec_cli.recognition.visits import Visit
from facerec_cli.service import grouping
from facerec_cli.service.strangers import MIN_QUALITY, MOST_ENROLLED, SHOWN, Strangers

DAY = 86_400.0


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return open_gallery(tmp_path / "database", create=True)


@pytest.fixture
def folder(gallery: Gallery) -> Path:
    return Path(gallery.location)


@pytest.fixture
def strangers(recognizer: Recognizer, gallery: Gallery, folder: Path, clock: Clock) -> Strangers:
    return Strangers(folder, recognizer, gallery, timedelta(days=30), clock)


@pytest.fixture(scope="module")
def face(recognizer: Recognizer, samples: Path) -> Face:
    """A good one."""
    return recognizer.extract(samples / "barack_obama.jpg").one_face()


def sha256(number: int) -> str:
    return f"{number:064x}"


def person(number: int) -> Embedding:
    """An embedding at right angles to every other person's."""
    embedding = np.zeros(128, np.float32)
    embedding[number] = 1
    return embedding


def see(strangers: Strangers, face: Face, who: int, photo: int, source: str | None = None) -> int | None:
    (group,) = strangers.remember(source or f"{photo}.jpg", sha256(photo), [face], person(who)[None])
    return group


def groups(strangers: Strangers) -> list[tuple[int, int]]:
    """Each group's id, and how often it was seen."""
    return [(group.id, group.seen) for group in strangers.page(None, 1_000)[0]]


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob(f"{STRANGERS}*")))


def seen_in(strangers: Strangers, recognizer: Recognizer, photo: Path) -> int | None:
    """A photo of somebody as the service would remember it."""
    embedded = recognizer.embed_photo(photo)
    at_hand = Photo(photo.name, photo.read_bytes())
    (group,) = strangers.remember(at_hand.source, at_hand.sha256, embedded.faces, embedded.embeddings)
    return group


def test_one_person_is_one_group_and_the_same_photo_adds_nothing(
    strangers: Strangers, recognizer: Recognizer, samples: Path, clock: Clock
) -> None:
    ardern = [seen_in(strangers, recognizer, samples / f"jacinda_ardern_{year}.jpg") for year in (2018, 2022)]
    obama = seen_in(strangers, recognizer, samples / "barack_obama.jpg")
    assert ardern[0] == ardern[1] != obama
    clock.now += 3_600
    assert seen_in(strangers, recognizer, samples / "jacinda_ardern_2018.jpg") == ardern[0]
    (first, second), total = strangers.page(None, 10)
    assert (first.id, first.seen, second.id, second.seen, total) == (ardern[0], 2, obama, 1, 2)
    assert {one.source for one in first.faces} == {"jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg"}
    assert first.first == first.last
    chip = strangers.chip(first.id, first.faces[0].id)
    assert chip is not None
    assert pixels(chip).shape == (112, 112, 3)
    assert strangers.chip(second.id, first.faces[0].id) is None


def test_a_camera_counts_once_a_minute_by_its_best_frame(strangers: Strangers, face: Face, clock: Clock) -> None:
    poorer = Face(face.box, face.landmarks, face.score - 0.03, face.chip)
    assert poorer.quality_score < face.quality_score
    group = see(strangers, poorer, 1, 1, "camera")
    clock.now += 30
    assert see(strangers, face, 1, 2, "camera") == group
    clock.now += 20
    assert see(strangers, poorer, 1, 3, "camera") == group
    ((only,), _) = strangers.page(None, 10)
    assert (only.seen, only.faces[0].quality, only.first, only.last) == (1, face.quality_score, only.first, only.first)
    clock.now += 10.5
    see(strangers, face, 1, 4, "camera")
    see(strangers, face, 1, 5, "elsewhere")
    assert groups(strangers) == [(group, 3)]


def test_what_is_doubtful_or_very_poor_is_not_remembered(strangers: Strangers, face: Face) -> None:
    doubtful = Face(face.box, face.landmarks, face.score, face.chip, doubtful=True)
    poor = Face(face.box, face.landmarks, face.score - 0.2, face.chip)
    assert poor.quality_score < MIN_QUALITY < face.quality_score
    embeddings = np.stack([person(number) for number in range(3)])
    remembered = strangers.remember("crowd.jpg", sha256(1), [doubtful, face, poor], embeddings)
    assert [group is None for group in remembered] == [True, False, True]
    assert groups(strangers) == [(remembered[1], 1)]


def test_what_is_old_goes_and_nothing_of_it_is_left(
    strangers: Strangers, face: Face, clock: Clock, folder: Path, recognizer: Recognizer, gallery: Gallery
) -> None:
    both, old = see(strangers, face, 1, 1), see(strangers, face, 2, 2)
    ((group,), _) = strangers.page(None, 1)
    chip = strangers.chip(group.id, group.faces[0].id)
    assert chip is not None
    assert chip[300:400] in everything(folder)
    clock.now += 20 * DAY
    see(strangers, face, 1, 3)
    assert groups(strangers) == [(both, 2), (old, 1)]
    clock.now += 11 * DAY
    assert groups(strangers) == [(both, 1)]
    clock.now += 20 * DAY
    strangers.close()
    Strangers(folder, recognizer, gallery, timedelta(days=30), clock)
    assert chip[300:400] not in everything(folder)
    assert b"1.jpg" not in everything(folder)


def test_what_is_forgotten_is_in_no_file(strangers: Strangers, face: Face, folder: Path) -> None:
    first, second = see(strangers, face, 1, 1, "first.jpg"), see(strangers, face, 2, 2, "second.jpg")
    assert first is not None
    assert strangers.forget(first)
    assert not strangers.forget(first)
    assert b"first.jpg" not in everything(folder)
    assert groups(strangers) == [(second, 1)]
    strangers.forget_all()
    assert groups(strangers) == []
    assert b"second.jpg" not in everything(folder)
    third = see(strangers, face, 1, 1)
    assert third not in (first, second)


def test_there_are_bounds(strangers: Strangers, face: Face, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MOST_GROUPS", 3)
    monkeypatch.setattr(grouping, "MOST_FACES", 4)
    ids = []
    for number in range(5):
        clock.now += 100
        ids.append(see(strangers, face, number, number))
    assert sorted(group for group, _ in groups(strangers)) == ids[2:]
    for photo in range(10, 17):
        clock.now += 100
        assert see(strangers, face, 4, photo) == ids[4]
    assert groups(strangers)[0] == (ids[4], 4)
    (largest, *_), _ = strangers.page(None, 1)
    assert {one.source for one in largest.faces} == {f"{photo}.jpg" for photo in range(13, 17)}


def test_few_faces_of_a_group_are_shown(strangers: Strangers, face: Face, clock: Clock) -> None:
    for photo in range(SHOWN + 3):
        see(strangers, face, 1, photo)
    ((group,), _) = strangers.page(None, 1)
    assert (group.seen, len(group.faces)) == (SHOWN + 3, SHOWN)


def test_pages_meet(strangers: Strangers, face: Face) -> None:
    photo = 0
    for who, times in enumerate([1, 3, 2, 3, 1]):
        for _ in range(times):
            photo += 1
            see(strangers, face, who, photo)
    found, after = [], None
    while page := strangers.page(after, 2)[0]:
        found += page
        after = page[-1].place
    assert [group.seen for group in found] == [3, 3, 2, 1, 1]
    assert len({group.id for group in found}) == 5


def test_naming_a_group_enrols_it_and_keeps_where_they_were_seen(
    strangers: Strangers, recognizer: Recognizer, gallery: Gallery, samples: Path, clock: Clock, folder: Path
) -> None:
    years = (2018, 2022)
    for year in years:
        group = seen_in(strangers, recognizer, samples / f"jacinda_ardern_{year}.jpg")
        clock.now += DAY
    assert group is not None
    named = strangers.name(group, " Jacinda Ardern")
    assert named is not None
    assert (named.person.name, named.person.photos) == ("Jacinda Ardern", 2)
    assert {outcome.status for outcome in named.enrolments} == {"enrolled"}
    assert [sighting.source for sighting in named.sightings] == ["jacinda_ardern_2022.jpg", "jacinda_ardern_2018.jpg"]
    assert groups(strangers) == []
    assert strangers.name(group, "Jacinda Ardern") is None
    enrolled = enroll(recognizer, gallery, "Jacinda Ardern", [samples / f"jacinda_ardern_{year}.jpg" for year in years])
    assert {one.status for one in enrolled} == {"already enrolled"}
    assert strangers.sightings(named.person) == named.sightings
    follow(strangers, gallery, named.person, clock)


def follow(strangers: Strangers, gallery: Gallery, ardern: Person, clock: Clock) -> None:
    """Sightings go with the person, until they expire, or the person is gone."""
    gallery.rename("Jacinda Ardern", "Ardern")
    renamed = gallery.snapshot().person("Ardern")
    assert strangers.sightings(renamed) == []
    strangers.renamed(ardern, renamed)
    assert len(strangers.sightings(renamed)) == 2
    other = Person(77, "Somebody", 1, renamed.created)
    strangers.renamed(renamed, other)
    assert (strangers.sightings(renamed), len(strangers.sightings(other))) == ([], 2)
    strangers.renamed(other, renamed)
    clock.now += 28.5 * DAY
    assert [sighting.source for sighting in strangers.sightings(renamed)] == ["jacinda_ardern_2022.jpg"]
    gallery.remove("Ardern")
    strangers.expire()
    assert strangers.sightings(renamed) == []


def test_of_many_faces_the_best_are_enrolled(strangers: Strangers, gallery: Gallery, face: Face, clock: Clock) -> None:
    best = Face(face.box, face.landmarks, 0.99, face.chip)
    for photo in range(MOST_ENROLLED + 5):
        group = see(strangers, best if photo > 4 else face, 1, photo)
    assert group is not None
    named = strangers.name(group, "Somebody")
    assert named is not None
    assert (named.person.photos, len(named.sightings)) == (MOST_ENROLLED, MOST_ENROLLED + 5)
    assert {one.source for one in gallery.snapshot().faces("Somebody")} == {f"{photo}.jpg" for photo in range(5, 25)}


def test_another_model_begins_groups_of_its_own(
    strangers: Strangers, recognizer: Recognizer, folder: Path, face: Face, clock: Clock
) -> None:
    group = see(strangers, face, 1, 1)
    with sqlite3.connect(folder / STRANGERS) as db:
        db.execute("UPDATE groups SET digest = 'another'")
    assert see(strangers, face, 1, 2) != group
    assert len(groups(strangers)) == 2
    named = strangers.name(group or 0, "Somebody")
    assert named is not None
    assert named.person.photos == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_the_file_is_as_private_as_the_folder(
    recognizer: Recognizer, gallery: Gallery, folder: Path, mode: int
) -> None:
    folder.chmod(mode)
    before = os.umask(0)
    try:
        Strangers(folder, recognizer, gallery, timedelta(days=1))
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / STRANGERS).stat().st_mode) == mode & 0o666


def test_a_file_that_is_none_is_told(recognizer: Recognizer, gallery: Gallery, folder: Path) -> None:
    path = folder / STRANGERS
    path.write_bytes(b"no database " * 1_000)
    with pytest.raises(DatabaseError, match="is damaged"):
        Strangers(folder, recognizer, gallery, timedelta(days=1))
    path.unlink()
    path.symlink_to(folder / "elsewhere")
    with pytest.raises(DatabaseError, match="is a link"):
        Strangers(folder, recognizer, gallery, timedelta(days=1))
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseError, match="newer facerec"):
        Strangers(folder, recognizer, gallery, timedelta(days=1))


@settings(max_examples=20, deadline=None)
@given(looks=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.floats(0, 9 * DAY)), max_size=20))
def test_a_group_is_what_its_faces_are(
    looks: list[tuple[int, int, float]],
    recognizer: Recognizer,
    face: Face,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever comes, and expires: counts, times and means follow from the faces that are left."""
    folder, clock = tmp_path_factory.mktemp("groups"), Clock()
    gallery = open_gallery(folder, create=True)
    strangers = Strangers(folder, recognizer, gallery, timedelta(days=30), clock)
    for who, photo, wait in looks:
        see(strangers, face, who, photo)
        clock.now += wait
    strangers.expire()
    strangers.close()
    with sqlite3.connect(folder / STRANGERS) as db:
        rows = db.execute("SELECT id, seen, first, last, mean FROM groups ORDER BY id").fetchall()
        for group, seen, first, last, mean in rows:
            faces = db.execute('SELECT seen, embedding FROM faces WHERE "group" = ?', [group]).fetchall()
            times = [when for when, _ in faces]
            assert (len(faces), min(times), max(times)) == (seen, first, last)
            assert {embedding for _, embedding in faces} == {mean}
            assert min(times) >= clock.now - 30 * DAY
        assert db.execute("SELECT count(*) FROM faces").fetchone() == (sum(seen for _, seen, *_ in rows),)
    looked = {(who, photo) for (who, photo, _) in looks}
    assert sum(seen for _, seen, *_ in rows) <= len(looked)


def test_a_visit_stays_in_its_group_and_brings_back_nobody_who_was_forgotten(strangers: Strangers, face: Face) -> None:
    def visit(embedding: Embedding, stranger: int | None) -> Visit:
        first = Instant(0.0, None)
        return Visit(1, Decision(UNKNOWN, (), 0.5), stranger, first, first, 9, face, first, embedding)

    group = strangers.remember_visit("door", visit(person(0), None))
    assert group is not None
    assert strangers.remember_visit("door", visit(person(1), group)) == group
    assert strangers.page(None, 9)[1] == 1
    assert strangers.forget(group)
    assert strangers.remember_visit("door", visit(person(0), group)) is None
    assert strangers.page(None, 9)[1] == 0
