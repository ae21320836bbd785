from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facerec_cli import Gallery, Identifier, Recognizer, enroll
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.faces.extraction import Face
from facerec_cli.recognition.attendance import Attendance
from facerec_cli.recognition.following import Instant, Portrait, Subject
from facerec_cli.recognition.likeness import Likeness
from facerec_cli.recognition.numbering import Remembered
from facerec_cli.recognition.tracking import Step, Track
from facerec_cli.recognition.visits import GONE, Event, Stay
from tests.gallery.memory import MemoryGallery

ENROLLED = {"Emmanuel Macron": "emmanuel_macron_2014.jpg", "Jacinda Ardern": "jacinda_ardern_2018.jpg"}
PEOPLE = {
    "Emmanuel Macron": "emmanuel_macron_2025.jpg",
    "Jacinda Ardern": "jacinda_ardern_2022.jpg",
    "Barack Obama": "barack_obama.jpg",
    "Rishi Sunak": "rishi_sunak.jpg",
}
RATE = 5.0


@pytest.fixture(scope="module")
def gallery(recognizer: Recognizer, samples: Path) -> Gallery:
    gallery = MemoryGallery()
    for name, photo in ENROLLED.items():
        enroll(recognizer, gallery, name, [samples / photo])
    return gallery


@pytest.fixture(scope="module")
def identifier(recognizer: Recognizer, gallery: Gallery) -> Identifier:
    return Identifier(recognizer, gallery)


@pytest.fixture(scope="module")
def people(recognizer: Recognizer, samples: Path) -> dict[str, tuple[Face, Embedding]]:
    faces = {name: recognizer.extract(samples / photo).faces[0] for name, photo in PEOPLE.items()}
    embeddings = recognizer.embed([face.chip for face in faces.values()])
    return dict(zip(faces, zip(faces.values(), embeddings, strict=True), strict=True))


class Room:
    """People who come and go, each on a track of its own, as an attendance sees them."""

    def __init__(
        self, recognizer: Recognizer, identifier: Identifier | None, people: dict[str, tuple[Face, Embedding]]
    ) -> None:
        self.likeness, self.identifier, self.people = Likeness(recognizer.bundle), identifier, people
        self.attendance = Attendance(self.likeness, "the room", Remembered(self.likeness))
        self.here: dict[str, Subject] = {}
        self.spread = 0.02
        self.noise = np.random.default_rng(0)
        self.frame = 0

    def show(self, *names: str) -> tuple[Event, ...]:
        """One frame with some people."""
        now = Instant(self.frame / RATE, None)
        self.frame += 1
        for gone in self.here.keys() - set(names):
            subject = self.here.pop(gone)
            self.attendance.place(subject, 1 / RATE, is_over=True)
            self.attendance.lose(subject)
        for name in names:
            face, embedding = self.people[name]
            portrait, step = Portrait(face, now), Step(Track.begun(face, now.position), face, False, False, False)
            subject = self.here.setdefault(name, Subject(self.likeness, portrait))
            subject.see(portrait, step, 1 / RATE)
            self.attendance.see([subject])
            if subject.wants_look(portrait):
                seen = embedding + self.noise.normal(0, self.spread, embedding.shape).astype(np.float32)
                (seen,) = self.likeness.metric.scaled(seen[None])
                assert subject.is_still(seen, portrait)
                self.attendance.ask(self.identifier)
                self.attendance.learn(subject, seen, portrait)
        self.attendance.close(now)
        for name in names:
            self.attendance.place(self.here[name], 1 / RATE)
        return self.attendance.take_events()

    def play(self, *scenes: tuple[float, Sequence[str]]) -> list[Event]:
        """Scenes of so many seconds, and the end."""
        return [*self._shown(scenes), *self.leave()]

    def leave(self) -> tuple[Event, ...]:
        events = self.show()
        self.attendance.close()
        return events + self.attendance.take_events()

    def _shown(self, scenes: Sequence[tuple[float, Sequence[str]]]) -> Iterator[Event]:
        for seconds, names in scenes:
            for _ in range(round(seconds * RATE)):
                yield from self.show(*names)


@pytest.fixture
def room(recognizer: Recognizer, identifier: Identifier, people: dict[str, tuple[Face, Embedding]]) -> Room:
    return Room(recognizer, identifier, people)


def told(events: Sequence[Event]) -> list[tuple[str, int, str, int | None]]:
    return [(one.kind, one.visit.number, one.visit.decision.name, one.visit.stranger) for one in events]


def test_each_is_told_once_and_a_stranger_has_a_number(room: Room) -> None:
    events = room.play((3.0, ["Emmanuel Macron", "Barack Obama"]), (3.0, ["Emmanuel Macron", "Rishi Sunak"]))
    assert told(events) == [
        ("arrived", 1, "Emmanuel Macron", None),
        ("arrived", 2, "unknown", 1),
        ("arrived", 3, "unknown", 2),
        ("left", 1, "Emmanuel Macron", None),
        ("left", 2, "unknown", 1),
        ("left", 3, "unknown", 2),
    ]
    assert [round(one.visit.last.position, 1) for one in events[:3]] == [0.2, 1.4, 4.4]
    assert [round(one.visit.seconds, 1) for one in events[3:]] == [5.8, 2.8, 2.8]
    assert [one.visit.frames for one in events[3:]] == [30, 15, 15]


@pytest.mark.parametrize(("away", "visits"), [(GONE - 1, 1), (GONE + 1, 2)])
@pytest.mark.parametrize("name", ["Jacinda Ardern", "Rishi Sunak"])
def test_who_comes_back_soon_was_there_all_the_time(room: Room, name: str, away: float, visits: int) -> None:
    events = room.play((2.0, [name]), (away, []), (2.0, [name]))
    assert [one.kind for one in events] == ["arrived", "left"] * visits
    assert {one.visit.stranger for one in events} == {None if name in ENROLLED else 1}
    assert sum(one.visit.frames for one in events if one.kind == "left") == 20


def test_nobody_is_known_where_nobody_is_enrolled(
    recognizer: Recognizer, people: dict[str, tuple[Face, Embedding]]
) -> None:
    events = Room(recognizer, None, people).play((2.0, ["Emmanuel Macron"]))
    assert told(events) == [("arrived", 1, "unknown", 1), ("left", 1, "unknown", 1)]
    assert events[0].to_json()["distance"] is None


def test_who_is_enrolled_meanwhile_is_told_by_their_name_in_the_same_visit(
    recognizer: Recognizer, identifier: Identifier, people: dict[str, tuple[Face, Embedding]]
) -> None:
    room = Room(recognizer, None, people)
    events = list(room._shown([(2.0, ["Emmanuel Macron"])]))
    room.identifier = identifier
    events += room.play((3.0, ["Emmanuel Macron"]))
    assert told(events) == [
        ("arrived", 1, "unknown", 1),
        ("arrived", 1, "Emmanuel Macron", None),
        ("left", 1, "Emmanuel Macron", None),
    ]


def test_a_name_is_nobody_elses_while_its_person_is_there(
    recognizer: Recognizer, identifier: Identifier, people: dict[str, tuple[Face, Embedding]]
) -> None:
    twins = {**people, "twin": people["Emmanuel Macron"]}
    events = Room(recognizer, identifier, twins).play((3.0, ["Emmanuel Macron", "twin"]))
    assert [(kind, name) for kind, _, name, _ in told(events)] == [
        ("arrived", "Emmanuel Macron"),
        ("arrived", "unknown"),
        ("left", "Emmanuel Macron"),
        ("left", "unknown"),
    ]


def test_who_is_seen_for_a_moment_is_told_if_known(room: Room) -> None:
    assert told(room.play((0.2, ["Barack Obama", "Jacinda Ardern"]))) == [
        ("arrived", 1, "Jacinda Ardern", None),
        ("left", 1, "Jacinda Ardern", None),
    ]


def test_a_stranger_who_is_glimpsed_again_and_again_is_told(room: Room) -> None:
    glimpse: list[tuple[float, list[str]]] = [(0.2, ["Barack Obama"]), (1.0, [])]
    events = room.play(*(3 * glimpse))
    assert told(events) == [("arrived", 1, "unknown", 1), ("left", 1, "unknown", 1)]
    assert (events[-1].visit.frames, events[-1].visit.first.position) == (3, 0.0)


def test_memory_is_bounded_by_the_last_seconds(room: Room) -> None:
    before = remembered()
    for _ in range(5):
        room.play((0.2, ["Rishi Sunak", "Jacinda Ardern"]), (GONE + 1, []))
        assert remembered() == before


def test_poor_faces_are_told_when_they_are_all_there_is_for_long(
    recognizer: Recognizer, identifier: Identifier, people: dict[str, tuple[Face, Embedding]]
) -> None:
    face, embedding = people["Barack Obama"]
    dim = replace(face, chip=np.asarray(face.chip // 12, np.uint8))
    room = Room(recognizer, identifier, {"dim": (dim, embedding), "wrong": (replace(dim, score=0.82), embedding)})
    assert not room.play((0.4, ["dim"]), (20, []))
    assert not room.play((3, ["wrong"]), (20, []))
    assert told(room.play((3, ["dim"]))) == [("arrived", 1, "unknown", 1), ("left", 1, "unknown", 1)]


@pytest.mark.parametrize(("less", "name"), [(0.05, "Jacinda Ardern"), (0.5, "unknown")])
def test_a_name_is_not_lost_for_a_little_of_the_distance(
    recognizer: Recognizer, gallery: Gallery, people: dict[str, tuple[Face, Embedding]], less: float, name: str
) -> None:
    face, embedding = people["Jacinda Ardern"]
    _, other = people["Rishi Sunak"]
    metric = Likeness(recognizer.bundle).metric
    (decision,) = Identifier(recognizer, gallery).decide(embedding[None])
    strict = Identifier(recognizer, gallery, threshold=decision.candidates[0].distance + 0.002)
    room = Room(recognizer, strict, {"she": (face, embedding)})
    room.spread = 0.0
    events = list(room._shown([(1.0, ["she"])]))
    (further,) = metric.scaled((embedding + less * other)[None])
    room.people["she"] = replace(face, score=min(face.score + 0.01, 1.0)), further
    events += room.play((20.0, ["she"]))
    assert [event.visit.decision.name for event in events] == ["Jacinda Ardern", name]


def remembered() -> int:
    """How many people, and visits, are in memory."""
    gc.collect()
    return sum(isinstance(one, Subject | Stay) for one in gc.get_objects())


SCENES = st.lists(
    st.tuples(st.sampled_from([0.2, 1.0, 3.0, GONE + 1]), st.lists(st.sampled_from(list(PEOPLE)), unique=True)),
    max_size=6,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCENES)
def test_whoever_comes_and_goes_has_one_visit_at_a_time(
    recognizer: Recognizer,
    identifier: Identifier,
    people: dict[str, tuple[Face, Embedding]],
    scenes: list[tuple[float, list[str]]],
) -> None:
    room = Room(recognizer, identifier, people)
    events = room.play(*scenes)
    there: dict[tuple[str, int | None], int] = {}
    past: dict[tuple[str, int | None], float] = defaultdict(lambda: -2 * GONE)
    for event in events:
        who, visit = (event.visit.decision.name, event.visit.stranger), event.visit
        assert visit.decision.is_known == (who[0] in ENROLLED)
        if event.kind == "arrived":
            assert who not in there
            assert visit.first.position - past[who] > GONE
            there[who] = visit.number
        else:
            assert there.pop(who) == visit.number
            past[who] = visit.last.position
    assert not there
    shown = {name for seconds, names in scenes for name in names if seconds >= 1 or name in ENROLLED}
    known = {event.visit.decision.name for event in events} - {"unknown"}
    assert known == shown & ENROLLED.keys()
    assert len({number for _, number in past if number}) >= len(shown - ENROLLED.keys())
    assert len({number for _, number in past if number}) <= 2
