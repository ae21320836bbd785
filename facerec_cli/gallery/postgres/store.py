"""A gallery on a PostgreSQL server with pgvector.

Every change is one transaction, which locks the people whom it concerns, in the order of their names, so that no two
wait for each other; its last step gives the gallery a new version and marks them with it. Templates are computed here,
from all embeddings in the order of their faces, as in a folder: with the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import platformdirs
import psycopg

from facerec_cli.encoders.encoder import Embedding
from facerec_cli.encoders.metric import Comparison, templates
from facerec_cli.errors import LostChipError, NameTakenError, NoSchemaError
from facerec_cli.gallery.base import EnrolledFace, Gallery, NewFace, Snapshot, clean_name, nobody_named
from facerec_cli.gallery.chipstore import decode_chip
from facerec_cli.gallery.postgres.connecting import Cursor, Server, one_row
from facerec_cli.gallery.postgres.copy import Copy
from facerec_cli.gallery.postgres.location import Location
from facerec_cli.gallery.postgres.packing import integers, vectors
from facerec_cli.gallery.postgres.schema import check, init
from facerec_cli.gallery.postgres.searching import ServerSnapshot
from facerec_cli.gallery.postgres.snapshot import CopySnapshot

if TYPE_CHECKING:
    from facerec_cli.faces.alignment import Chip

# Whoever is there is locked; ids are given out in the order of enrolment.
_ENROL = """
insert into person (id, name, created)
select id, name, created
from (
    select nextval(pg_get_serial_sequence('person', 'id')) as id, name, created
    from unnest(%s::text[], %s::timestamptz[]) with ordinality as given(name, created, place)
    order by place
) as numbered
order by name
on conflict (name) do update set name = excluded.name
returning id, name
"""
_LOCK = "select id, name from person where name = any(%s) order by name for update"
_LOCK_OF_FACES = """
select id from person where id in (select person from face where id = any(%s)) order by name for update
"""
_ADD = """
with made as (
    insert into face (person, jpeg, sha256, source, score, created) values (%s, %s, %s, %s, %s, %s) returning id
)
insert into embedding (face, digest, embedding) select id, %s, %s from made
"""
_EMBEDDINGS = """
select string_agg(int8send(person), ''), string_agg(vector_send(embedding), '')
from (
    select person, embedding from face join embedding on embedding.face = face.id
    where digest = %s and person = any(%s) order by face.id
) as known
"""
_MARK = """
with now as (update gallery set version = version + 1 returning version),
     changed as (update person set version = now.version from now where id = any(%s)),
     gone as (insert into forgotten (person, version) select person, now.version from unnest(%s::bigint[]) person, now)
select version from now
"""
_MOVE = """
update face set id = moved.new, person = %(into)s
from (
    select id, nextval(pg_get_serial_sequence('face', 'id')) as new
    from (
        select id from face where person = %(person)s
        and sha256 not in (select sha256 from face where person = %(into)s) order by id
    ) as others
) as moved
where face.id = moved.id
"""


# A backup that was restored somewhere is another gallery.
_PLACE = "select system_identifier, 'gallery'::regclass::oid::bigint, current_database() from pg_control_system()"


class PostgresGallery(Gallery):
    """A gallery on a server; see the module's description."""

    def __init__(self, location: Location, *, create: bool = False) -> None:
        """Connect to a server.

        Raises:
            NoDatabaseError: there is no such database, or it has no tables of ours and ``create`` is false.
            DatabaseError: the server does not answer or refuses, or the tables are of another version.
        """
        self.location = location.shown
        self.server = Server(location)
        try:
            check(self.server)
        except NoSchemaError:
            if not create:
                raise
            init(location)
        self._copy = Copy(self.server)

    # ------------------------------------------------------------------ reading

    @property
    def beside(self) -> Path:
        # By what goes with the gallery wherever it is restored to.
        (gallery,) = self.server.row("select id::text from gallery")
        return platformdirs.user_data_path("facerec", appauthor=False) / "galleries" / str(gallery)

    @property
    def identity(self) -> Hashable:
        return self.server.row(_PLACE)

    def snapshot(self) -> Snapshot:
        if self.server.location.search != "memory":
            return ServerSnapshot(self.server)
        return CopySnapshot(self.server, self._copy, self._copy.now())

    def read_jpeg(self, face: EnrolledFace) -> bytes:
        (jpeg,) = self.server.row("select (select jpeg from face where id = %s)", [face.id])
        if jpeg is None:
            raise LostChipError(
                f"The chip of {face.name} in {self.location} is missing", f"enrol {face.source} again", face.source
            )
        return bytes(jpeg)

    def read_chip(self, face: EnrolledFace) -> Chip:
        try:
            return decode_chip(self.read_jpeg(face))
        except ValueError as error:
            raise LostChipError(
                f"The chip of {face.name} in {self.location} cannot be used ({error})",
                f"enrol {face.source} again, or forget it",
                face.source,
            ) from error

    # ------------------------------------------------------------------ writing

    def add(self, comparison: Comparison, faces: Sequence[NewFace]) -> list[bool]:
        return self.server.write(lambda cursor: _added(cursor, comparison, faces)) if faces else []

    def rename(self, name: str, new_name: str) -> None:
        new_name = clean_name(new_name)

        def renamed(cursor: Cursor) -> None:
            people = self._locked(cursor, name, new_name)
            if name not in people:
                raise nobody_named(name, self.location)
            if new_name == name:
                return
            taken = NameTakenError(f"{new_name} is already enrolled in {self.location}", "choose another name")
            if new_name in people:
                raise taken
            try:
                cursor.execute("update person set name = %s where id = %s", [new_name, people[name]])
            except psycopg.errors.UniqueViolation as error:  # enrolled this moment
                raise taken from error
            _mark(cursor, [people[name]])

        self.server.write(renamed)

    def merge(self, name: str, into: str) -> int:
        def merged(cursor: Cursor) -> int:
            people = self._locked(cursor, name, into)
            for one in (name, into):
                if one not in people:
                    raise nobody_named(one, self.location)
            if name == into:
                return 0
            person = people[name]
            _forget_embeddings(cursor, person)
            count = cursor.execute(_MOVE, {"person": person, "into": people[into]}).rowcount
            cursor.execute("delete from person where id = %s", [person])
            _mark(cursor, [people[into]], [person])
            return count

        return self.server.write(merged)

    def remove(self, name: str, photos: Collection[int] | None = None) -> int:
        def removed(cursor: Cursor) -> int:
            person = self._locked(cursor, name).get(name)
            if person is None:
                raise nobody_named(name, self.location)
            there = [face for (face,) in cursor.execute("select id from face where person = %s", [person])]
            gone = [face for face in there if photos is None or face in photos]
            if not gone:
                return 0
            _forget_embeddings(cursor, person)
            if len(gone) == len(there):
                cursor.execute("delete from person where id = %s", [person])
                _mark(cursor, [], [person])
            else:
                cursor.execute("delete from face where id = any(%s)", [gone])
                _mark(cursor, [person])
            return len(gone)

        return self.server.write(removed)

    def store(self, comparison: Comparison, embeddings: Sequence[tuple[EnrolledFace, Embedding]]) -> None:
        if embeddings:
            self.server.write(lambda cursor: _stored(cursor, comparison, embeddings))

    def _locked(self, cursor: Cursor, *names: str) -> dict[str, int]:
        """The ids of those of these who are enrolled; nobody else changes them until the transaction ends."""
        return {name: person for person, name in cursor.execute(_LOCK, [list(names)])}


def _added(cursor: Cursor, comparison: Comparison, faces: Sequence[NewFace]) -> list[bool]:
    now = datetime.fromtimestamp(int(time.time()), timezone.utc)
    since: dict[str, datetime] = {}
    for face in faces:
        since.setdefault(face.name, face.created or now)
    people = {name: person for person, name in cursor.execute(_ENROL, [list(since), list(since.values())])}
    ids = list(people.values())
    known = set(cursor.execute("select person, sha256 from face where person = any(%s)", [ids]))
    is_new: list[bool] = []
    for face in faces:
        key = people[face.name], face.sha256
        is_new.append(key not in known)
        known.add(key)
    new = [face for face, is_one in zip(faces, is_new, strict=True) if is_one]
    if new:
        cursor.executemany(
            _ADD,
            [
                (
                    *(people[face.name], face.jpeg, face.sha256, face.source, face.score, face.created or now),
                    *(comparison.digest, face.embedding),
                )
                for face in new
            ],
        )
        _renew_templates(cursor, comparison, sorted({people[face.name] for face in new}))
    return is_new


def _stored(cursor: Cursor, comparison: Comparison, embeddings: Sequence[tuple[EnrolledFace, Embedding]]) -> None:
    ids = [face.id for face, _ in embeddings]
    cursor.execute(_LOCK_OF_FACES, [ids])
    there = {
        (face, sha256): person
        for face, sha256, person in cursor.execute("select id, sha256, person from face where id = any(%s)", [ids])
    }
    given = {face.id: embedding for face, embedding in embeddings if (face.id, face.sha256) in there}
    if given:
        digest = comparison.digest
        cursor.execute("delete from embedding where digest = %s and face = any(%s)", [digest, list(given)])
        cursor.executemany(
            "insert into embedding (face, digest, embedding) values (%s, %s, %s)",
            [(face, digest, embedding) for face, embedding in given.items()],
        )
        _renew_templates(cursor, comparison, sorted({there[key] for key in there if key[0] in given}))


def _renew_templates(cursor: Cursor, comparison: Comparison, people: Sequence[int]) -> None:
    """Make the templates of some people, who are locked, from all that a model has embedded of them, and mark them."""
    digest = comparison.digest
    packed_owner, packed = one_row(cursor.execute(_EMBEDDINGS, [digest, people]))
    owner = np.searchsorted(people, integers(packed_owner)).astype(np.int64)
    means = templates(vectors(packed), owner, len(people), comparison.metric)
    version = _mark(cursor, people)
    cursor.execute("delete from template where digest = %s and person = any(%s)", [digest, people])
    cursor.executemany(
        "insert into template (person, digest, template, version) values (%s, %s, %s, %s)",
        [
            (person, digest, mean if np.isfinite(mean).all() else None, version)
            for person, mean in zip(people, means, strict=True)
        ],
    )


def _forget_embeddings(cursor: Cursor, person: int) -> None:
    """Forget what all models made of a person's photos: templates are of all of them."""
    cursor.execute("delete from template where person = %s", [person])
    cursor.execute("delete from embedding where face in (select id from face where person = %s)", [person])


def _mark(cursor: Cursor, changed: Sequence[int], gone: Sequence[int] = ()) -> int:
    """Give the gallery its next version, for readers to see who has changed and who is gone; returns it."""
    (version,) = one_row(cursor.execute(_MARK, [changed, list(gone)]))
    return int(version)
