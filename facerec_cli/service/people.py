"""Those who are enrolled, as clients ask for them: by id, page by page, by part of a name."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from facerec_cli.gallery.base import EnrolledFace, Person, Snapshot
from facerec_cli.recognition.results import Enrolment
from facerec_cli.service.problems import problem_of


def person_of(snapshot: Snapshot, person: int) -> Person | None:
    """Whoever has an id, or None.

    An id stays with its person, whatever they are called. Of two who are merged the other's stays. A rebuild keeps the
    ids that the index before it had; where that could not be read, all get new ones.
    """
    found = next(snapshot.people(after=person - 1), None)
    return found if found is not None and found.id == person else None


def face_of(snapshot: Snapshot, person: Person, face: int) -> EnrolledFace | None:
    """A photo of somebody by its id, or None. A merge gives the photos that it moves new ids."""
    return next((one for one in snapshot.faces(person.name) if one.id == face), None)


def search(snapshot: Snapshot, part: str, after: int, limit: int) -> tuple[list[Person], bool, int]:
    """A page of people in the order of their enrolment.

    Args:
        snapshot: of the gallery.
        part: of the names, whatever the case; empty for everybody.
        after: begin behind the person of this id: where the page before ended.
        limit: most people.

    Returns:
        The page, whether more follow, and how many there are on all pages.
    """
    if not part:
        page = list(islice(snapshot.people(after), limit + 1))
        return page[:limit], len(page) > limit, sum(snapshot.photo_counts().values())
    wanted = _plain(part)
    found = [person for person in snapshot.people() if wanted in _plain(person.name)]
    page = [person for person in found if person.id > after]
    return page[:limit], len(page) > limit, len(found)


def person_json(person: Person) -> dict[str, Any]:
    """Somebody as clients see them."""
    return {"id": person.id} | person.to_json()


def outcome_of(enrolment: Enrolment) -> dict[str, Any]:
    """What became of a photo, as clients see it."""
    return enrolment.to_json() | {"error": problem_of(enrolment.error).detail if enrolment.error else None}


def status_of(outcomes: Sequence[Mapping[str, Any]]) -> int:
    """The HTTP status of an enrolment: whether anything is new."""
    return 201 if any(outcome["status"] == "enrolled" for outcome in outcomes) else 200


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
