"""What gallery.h5 holds: columns of people, faces, embeddings and templates, and what can be asked of them.

Everything here is a pure function of arrays; locks, files and sentences about them are in ``hdf5``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from facerec_cli.columns import Column, text_column
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import Comparison
from facerec_cli.errors import DamagedIndexError
from facerec_cli.gallery.base import EnrolledFace, Match, Person, Record, Sums
from facerec_cli.gallery.chipstore import ChipRecord

_PEOPLE = ("id", "name", "created")
_FACES = ("id", "person", "chip", "sha256", "source", "score", "created")
_SEARCH_BLOCK = 16_000_000
"""Most distances held at once by a search: 64 MB."""

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Index:
    """The columns of a gallery.

    Attributes:
        people: ``id``, ``name``, ``created``, each [people], ids ascending.
        faces: ``id``, ``person``, ``chip``, ``sha256``, ``source``, ``score``, ``created``, each [faces].
        embeddings: float32 [faces, d] by model digest; NaN rows are not embedded yet.
        templates: float32 [people, d] by model digest; NaN rows are people without any embedding.
        next_id: the next free id, of people and faces alike; ids are never used twice.
    """

    people: Mapping[str, Column]
    faces: Mapping[str, Column]
    embeddings: Mapping[str, Column]
    templates: Mapping[str, Column]
    next_id: int

    # ------------------------------------------------------------------ making one

    @classmethod
    def from_columns(cls, columns: Mapping[str, Column], next_id: int) -> Index:
        """The index that a file's columns make up.

        Raises:
            KeyError, ValueError: columns are missing or do not fit together.
        """
        tables: dict[str, dict[str, Column]] = {}
        for path, column in columns.items():
            table, name = path.split("/")
            tables.setdefault(table, {})[name] = column
        index = cls(
            people={name: tables["people"][name] for name in _PEOPLE},
            faces={name: tables["faces"][name] for name in _FACES},
            embeddings=tables.get("embeddings", {}),
            templates=tables.get("templates", {}),
            next_id=next_id,
        )
        per_person = [*index.people.values(), *index.templates.values()]
        per_face = [*index.faces.values(), *index.embeddings.values()]
        if any(len(column) != len(index.people["id"]) for column in per_person):
            raise ValueError("columns of different lengths")
        if any(len(column) != len(index.faces["id"]) for column in per_face):
            raise ValueError("columns of different lengths")
        if index.embeddings.keys() != index.templates.keys():
            raise ValueError("embeddings without templates")
        if not np.isin(index.faces["person"], index.people["id"]).all():
            raise ValueError("a face of nobody")
        return index

    @classmethod
    def from_records(cls, records: Iterable[tuple[ChipRecord, str]]) -> Index:
        """The index that chips make up, from the record and the file of each; without embeddings."""
        ordered = sorted(records, key=lambda item: (item[0].id, item[1]))
        since: dict[str, int] = {}
        for record, _ in ordered:
            since[record.name] = min(record.created, since.get(record.name, record.created))
        ids = {name: row + 1 for row, name in enumerate(since)}
        first = len(ids) + 1
        people = {
            "id": np.arange(1, first, dtype=np.int64),
            "name": text_column(list(since)),
            "created": np.array(list(since.values()), np.int64),
        }
        own_ids = range(first, first + len(ordered))
        faces = face_columns(
            [
                (face_id, ids[record.name], record, chip)
                for face_id, (record, chip) in zip(own_ids, ordered, strict=True)
            ]
        )
        return cls(people, faces, {}, {}, next_id=first + len(ordered))

    # ------------------------------------------------------------------ asking

    @cached_property
    def owner(self) -> npt.NDArray[np.int64]:
        """The row in ``people`` of each face, int64 [faces]."""
        return np.searchsorted(self.people["id"], self.faces["person"]).astype(np.int64)

    @cached_property
    def photo_counts(self) -> npt.NDArray[np.int64]:
        """The number of faces of each person, int64 [people]."""
        return np.bincount(self.owner, minlength=len(self.people["id"])).astype(np.int64)

    def person_row(self, name: str) -> int | None:
        """The row of the person of this name."""
        rows = np.flatnonzero(self.people["name"] == name.encode())
        return int(rows[0]) if len(rows) else None

    def face_rows(self, person_row: int) -> Rows:
        """The rows of a person's faces."""
        return np.flatnonzero(self.owner == person_row)

    def has_photo(self, name: str, sha256: str) -> bool:
        """Whether a person has a face from this photo."""
        row = self.person_row(name)
        return row is not None and bool(np.isin(self.faces["sha256"][self.face_rows(row)], [sha256.encode()]).any())

    def people_after(self, person_id: int) -> Iterator[Person]:
        """Everybody whose id is higher."""
        names, ids, created = (self.people[column] for column in ("name", "id", "created"))
        for row in range(int(np.searchsorted(ids, person_id, side="right")), len(ids)):
            yield Person(int(ids[row]), text(names[row]), int(self.photo_counts[row]), _time(created[row]))

    def faces_of(self, rows: Iterable[int]) -> Iterator[EnrolledFace]:
        """The faces of these rows."""
        column, names = self.faces, self.people["name"]
        for row in rows:
            yield EnrolledFace(
                id=int(column["id"][row]),
                name=text(names[self.owner[row]]),
                chip=text(column["chip"][row]),
                sha256=text(column["sha256"][row]),
                source=text(column["source"][row]),
                score=float(column["score"][row]),
                created=_time(column["created"][row]),
            )

    def records(self, digest: str) -> Iterator[Record]:
        """Every face with its embedding by a model."""
        embeddings = self.embeddings.get(digest)
        for row, face in enumerate(self.faces_of(range(len(self.owner)))):
            is_embedded = embeddings is not None and not np.isnan(embeddings[row, 0])
            yield Record(face, np.array(embeddings[row]) if embeddings is not None and is_embedded else None)

    def pending(self, digest: str) -> Rows:
        """The rows of the faces without an embedding of this model."""
        if digest not in self._pending:
            embeddings = self.embeddings.get(digest)
            rows = np.arange(len(self.owner)) if embeddings is None else np.flatnonzero(np.isnan(embeddings[:, 0]))
            self._pending[digest] = rows
        return self._pending[digest]

    @cached_property
    def _pending(self) -> dict[str, Rows]:
        return {}

    def template(self, digest: str, person_row: int) -> Embedding | None:
        """A person's template, float32 [d], if a model has embedded any of their photos."""
        rows = self.templates.get(digest)
        return None if rows is None or np.isnan(rows[person_row, 0]) else np.array(rows[person_row])

    def has_templates(self, digest: str) -> bool:
        """Whether anybody can be searched for by a model."""
        rows = self.templates.get(digest)
        return rows is not None and not bool(np.isnan(rows[:, 0]).all())

    def sums(self, digest: str) -> Sums:
        """What the people have in common; see ``Snapshot.sums``."""
        rows = self.templates.get(digest)
        if rows is None:
            return Sums(0, np.zeros(0))
        known = ~np.isnan(rows[:, 0])
        return Sums(int(known.sum()), rows.sum(axis=0, dtype=np.float64, where=known[:, None]))

    def search(self, comparison: Comparison, probes: Embeddings, top: int) -> list[list[Match]]:
        """The nearest people; see ``Snapshot.search``; of nobody where none has a template."""
        enrolled = self.templates.get(comparison.digest)
        if enrolled is None or len(enrolled) == 0:
            return [[] for _ in probes]
        names = self.people["name"]
        step = max(1, _SEARCH_BLOCK // len(enrolled))
        nearest: list[list[Match]] = []
        for start in range(0, len(probes), step):
            for distances in comparison.metric.matrix(probes[start : start + step], enrolled):
                rows = _nearest(distances, top)
                nearest.append([Match(text(names[row]), float(distances[row])) for row in rows])
        return nearest


def face_columns(faces: Sequence[tuple[int, int, ChipRecord, str]]) -> dict[str, Column]:
    """The columns of faces given as id, person's id, record and chip file."""
    records = [record for _, _, record, _ in faces]
    return {
        "id": np.array([face_id for face_id, _, _, _ in faces], np.int64),
        "person": np.array([person for _, person, _, _ in faces], np.int64),
        "chip": text_column([chip for _, _, _, chip in faces]),
        "sha256": text_column([record.sha256 for record in records]),
        "source": text_column([record.source for record in records]),
        "score": np.array([record.score for record in records], np.float32),
        "created": np.array([record.created for record in records], np.int64),
    }


def _nearest(distances: npt.NDArray[np.float32], top: int) -> Rows:
    """The rows of the smallest values, smallest first, lower rows first among equals; NaN never."""
    count = min(top, len(distances))
    if np.isnan(distances).any():
        distances = np.nan_to_num(distances, nan=np.inf)
    bound = distances.min() if count == 1 else np.partition(distances, count - 1)[count - 1]
    rows = np.flatnonzero((distances <= bound) & (distances < np.inf))
    return rows[np.lexsort((rows, distances[rows]))][:count]


def text(stored: bytes) -> str:
    """A cell of a text column."""
    try:
        return stored.decode()
    except UnicodeDecodeError as error:
        raise _damaged() from error


def _time(seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), timezone.utc)
    except (OSError, OverflowError, ValueError) as error:
        raise _damaged() from error


def _damaged() -> DamagedIndexError:
    return DamagedIndexError("The database's index is damaged", "rebuild it from the chips")
