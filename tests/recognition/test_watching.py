"""Whole watches: what is told of scenes whose truth is known."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from facerec_cli import Gallery, Identifier, Recognizer, enroll
from facerec_cli.errors import DatabaseError, VideoError
from facerec_cli.faces.video import Frame
from facerec_cli.gallery.base import Snapshot
from facerec_cli.gallery.chipstore import decode_chip
from facerec_cli.recognition.identification import CurrentIdentifier
from facerec_cli.recognition.visits import Event
from facerec_cli.recognition.watching import Look, watch
from tests.gallery.memory import MemoryGallery
from tests.recognition.scenes import Pixels, Way, background, cutout, frames, scene, still, walk

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/output.schema.json").read_text(encoding="utf-8"))
MACRON, ARDERN, OBAMA = "Emmanuel Macron", "Jacinda Ardern", "unknown 1"


@pytest.fixture(scope="module")
def quick() -> Recognizer:
    return Recognizer("pretrained", quick=True)


@pytest.fixture(scope="module")
def gallery(quick: Recognizer, samples: Path) -> Gallery:
    gallery = MemoryGallery()
    for name, photo in {MACRON: "emmanuel_macron_2014.jpg", ARDERN: "jacinda_ardern_2018.jpg"}.items():
        enroll(quick, gallery, name, [samples / photo])
    return gallery


@pytest.fixture(scope="module")
def identifier(quick: Recognizer, gallery: Gallery) -> Identifier:
    return Identifier(quick, gallery)


@pytest.fixture(scope="module")
def people(samples: Path) -> dict[str, Pixels]:
    photos = {MACRON: "emmanuel_macron_2025.jpg", ARDERN: "jacinda_ardern_2022.jpg", OBAMA: "barack_obama.jpg"}
    return {name: cutout(samples / photo, 240) for name, photo in photos.items()}


@pytest.fixture
def see(quick: Recognizer, identifier: Identifier) -> See:
    return See(quick, identifier)


class See:
    """Watches pictures, ten a second."""

    def __init__(self, recognizer: Recognizer, identifier: Identifier) -> None:
        self.recognizer, self.identifier = recognizer, identifier

    def __call__(self, pictures: Iterable[Pixels], *, is_live: bool = False) -> list[Look]:
        given = frames(pictures)
        return list(watch(self.recognizer, lambda: self.identifier, given, source="clip.mp4", is_live=is_live))


def events(looks: Iterable[Look]) -> list[Event]:
    return [event for look in looks for event in look.events]


def told(looks: Iterable[Look]) -> list[tuple[str, str]]:
    return [(event.kind, event.visit.label) for event in events(looks)]


def check_names(looks: Iterable[Look], ways: dict[str, Way]) -> int:
    """Hold the names shown against who is there; how many faces had one."""
    named = 0
    for look in looks:
        for face in look.tracks:
            x, y = face.box[0] + face.box[2] / 2, face.box[1] + face.box[3] / 2
            near = {
                name
                for name, way in ways.items()
                if (at := way(look.frame.position)) and np.hypot(x - at[0], y - at[1]) < 80
            }
            assert not face.name or face.name in near, (look.frame.position, face)
            named += bool(face.name)
    return named


@pytest.mark.parametrize("is_live", [False, True])
def test_two_people_and_a_stranger_are_told_once_each(see: See, people: dict[str, Pixels], is_live: bool) -> None:
    ways = {MACRON: still(110, 180), ARDERN: still(320, 180, 0.5), OBAMA: walk((530, 170), (540, 190), 2.5)}
    looks = see(scene([(people[name], way) for name, way in ways.items()], 2.5), is_live=is_live)
    assert told(looks) == [*(("arrived", name) for name in ways), *(("left", name) for name in ways)]
    arrivals = {event.visit.label: event.visit for event in events(looks)[:3]}
    assert [round(arrivals[name].first.position, 1) for name in ways] == [0.0, 0.5, 0.0]
    assert [arrivals[name].seconds < 1 for name in ways] == [True, True, False]
    assert check_names(looks, ways) > 50
    assert [look.frame.number for look in looks] == [*range(25), 24]
    for event in events(looks):
        record = event.to_json()
        jsonschema.validate(record, {"$ref": "#/$defs/watch", "$defs": SCHEMA["$defs"]})
        json.dumps(record, allow_nan=False)
        assert (record["source"], record["time"]) == ("clip.mp4", None)
        assert decode_chip(base64.b64decode(record["chip"])).shape == (112, 112, 3)


@pytest.mark.parametrize("who", [(MACRON, ARDERN), (ARDERN, OBAMA)])
def test_two_who_cross_keep_their_names(see: See, people: dict[str, Pixels], who: tuple[str, str]) -> None:
    ways = dict(zip(who, (walk((100, 180), (540, 180), 4.0), walk((540, 170), (100, 170), 4.0)), strict=True))
    looks = see(scene([(people[name], way) for name, way in ways.items()], 4.0))
    assert sorted(told(looks)) == sorted((kind, name) for kind in ("arrived", "left") for name in who)
    assert check_names(looks, ways) > 30
    assert all(event.visit.seconds > 3 for event in events(looks) if event.kind == "left")


def test_who_takes_anothers_place_does_not_take_the_name(see: See, people: dict[str, Pixels]) -> None:
    ways = {MACRON: still(320, 180, 0.0, 1.5), OBAMA: still(320, 180, 1.5, 3.5)}
    looks = see(scene([(people[name], way) for name, way in ways.items()], 3.5))
    assert told(looks) == [("arrived", MACRON), ("arrived", OBAMA), ("left", MACRON), ("left", OBAMA)]
    assert check_names(looks, ways) > 15


def test_who_jumps_from_place_to_place_is_told_once(see: See, people: dict[str, Pixels]) -> None:
    """The first track is too brief to be somebody's, and ends after the second has become theirs."""
    looks = see(scene([(people[MACRON], lambda moment: (110, 180) if moment < 0.05 else (530, 180))], 0.8))
    assert told(looks) == [("arrived", MACRON), ("left", MACRON)]
    assert events(looks)[-1].visit.frames == len(looks) - 1


def test_cuts_hand_no_name_on_and_begin_no_visit(see: See, people: dict[str, Pixels]) -> None:
    first = {ARDERN: still(200, 180), MACRON: still(450, 180)}
    second = {MACRON: still(200, 180), OBAMA: still(450, 180)}
    scenes = [
        list(scene([(people[name], way) for name, way in ways.items()], seconds, background(number)))
        for number, ways, seconds in ((1, first, 1.0), (2, second, 2.0), (1, first, 1.0))
    ]
    looks = see(chain.from_iterable(scenes))
    for begin, end, ways in ((0, 10, first), (10, 30, second), (30, 40, first)):
        check_names(looks[begin:end], ways)
    assert sorted(told(looks)) == sorted((kind, name) for kind in ("arrived", "left") for name in people)


def test_frames_that_are_seconds_apart_tell_each_at_once(
    quick: Recognizer, identifier: Identifier, people: dict[str, Pixels]
) -> None:
    ways = {MACRON: still(200, 180), OBAMA: still(450, 180)}
    pictures = [background(), *scene([(people[name], way) for name, way in ways.items()], 0.3), background()]
    given = frames(pictures, rate=0.2)
    looks = list(watch(quick, lambda: identifier, given, source="camera 0", is_live=True))
    assert [told([look]) for look in looks[:2]] == [[], [("arrived", MACRON), ("arrived", OBAMA)]]
    assert told(looks[2:]) == [("left", MACRON), ("left", OBAMA)]


def test_the_time_of_a_live_source_is_told_and_the_gallery_may_change(
    quick: Recognizer, identifier: Identifier, people: dict[str, Pixels]
) -> None:
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    who: list[Identifier | None] = [None]

    def shown() -> Iterator[Frame]:
        for frame in frames(scene([(people[MACRON], still(320, 180, 0.5))], 5.0), since=since):
            who[0] = identifier if frame.position > 2.5 else None
            yield frame

    looks = list(watch(quick, lambda: who[0], shown(), source="camera 0", is_live=True))
    assert told(looks) == [("arrived", OBAMA), ("arrived", MACRON), ("left", MACRON)]
    assert {event.to_json()["time"] for event in events(looks)} == {"2026-01-02T03:04:05.500000Z"}
    assert {event.visit.number for event in events(looks)} == {1}


def test_what_was_seen_of_a_video_that_breaks_off_is_told(
    quick: Recognizer, identifier: Identifier, people: dict[str, Pixels]
) -> None:
    def broken() -> Iterator[Frame]:
        yield from frames(scene([(people[MACRON], still(320, 180))], 1.0))
        raise VideoError("clip.mp4 breaks off", "copy it again")

    looks = []
    with pytest.raises(VideoError, match="breaks off"):
        for look in watch(quick, lambda: identifier, broken(), source="clip.mp4", is_live=True):
            looks.append(look)
    assert told(looks) == [("arrived", MACRON), ("left", MACRON)]


def test_a_gallery_that_is_gone_loses_nobody_who_was_seen(
    quick: Recognizer, identifier: Identifier, people: dict[str, Pixels]
) -> None:
    asked = iter([identifier] * 3)

    def current() -> Identifier:
        if found := next(asked, None):
            return found
        raise DatabaseError("The disk is away", "bring it back")

    looks = []
    pictures = frames(scene([(people[MACRON], still(320, 180))], 5.0))
    with pytest.raises(DatabaseError, match="away"):
        for look in watch(quick, current, pictures, source="clip.mp4", is_live=True):
            looks.append(look)
    assert told(looks) == [("arrived", MACRON), ("left", MACRON)]


def test_where_nobody_is_nobody_is_told(see: See) -> None:
    assert see([]) == []
    looks = see([background()] * 5)
    assert [(look.tracks, look.events) for look in looks] == [((), ())] * 6


class Changing(MemoryGallery):
    """Somebody else enrols a person right after it was looked at a number of times."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.then: Callable[[], object] = lambda: None

    def snapshot(self) -> Snapshot:
        found = super().snapshot()
        self.looks -= 1
        if self.looks == 0:
            self.then()
        return found


@pytest.mark.parametrize("looks", [1, 2])
def test_who_is_enrolled_while_the_gallery_is_looked_at_is_known(quick: Recognizer, samples: Path, looks: int) -> None:
    gallery = Changing()
    enroll(quick, gallery, MACRON, [samples / "emmanuel_macron_2014.jpg"])
    gallery.looks, gallery.then = looks, lambda: enroll(quick, gallery, ARDERN, [samples / "jacinda_ardern_2018.jpg"])
    current = CurrentIdentifier(quick, gallery)
    assert gallery.looks <= 0
    identifier = current()
    assert identifier is not None
    assert identifier.identify(samples / "jacinda_ardern_2022.jpg").faces[0].name == ARDERN
