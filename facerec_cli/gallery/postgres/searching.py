"""A snapshot that keeps nothing: the server searches, for galleries larger than a process's memory.

``search=server`` is exact. ``search=hnsw`` looks only at people whom pgvector's index (Malkov and Yashunin, "Efficient
and robust approximate nearest neighbor search using hierarchical navigable small world graphs", 2018) finds likely:
their distances are the exact ones, so that no stranger is named who would not be without it; but it overlooks some
people (``benchmarks/README.md`` has how many).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from datetime import timezone
from functools import partial
from typing import Any

import numpy as np

from facerec_cli.encoders.cohort import Cohort
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import Comparison
from facerec_cli.errors import NotEmbeddedError
from facerec_cli.gallery.base import EnrolledFace, Match, Person, Record, Snapshot, nobody_named
from facerec_cli.gallery.postgres.cohort import cohort_of
from facerec_cli.gallery.postgres.connecting import Server
from facerec_cli.gallery.postgres.nearest import nearest_people, pages, template_pages
from facerec_cli.gallery.postgres.packing import kept_name, vectors

_PEOPLE = """
select person.id, person.name, count(*), person.created
from person join face on face.person = person.id where {which} group by person.id order by person.id limit %(most)s
"""
_FACES = """
select face.person, face.id, person.name, face.sha256, face.source, face.score, face.created, {embedding}
from face join person on person.id = face.person {join}
where {which} order by face.person, face.id limit %(most)s
"""
_EMBEDDED = "left join embedding on embedding.face = face.id and embedding.digest = %(digest)s"
_AFTER = "(face.person, face.id) > (%(person)s, %(face)s)"
_WITHOUT = """
select id, name from person
where id > %(person)s
and not exists (select from template where person = person.id and digest = %(digest)s and template is not null)
order by id limit %(most)s
"""


class ServerSnapshot(Snapshot):
    """What the server answers: each call, and each page of what is walked through, as it is then."""

    def __init__(self, server: Server) -> None:
        """Note the version.

        Args:
            server: of the gallery.

        Raises:
            DatabaseError: the server refuses, or does not answer.
        """
        self.location = server.location.shown
        self._server = server
        self._version = server.row("select history, version from gallery")

    @property
    def version(self) -> Hashable:
        return self._version

    def people(self, after: int = 0) -> Iterator[Person]:
        query = _PEOPLE.format(which="person.id > %(person)s")
        for page in pages(self._rows, query, {}, person=after):
            yield from map(_person, page)

    def person(self, name: str) -> Person:
        rows = self._rows(_PEOPLE.format(which="person.name = %(name)s"), {"name": kept_name(name), "most": 1})
        if not rows:
            raise nobody_named(name, self.location)
        return _person(rows[0])

    def faces(self, name: str) -> list[EnrolledFace]:
        query = _FACES.format(embedding="null", join="", which="person.name = %(name)s")
        rows = self._rows(query, {"name": kept_name(name), "most": None})
        if not rows:
            self.person(name)
        return [_face(row) for row in rows]

    def has_photo(self, name: str, sha256: str) -> bool:
        query = "select 1 from face join person on person.id = person where name = %(name)s and sha256 = %(sha256)s"
        return bool(self._rows(query, {"name": kept_name(name), "sha256": sha256}))

    def photo_counts(self) -> Mapping[int, int]:
        counted = "(select count(*) as photos from face group by person) as counted"
        return dict(self._rows(f"select photos, count(*) from {counted} group by photos order by photos", {}))

    def records(self, digest: str) -> Iterator[Record]:
        query = _FACES.format(embedding="vector_send(embedding.embedding)", join=_EMBEDDED, which=_AFTER)
        for page in pages(self._rows, query, {"digest": digest}, person=0, face=0):
            for row in page:
                yield Record(_face(row), None if row[-1] is None else vectors(row[-1])[0])

    def pending(self, digest: str) -> Iterator[EnrolledFace]:
        query = _FACES.format(embedding="null", join=_EMBEDDED, which=f"embedding.face is null and {_AFTER}")
        for page in pages(self._rows, query, {"digest": digest}, person=0, face=0):
            yield from map(_face, page)

    def pending_count(self, digest: str) -> int:
        # Two counts of an index each: no face need be looked up.
        embedded = "(select count(*) from embedding where digest = %(digest)s)"
        return int(self._rows(f"select (select count(*) from face) - {embedded}", {"digest": digest})[0][0])

    def template(self, digest: str, name: str) -> Embedding:
        person = self.person(name)
        query = "select vector_send(template) from template where person = %(person)s and digest = %(digest)s"
        for (template,) in self._rows(query, {"person": person.id, "digest": digest}):
            if template is not None:
                return np.asarray(vectors(template)[0])
        raise NotEmbeddedError(f"None of the photos of {name} in {self.location} is embedded", "enrol one again")

    def templates(self, digest: str) -> Iterator[tuple[list[str], Embeddings]]:
        for page in template_pages(self._rows, digest):
            yield page.names, page.templates

    def without_template(self, digest: str) -> Iterator[str]:
        for page in pages(self._rows, _WITHOUT, {"digest": digest}, person=0):
            yield from (name for _, name in page)

    def cohort(self, digest: str) -> Cohort:
        return self._server.read(partial(cohort_of, digest=digest))

    def search(self, comparison: Comparison, probes: Embeddings, top: int = 1) -> list[list[Match]]:
        location = self._server.location
        found = self._server.read(
            partial(nearest_people, comparison=comparison, probes=probes, top=top, location=location)
        )
        if not any(found) and self.photo_counts() and next(self.templates(comparison.digest), None) is None:
            raise NotEmbeddedError(
                f"None of the photos in {self.location} is embedded by this model", "embed them, or enrol them again"
            )
        return found

    def _rows(self, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return self._server.read(lambda cursor: cursor.execute(query, values, binary=True).fetchall())


def _person(row: tuple[Any, ...]) -> Person:
    person_id, name, photos, created = row
    return Person(person_id, name, photos, created.astimezone(timezone.utc))


def _face(row: tuple[Any, ...]) -> EnrolledFace:
    _, face_id, name, sha256, source, score, created, _ = row
    return EnrolledFace(face_id, name, str(face_id), sha256, source, score, created.astimezone(timezone.utc))
