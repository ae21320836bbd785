"""The server of a gallery goes away in the middle: one sentence, and what was told before is there when it is back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from facerec_cli import Gallery, Identifier, Recognizer, enroll, open_gallery
from facerec_cli.errors import UnreachableDatabaseError
from facerec_cli.faces.sources import parse_source
from facerec_cli.faces.video import Stream
from facerec_cli.recognition.copying import copy_people
from facerec_cli.recognition.identification import CurrentIdentifier
from facerec_cli.recognition.watching import watch
from tests.servers import Server, postgres_server
from tests.videos import pan, write_video

Item = TypeVar("Item")
ARDERN = "Jacinda Ardern"


@pytest.fixture
def server() -> Iterator[Server]:
    """One of the test's own, which it may stop."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def gallery(server: Server, recognizer: Recognizer, samples: Path) -> Gallery:
    """With one person enrolled."""
    gallery = open_gallery(server.create_database(), create=True)
    enroll(recognizer, gallery, ARDERN, [samples / "jacinda_ardern_2018.jpg"])
    return gallery


def stopping(server: Server, items: Iterable[Item], after: int) -> Iterator[Item]:
    """Items, with the server killed before one of them."""
    for number, item in enumerate(items):
        if number == after:
            server.stop("immediate")
        yield item


def test_amid_an_enrolment_and_a_copy(
    server: Server, gallery: Gallery, recognizer: Recognizer, samples: Path, tmp_path: Path
) -> None:
    folder = open_gallery(tmp_path / "database", create=True)
    for name, photo in {"Rishi Sunak": "rishi_sunak.jpg", "Barack Obama": "barack_obama.jpg"}.items():
        enroll(recognizer, folder, name, [samples / photo])
    photos = [samples / "jacinda_ardern_2022.jpg", samples / "emmanuel_macron_2014.jpg"]
    with pytest.raises(UnreachableDatabaseError) as lost:
        enroll(recognizer, gallery, ARDERN, stopping(server, photos, 1))
    assert re.match(rf"{re.escape(gallery.location)} does not answer|The connection to .* was lost", str(lost.value))
    assert lost.value.remedy
    with pytest.raises(UnreachableDatabaseError):
        copy_people(recognizer, folder, gallery)
    server.start()
    assert [(person.name, person.photos) for person in gallery.snapshot().people()] == [(ARDERN, 1)]
    assert copy_people(recognizer, folder, gallery).new == 2
    (face,) = Identifier(recognizer, gallery).identify(samples / "jacinda_ardern_2022.jpg").faces
    assert face.name == ARDERN


def test_amid_a_video(server: Server, gallery: Gallery, recognizer: Recognizer, samples: Path, tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mp4", pan(samples / "jacinda_ardern_2022.jpg"))
    identifier = CurrentIdentifier(recognizer, gallery)
    with Stream(parse_source(str(film))) as stream, pytest.raises(UnreachableDatabaseError):
        list(watch(recognizer, identifier, stopping(server, stream, 2), source="film", is_live=False))
