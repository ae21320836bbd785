"""What gallery.h5 holds: columns of people, faces, embeddings and templates, and what follows from them.

Everything here is a pure function of arrays; locks, files and sentences about them are in ``hdf5``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from facerec_cli.columns import Column, text_column
from facerec_cli.encoders.metric import Space
from facerec_cli.errors import DatabaseError
from facerec_cli.gallery.base import EnrolledFace, Match, NewFace, Person, templates
from facerec_cli.gallery.chipfile import ChipRecord, chip_path

_PEOPLE = ("id", "name", "created")
_FACES = ("id", "person", "chip", "sha256", "source", "score", "created")
_SEARCH_BLOCK = 16_000_000
"""Most distances held at once by a search: 64 MB."""

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Content:
    """What a file is to hold, as ``columns.write_columns`` takes it.

    Attributes:
        columns: each array as the parts that make it up.
        next_id: the next free id.
        patches: rows to overwrite, by column.
    """

    columns: dict[str, list[Column]]
    next_id: int
    patches: dict[str, tuple[Sequence[int], Column]] = field(default_factory=dict)


@dataclass(frozen=True)
class Addition:
    """An index with faces added.

    Attributes:
        is_new: for each face asked for, whether it was not there yet.
        records: the record and the JPEG of each chip to keep.
        content: the new index.
    """

    is_new: list[bool]
    records: list[tuple[ChipRecord, bytes]]
    content: Content


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
        faces = _face_columns(
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

    def list_people(self) -> list[Person]:
        """Everybody."""
        names, ids, created = (self.people[column] for column in ("name", "id", "created"))
        return [
            Person(int(ids[row]), _text(names[row]), int(photos), _time(created[row]))
            for row, photos in enumerate(self.photo_counts)
        ]

    def list_faces(self, rows: Rows | None = None) -> list[EnrolledFace]:
        """The faces of these rows, or all."""
        column, names = self.faces, self.people["name"]
        return [
            EnrolledFace(
                id=int(column["id"][row]),
                name=_text(names[self.owner[row]]),
                chip=_text(column["chip"][row]),
                sha256=_text(column["sha256"][row]),
                source=_text(column["source"][row]),
                score=float(column["score"][row]),
                created=_time(column["created"][row]),
            )
            for row in (range(len(self.owner)) if rows is None else rows)
        ]

    def pending(self, digest: str) -> list[EnrolledFace]:
        """The faces without an embedding of this model."""
        embeddings = self.embeddings.get(digest)
        return self.list_faces(None if embeddings is None else np.flatnonzero(np.isnan(embeddings[:, 0])))

    def search(self, space: Space, probes: npt.NDArray[np.float32], top: int) -> list[list[Match]]:
        """The nearest people; see ``Gallery.search``."""
        enrolled = self.templates.get(space.digest)
        if enrolled is None or len(enrolled) == 0:
            return [[] for _ in probes]
        names = self.people["name"]
        step = max(1, _SEARCH_BLOCK // len(enrolled))
        found: list[list[Match]] = []
        for start in range(0, len(probes), step):
            for distances in space.metric.matrix(probes[start : start + step], enrolled):
                rows = _nearest(distances, top)
                found.append([Match(_text(names[row]), float(distances[row])) for row in rows])
        return found

    # ------------------------------------------------------------------ changing

    def content(self) -> Content:
        """All of it, to be written."""
        tables = {"people": self.people, "faces": self.faces}
        tables |= {"embeddings": self.embeddings, "templates": self.templates}
        columns = {f"{table}/{name}": [column] for table, named in tables.items() for name, column in named.items()}
        return Content(columns, self.next_id)

    def add(self, space: Space, faces: Sequence[NewFace], now: int) -> Addition:
        """Add faces that are not there yet, and the people they are the first of.

        Args:
            space: the model of the embeddings; for other models the faces are pending.
            faces: to add.
            now: Unix seconds.
        """
        rows: dict[str, int | None] = {face.name: self.person_row(face.name) for face in faces}
        new_people: list[tuple[int, str]] = []
        added: list[tuple[int, NewFace, ChipRecord]] = []  # person row, face, record
        person_ids: dict[int, int] = {}
        seen: set[tuple[str, str]] = set()
        is_new = []
        next_id = self.next_id
        for face in faces:
            known = (face.name, face.sha256) in seen or self.has_photo(face.name, face.sha256)
            is_new.append(not known)
            seen.add((face.name, face.sha256))
            if known:
                continue
            row = rows[face.name]
            if row is None:
                row = rows[face.name] = len(self.people["id"]) + len(new_people)
                new_people.append((next_id, face.name))
                person_ids[row] = next_id
                next_id += 1
            elif row not in person_ids:
                person_ids[row] = int(self.people["id"][row])
            added.append((row, face, ChipRecord(next_id, face.name, face.sha256, face.source, face.score, now)))
            next_id += 1
        content = self.content()
        if added:
            people = {
                "id": np.array([person_id for person_id, _ in new_people], np.int64),
                "name": text_column([name for _, name in new_people]),
                "created": np.full(len(new_people), now, np.int64),
            }
            new_faces = _face_columns(
                [
                    (record.id, person_ids[row], record, chip_path(record.name, record.sha256))
                    for row, _, record in added
                ]
            )
            for table, new in (("people", people), ("faces", new_faces)):
                for name, values in new.items():
                    content.columns[f"{table}/{name}"].append(values)
            owner = np.array([row for row, _, _ in added], np.int64)
            embeddings = np.stack([face.embedding for _, face, _ in added])
            content.patches.update(self._append_embeddings(content.columns, space, embeddings, owner, len(new_people)))
        records = [(record, face.jpeg) for _, face, record in added]
        return Addition(is_new, records, replace(content, next_id=next_id))

    def without(self, person_row: int) -> Index:
        """The index without a person."""
        people = np.arange(len(self.people["id"])) != person_row
        faces = self.owner != person_row
        return Index(
            people={name: column[people] for name, column in self.people.items()},
            faces={name: column[faces] for name, column in self.faces.items()},
            embeddings={model: rows[faces] for model, rows in self.embeddings.items()},
            templates={model: rows[people] for model, rows in self.templates.items()},
            next_id=self.next_id,
        )

    def renamed(self, person_row: int, new_name: str) -> Index:
        """The index with a person under another name, and their chips in that name's folder."""
        names = [_text(name) for name in self.people["name"]]
        names[person_row] = new_name
        chips = [_text(chip) for chip in self.faces["chip"]]
        for row in self.face_rows(person_row):
            chips[row] = chip_path(new_name, _text(self.faces["sha256"][row]))
        return replace(
            self,
            people={**self.people, "name": text_column(names)},
            faces={**self.faces, "chip": text_column(chips)},
        )

    def with_embeddings(self, space: Space, embeddings: Mapping[int, npt.NDArray[np.float32]]) -> Index:
        """The index with embeddings, float32 [d] by face id, and the templates that follow."""
        size = len(next(iter(embeddings.values())))
        known = self.embeddings.get(space.digest)
        whole = np.full((len(self.owner), size), np.nan, np.float32) if known is None else np.array(known)
        for row, face_id in enumerate(self.faces["id"].tolist()):
            if face_id in embeddings:
                whole[row] = embeddings[face_id]
        means = templates(whole, self.owner, len(self.people["id"]), space.metric)
        return replace(
            self,
            embeddings={**self.embeddings, space.digest: whole},
            templates={**self.templates, space.digest: means},
        )

    def _append_embeddings(
        self,
        columns: dict[str, list[Column]],
        space: Space,
        embeddings: npt.NDArray[np.float32],
        owner: npt.NDArray[np.int64],
        new_people: int,
    ) -> dict[str, tuple[Sequence[int], Column]]:
        """Append rows to every model's embeddings and templates, NaN for other models than this.

        Returns:
            The template rows of the people who had photos before, to overwrite.
        """
        digest, size, people = space.digest, embeddings.shape[1], len(self.people["id"])
        columns.setdefault(f"embeddings/{digest}", [np.full((len(self.owner), size), np.nan, np.float32)])
        columns.setdefault(f"templates/{digest}", [np.full((people, size), np.nan, np.float32)])
        touched, new_owner = np.unique(owner, return_inverse=True)
        before = np.flatnonzero(np.isin(self.owner, touched))
        old_owner = np.searchsorted(touched, self.owner[before])
        earlier = columns[f"embeddings/{digest}"][0][before]
        values = templates(
            np.concatenate([earlier, embeddings]),
            np.concatenate([old_owner, new_owner]).astype(np.int64),
            len(touched),
            space.metric,
        )
        known = touched < people
        for model in {*self.embeddings, digest}:
            if model == digest:
                columns[f"embeddings/{model}"].append(embeddings)
                columns[f"templates/{model}"].append(values[~known])
            else:
                width = self.embeddings[model].shape[1]
                columns[f"embeddings/{model}"].append(np.full((len(embeddings), width), np.nan, np.float32))
                columns[f"templates/{model}"].append(np.full((new_people, width), np.nan, np.float32))
        return {f"templates/{digest}": (touched[known].tolist(), values[known])}


def _face_columns(faces: Sequence[tuple[int, int, ChipRecord, str]]) -> dict[str, Column]:
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


def _text(stored: bytes) -> str:
    try:
        return stored.decode()
    except UnicodeDecodeError as error:
        raise _damaged() from error


def _time(seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), timezone.utc)
    except (OSError, OverflowError, ValueError) as error:
        raise _damaged() from error


def _damaged() -> DatabaseError:
    return DatabaseError("The database's index is damaged: run `facerec people rebuild`.")
