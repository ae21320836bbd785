"""A segment: columns of people enrolled one after the other, their faces, embeddings and templates.

Everything here is a pure function of arrays; files, locks and sentences about them are elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from facerec_cli.columns import Column, text_column
from facerec_cli.defaults import UNKNOWN
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Comparison
from facerec_cli.errors import DamagedIndexError, UnusableNameError
from facerec_cli.gallery.base import EnrolledFace, Person, Record, clean_name
from facerec_cli.gallery.chipstore import ChipRecord

_COLUMNS = {
    "people/id": "<i8",
    "people/name": "S",
    "people/created": "<i8",
    "faces/id": "<i8",
    "faces/person": "<i8",
    "faces/chip": "S",
    "faces/sha256": "S",
    "faces/source": "S",
    "faces/score": "<f4",
    "faces/created": "<i8",
}
_BY_MODEL = {"embeddings": "<f4", "embedded": "|u1", "templates": "<f4", "totals": "<f8"}
_WIDEST = 4096
"""Bytes of the longest text that a cell may hold."""

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Segment:
    """The columns of some people.

    Attributes:
        people: ``id``, ``name``, ``created``, each [people], ids ascending.
        faces: ``id``, ``person``, ``chip``, ``sha256``, ``source``, ``score``, ``created``, each [faces]; ids rise.
        embeddings: float32 [faces, d] by model digest.
        embedded: uint8 [faces] by model digest: 1 where the row of ``embeddings`` counts; NaN where it does not.
        templates: float32 [people, d] by model digest; NaN rows are people without any embedding.
        totals: float64 [d + 1] by model digest, as far as they are known: the sum of the templates, and their number.
    """

    people: Mapping[str, Column]
    faces: Mapping[str, Column]
    embeddings: Mapping[str, Column]
    embedded: Mapping[str, Column]
    templates: Mapping[str, Column]
    totals: dict[str, Column] = field(init=False, default_factory=dict)  # not for what is made of this one

    @classmethod
    def from_columns(cls, columns: Mapping[str, Column]) -> Segment:
        """The segment that a file's columns make up.

        Raises:
            KeyError, ValueError: columns are missing, of another type or shape, or do not fit together.
        """
        tables: dict[str, dict[str, Column]] = {name: {} for name in ("people", "faces", *_BY_MODEL)}
        for path, column in columns.items():
            table, _, name = path.partition("/")
            if table in _BY_MODEL:
                wanted, dimensions = _BY_MODEL[table], 1 if table in ("embedded", "totals") else 2
                is_known = re.fullmatch("[0-9a-f]{64}", name) is not None
            else:
                wanted, dimensions, is_known = _COLUMNS[path], 1, True
            kind = column.dtype.kind if wanted == "S" else column.dtype.str
            if not is_known or kind != wanted or column.ndim != dimensions or column.dtype.itemsize > _WIDEST:
                raise ValueError(f"{path} is {column.dtype.str} {column.shape}")
            tables[table][name] = column
        totals = tables.pop("totals")
        segment = cls(**tables)
        segment.totals.update(totals)
        segment._check()
        return segment

    def _check(self) -> None:
        ids, face_ids = self.people["id"], self.faces["id"]
        people, faces = len(ids), len(face_ids)
        if any(len(column) != people for column in (*self.people.values(), *self.templates.values())):
            raise ValueError("columns of different lengths")
        per_face = (*self.faces.values(), *self.embeddings.values(), *self.embedded.values())
        if any(len(column) != faces for column in per_face):
            raise ValueError("columns of different lengths")
        if len(self.people) + len(self.faces) != len(_COLUMNS):
            raise KeyError("columns that are missing")
        if not self.embeddings.keys() == self.embedded.keys() == self.templates.keys():
            raise ValueError("embeddings without templates")
        if any(rows.shape[1] != self.templates[digest].shape[1] for digest, rows in self.embeddings.items()):
            raise ValueError("templates of another size than embeddings")
        for digest, total in self.totals.items():
            if digest not in self.templates or len(total) != self.templates[digest].shape[1] + 1:
                raise ValueError("totals of another size than templates")
            if not np.isfinite(total).all() or not 0 <= total[-1] <= people:
                raise ValueError("totals that are none")
        if (ids[1:] <= ids[:-1]).any() or (face_ids[1:] <= face_ids[:-1]).any():
            raise ValueError("ids that do not rise")
        if self._is_one_each:
            return
        if not people or (ids[np.minimum(self.owner, people - 1)] != self.faces["person"]).any():
            raise ValueError("a face of nobody")
        if not self.photo_counts.all():
            raise ValueError("somebody without a face")

    @property
    def columns(self) -> dict[str, Column]:
        """All of it, as a file holds it."""
        tables = {"people": self.people, "faces": self.faces, "embeddings": self.embeddings}
        tables |= {"embedded": self.embedded, "templates": self.templates}
        tables["totals"] = {digest: self.total(digest) for digest in self.templates}
        return {f"{table}/{name}": column for table, named in tables.items() for name, column in named.items()}

    @property
    def size(self) -> int:
        """Its bytes in a file, but for what HDF5 adds."""
        return sum(column.nbytes for column in self.columns.values())

    # ------------------------------------------------------------------ asking

    def __len__(self) -> int:
        """How many people."""
        return len(self.people["id"])

    @cached_property
    def owner(self) -> npt.NDArray[np.int64]:
        """The row in ``people`` of each face, int64 [faces]."""
        if self._is_one_each:
            return np.arange(len(self))
        return np.searchsorted(self.people["id"], self.faces["person"]).astype(np.int64)

    @cached_property
    def _is_one_each(self) -> bool:
        return np.array_equal(self.people["id"], self.faces["person"])

    @cached_property
    def photo_counts(self) -> npt.NDArray[np.int64]:
        """The number of faces of each person, int64 [people]."""
        if self._is_one_each:
            return np.ones(len(self), np.int64)
        return np.bincount(self.owner, minlength=len(self)).astype(np.int64)

    def person_row(self, name: str) -> int | None:
        """The row of the person of this name."""
        if "\0" in name:  # NumPy takes no notice of it at the end
            return None
        rows = np.flatnonzero(self.people["name"] == name.encode(errors="surrogatepass"))
        return int(rows[0]) if len(rows) else None

    def face_rows(self, person_row: int) -> Rows:
        """The rows of a person's faces."""
        return np.flatnonzero(self.owner == person_row)

    def has_photo(self, person_row: int, sha256: str) -> bool:
        """Whether a person has a face from this photo."""
        return bool((self.faces["sha256"][self.face_rows(person_row)] == sha256.encode()).any())

    def people_after(self, person_id: int) -> Iterator[Person]:
        """Everybody whose id is higher."""
        rest = slice(int(np.searchsorted(self.people["id"], person_id, side="right")), None)
        columns = (self.people["id"], self.people["name"], self.photo_counts, self.people["created"])
        for own_id, name, photos, created in zip(*(column[rest].tolist() for column in columns), strict=True):
            yield Person(own_id, name_in(name), photos, _time(created))

    def faces_of(self, rows: Iterable[int]) -> Iterator[EnrolledFace]:
        """The faces of these rows."""
        column, names = self.faces, self.people["name"]
        for row in rows:
            if not 0 <= column["score"][row] <= 1:
                raise damaged()
            yield EnrolledFace(
                id=int(column["id"][row]),
                name=name_in(names[self.owner[row]]),
                chip=text(column["chip"][row]),
                sha256=text(column["sha256"][row]),
                source=text(column["source"][row]),
                score=float(column["score"][row]),
                created=_time(column["created"][row]),
            )

    def records(self, digest: str) -> Iterator[Record]:
        """Every face with its embedding by a model, person by person."""
        is_embedded, embeddings = self.is_embedded(digest), self.embeddings.get(digest)
        rows = np.argsort(self.owner, kind="stable").tolist()
        for row, face in zip(rows, self.faces_of(rows), strict=True):
            embedding = np.array(embeddings[row]) if embeddings is not None and is_embedded[row] else None
            if embedding is not None and not np.isfinite(embedding).all():
                raise damaged()
            yield Record(face, embedding)

    def is_embedded(self, digest: str) -> npt.NDArray[np.bool_]:
        """Whether a model has embedded each face, bool [faces]."""
        known = self.embedded.get(digest)
        return np.zeros(len(self.owner), np.bool_) if known is None else known != 0

    def pending(self, digest: str) -> Rows:
        """The rows of the faces without an embedding of this model, person by person."""
        rows = np.flatnonzero(~self.is_embedded(digest))
        return rows[np.argsort(self.owner[rows], kind="stable")]

    def has_template(self, digest: str) -> npt.NDArray[np.bool_]:
        """Whether each person has a template of a model, bool [people]."""
        rows = self.templates.get(digest)
        return np.zeros(len(self), np.bool_) if rows is None else np.asarray(np.isfinite(rows).all(axis=1))

    def total(self, digest: str) -> Column:
        """The sum of a model's templates, and their number, float64 [d + 1]; the model must have some rows here."""
        if digest not in self.totals:
            known = self.templates[digest][self.has_template(digest)]
            self.totals[digest] = np.append(known.sum(axis=0, dtype=np.float64), len(known))
        return self.totals[digest]

    def distances(self, comparison: Comparison, probes: Embeddings) -> npt.NDArray[np.float32] | None:
        """The distance of each probe, float32 [n, d], to each person, float32 [n, people]; NaN without a template.

        None where nobody has one.

        Raises:
            DamagedIndexError: templates are of another size than probes.
        """
        enrolled = self.templates.get(comparison.digest)
        if enrolled is None or len(enrolled) == 0:
            return None
        if enrolled.shape[1] != probes.shape[1]:
            raise damaged()
        return comparison.metric.matrix(probes, enrolled)


def people_columns(people: Sequence[tuple[int, str, int]]) -> dict[str, Column]:
    """The columns of people given as id, name and Unix seconds of their enrolment."""
    return {
        "id": np.array([person_id for person_id, _, _ in people], np.int64),
        "name": text_column([name for _, name, _ in people]),
        "created": np.array([created for _, _, created in people], np.int64),
    }


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


def text(stored: bytes) -> str:
    """A cell of a text column."""
    try:
        return stored.decode()
    except UnicodeDecodeError as error:
        raise damaged() from error


def name_in(stored: bytes) -> str:
    """A cell that holds a person's name."""
    name = text(stored)
    # Checking each of a million names in full would take ten seconds.
    if name.isascii() and name.isprintable() and name.casefold() != UNKNOWN and name == name.strip():
        return name
    try:
        if clean_name(name) == name:
            return name
    except UnusableNameError as error:
        raise damaged() from error
    raise damaged()


def _time(seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), timezone.utc)
    except (OSError, OverflowError, ValueError) as error:
        raise damaged() from error


def damaged() -> DamagedIndexError:
    """The error of an index that cannot be what was written."""
    return DamagedIndexError("The database's index is damaged", "rebuild it from the chips")


EMPTY = Segment(people_columns([]), face_columns([]), {}, {}, {})
"""Nobody."""
