"""A process's copy, in memory, of who is enrolled on a server: it follows the server by version.

A change on the server marks whoever it concerns with a new version, so that a copy that has the one before is brought
those people alone, and only the segments that hold them are made anew. Embeddings stay on the server: comparisons need
templates.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from facerec_cli.gallery.changes import joined, parted, taken
from facerec_cli.gallery.index import Index
from facerec_cli.gallery.postgres.connecting import Cursor, Server, one_row
from facerec_cli.gallery.postgres.packing import column, floats, integers, texts, vectors
from facerec_cli.gallery.segment import EMPTY, Segment

_PEOPLE_EACH = 8192
"""Of a segment, when everybody is brought."""
_MOST_FOLLOWED = 0.25
"""The share of people that is brought on top of a copy; where more have changed, everybody is brought."""
_LAST_ID = 2**63 - 1
_VERSION = "select history, version from gallery"
_PEOPLE = """
select string_agg(int8send(id), ''),
       string_agg(convert_to(name, 'UTF8'), '\\x00'),
       string_agg(int8send(date_part('epoch', created)::bigint), '')
from (select * from person where {} order by id) as person
"""
_FACES = """
select string_agg(int8send(id), ''),
       string_agg(int8send(person), ''),
       string_agg(convert_to(sha256, 'UTF8'), '\\x00'),
       string_agg(convert_to(source, 'UTF8'), '\\x00'),
       string_agg(float4send(score), ''),
       string_agg(int8send(date_part('epoch', created)::bigint), '')
from (select id, person, sha256, source, score, created from face where {} order by id) as face
"""
_TEMPLATES = """
select person, template from template where digest = %(digest)s and template is not null and {} order by person
"""
_EMBEDDED = "select string_agg(int8send(face), '') from embedding where digest = %(digest)s"
_EMBEDDED_OF_SOME = f"{_EMBEDDED} and face in (select id from face where {{}})"
_FIRST_OF_EACH = """
select string_agg(int8send(id), '' order by id)
from (select id, row_number() over (order by id) as place from person) as numbered
where place %% %(each)s = 1
"""
_CHANGED = "select string_agg(int8send(id), '') from person where version > %s"
_FORGOTTEN = "select string_agg(int8send(person), '') from forgotten where version > %s"

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class State:
    """Who is enrolled at one version; never changed, only replaced.

    Attributes:
        history: in which the version counts.
        version: of the gallery.
        index: everybody, without embeddings.
        digests: the models whose templates it has.
    """

    history: UUID
    version: int
    index: Index
    digests: frozenset[str]


@dataclass(frozen=True)
class _Those:
    """Some people, as a condition on the column of their ids."""

    condition: str
    values: Mapping[str, Any]

    @classmethod
    def between(cls, first: int, last: int) -> _Those:
        return cls("{} between %(first)s and %(last)s", {"first": first, "last": last})

    @classmethod
    def of(cls, ids: Ids) -> _Those:
        return cls("{} = any(%(ids)s)", {"ids": ids.tolist()})

    def asked(self, cursor: Cursor, query: str, person: str, **values: str) -> Cursor:
        """The answer of a query about them, which has this column for the id of a person."""
        return cursor.execute(query.format(self.condition.format(person)).encode(), {**self.values, **values})


class Copy:
    """The copy that the threads of a process share."""

    def __init__(self, server: Server) -> None:
        """Bring everybody when they are first asked about."""
        self._server = server
        self._state: State | None = None
        self._lock = threading.Lock()

    def now(self) -> State:
        """Everybody as they are now: one short question where nothing has changed.

        Raises:
            DatabaseError: the server refuses, or does not answer.
        """
        state = self._state
        if state is not None and self._server.row(_VERSION) == (state.history, state.version):
            return state
        with self._lock:
            self._state = self._server.read(lambda cursor: self._followed(cursor, self._state))
            return self._state

    def with_model(self, state: State, digest: str) -> State:
        """A state with the templates of a model, which are brought now; whoever has changed since has their new one.

        Raises:
            DatabaseError: the server refuses, or does not answer.
        """
        with self._lock:
            # Whoever changes meanwhile is brought again by the next that asks for everybody as they are now.
            now = self._state
            if now and digest in now.digests and (now.history, now.version) == (state.history, state.version):
                return now
            brought = self._server.read(lambda cursor: self._with_model(cursor, state, digest))
            if self._state is state:
                self._state = brought
            return brought

    def _followed(self, cursor: Cursor, state: State | None) -> State:
        """The state that a transaction sees, made from an earlier one."""
        history, version = one_row(cursor.execute(_VERSION))
        if state is None or state.history != history or state.version > version:
            digests = frozenset() if state is None else state.digests
            return self._everybody(cursor, history, version, digests)
        if state.version == version:
            return state
        (changed,) = one_row(cursor.execute(_CHANGED, [state.version]))
        (forgotten,) = one_row(cursor.execute(_FORGOTTEN, [state.version]))
        people = sum(map(len, state.index.segments))
        if len(integers(changed)) > max(_PEOPLE_EACH, people * _MOST_FOLLOWED):  # part by part they take less memory
            return self._everybody(cursor, history, version, state.digests)
        those = _Those.of(integers(changed))
        part = _people(cursor, those)
        for digest in state.digests:
            (embedded,) = one_row(those.asked(cursor, _EMBEDDED_OF_SOME, "person", digest=digest))
            part = _with_templates(cursor, part, those, digest, np.sort(integers(embedded)))
        segments = _with_people(state.index.segments, part, np.append(integers(changed), integers(forgotten)))
        return replace(state, version=version, index=Index(segments, 0))

    def _everybody(self, cursor: Cursor, history: UUID, version: int, digests: frozenset[str]) -> State:
        (packed,) = one_row(cursor.execute(_FIRST_OF_EACH, {"each": _PEOPLE_EACH}))
        first = integers(packed).tolist()
        last = [number - 1 for number in first[1:]] + [_LAST_ID] * bool(first)
        parts = [_Those.between(*ids) for ids in zip(first, last, strict=True)]
        segments = self._server.read_each(cursor, _people, parts)
        state = State(history, version, Index(segments or [EMPTY], 0), frozenset())
        for digest in digests:
            state = self._with_model(cursor, state, digest)
        return state

    def _with_model(self, cursor: Cursor, state: State, digest: str) -> State:
        (packed,) = one_row(cursor.execute(_EMBEDDED, {"digest": digest}))
        embedded = np.sort(integers(packed))

        def known(own: Cursor, segment: Segment) -> Segment:
            first, last = segment.people["id"][[0, -1]].tolist()
            return _with_templates(own, segment, _Those.between(first, last), digest, embedded)

        people = [segment for segment in state.index.segments if len(segment)]
        segments = self._server.read_each(cursor, known, people)
        return replace(state, index=Index(segments or [EMPTY], 0), digests=state.digests | {digest})


def _people(cursor: Cursor, those: _Those) -> Segment:
    """Some people and their faces."""
    ids, names, created = one_row(those.asked(cursor, _PEOPLE, "id"))
    people = {"id": integers(ids), "name": texts(names), "created": integers(created)}
    ids, owner, sha256, source, score, created = one_row(those.asked(cursor, _FACES, "person"))
    numbers = integers(ids)
    faces = {
        "id": numbers,
        "person": integers(owner),
        "chip": numbers.astype(f"S{len(str(numbers.max(initial=0)))}"),
        "sha256": texts(sha256),
        "source": texts(source),
        "score": floats(score),
        "created": integers(created),
    }
    return Segment(people, faces, {}, {}, {})


def _with_templates(cursor: Cursor, segment: Segment, those: _Those, digest: str, embedded: Ids) -> Segment:
    """A segment of some people with their templates of a model, and which faces it has embedded, whose ids rise.

    Whoever the server has enrolled since is not among them.
    """
    found = those.asked(cursor, _TEMPLATES, "person", digest=digest)
    ids, rows = integers(column(found, 0)), vectors(column(found, 1))
    templates = dict(segment.templates)
    if len(rows):
        is_here = _among(ids, segment.people["id"])
        templates[digest] = np.full((len(segment), rows.shape[1]), np.nan, np.float32)
        templates[digest][np.searchsorted(segment.people["id"], ids[is_here])] = rows[is_here]
    is_embedded = _among(segment.faces["id"], embedded)
    return replace(segment, templates=templates, embedded={**segment.embedded, digest: is_embedded.astype(np.uint8)})


def _among(ids: Ids, known: Ids) -> npt.NDArray[np.bool_]:
    """Which ids are among others, which rise."""
    if not len(known):
        return np.zeros(len(ids), np.bool_)
    return np.equal(known[np.minimum(np.searchsorted(known, ids), len(known) - 1)], ids)


def _with_people(segments: Sequence[Segment], part: Segment, changed: Ids) -> list[Segment]:
    """Segments in which some people are as in ``part``, or gone; those that hold none of them are the same."""
    starts = np.array([segment.people["id"][0] if len(segment) else 0 for segment in segments], np.int64)

    def place(ids: Ids) -> npt.NDArray[np.intp]:
        return np.maximum(np.searchsorted(starts, ids, side="right") - 1, 0)

    of_changed, of_part = place(changed), place(part.people["id"])
    now = list(segments)
    for number in set(of_changed.tolist()):
        segment, ids = segments[number], changed[of_changed == number]
        others = taken(segment, ~np.isin(segment.people["id"], ids), ~np.isin(segment.faces["person"], ids))
        come = of_part == number
        now[number] = joined(others, taken(part, come, come[part.owner]))
    sized = (
        parted(segment, segment.size * _PEOPLE_EACH // len(segment)) if len(segment) > 2 * _PEOPLE_EACH else [segment]
        for segment in now
        if len(segment)
    )
    return [segment for few in sized for segment in few] or [EMPTY]
