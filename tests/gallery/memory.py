"""A gallery in memory: the second implementation, which shows that the contract is one."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

import numpy as np

from facerec_cli.encoders.cohort import MOST_PEOPLE, Cohort, photos_each
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import Comparison, Metric, templates
from facerec_cli.errors import LostChipError, NameTakenError, NotEmbeddedError, UnknownPersonError
from facerec_cli.faces.alignment import Chip
from facerec_cli.gallery.base import EnrolledFace, Gallery, Match, NewFace, Person, Record, Snapshot, clean_name
from facerec_cli.gallery.chipstore import ChipStore, decode_chip


class ChipsInMemory(ChipStore):
    """Chips by keys that say nothing."""

    def __init__(self) -> None:
        self.jpegs: dict[str, bytes] = {}

    def free_key(self, name: str, sha256: str, taken: Collection[str]) -> str:
        return next(key for key in map(str, count()) if key not in taken and key not in self.jpegs)

    def read(self, key: str) -> bytes:
        if key not in self.jpegs:
            raise FileNotFoundError(key)
        return self.jpegs[key]

    def add(self, key: str, jpeg: bytes) -> None:
        self.jpegs[key] = jpeg

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.jpegs.pop(key, None)


@dataclass(frozen=True, eq=False)
class State(Snapshot):
    """All that is known at one moment; never changed, only replaced."""

    location: str = "memory"
    names: Mapping[int, str] = field(default_factory=dict)
    enrolled: tuple[EnrolledFace, ...] = ()
    embeddings: Mapping[str, Mapping[int, Embedding]] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    next_id: int = 1

    @property
    def version(self) -> Hashable:
        return self

    def people(self, after: int = 0) -> Iterator[Person]:
        for person_id, name in self.names.items():
            if person_id > after:
                faces = self.faces(name)
                yield Person(person_id, name, len(faces), faces[0].created)

    def person(self, name: str) -> Person:
        for person in self.people():
            if person.name == name:
                return person
        raise UnknownPersonError(f"Nobody named {name!r} is enrolled in {self.location}")

    def faces(self, name: str) -> list[EnrolledFace]:
        if name not in self.names.values():
            raise UnknownPersonError(f"Nobody named {name!r} is enrolled in {self.location}")
        return [face for face in self.enrolled if face.name == name]

    def has_photo(self, name: str, sha256: str) -> bool:
        return any((face.name, face.sha256) == (name, sha256) for face in self.enrolled)

    def photo_counts(self) -> Mapping[int, int]:
        return Counter(person.photos for person in self.people())

    def records(self, digest: str) -> Iterator[Record]:
        known = self.embeddings.get(digest, {})
        return (Record(face, known.get(face.id)) for name in self.names.values() for face in self.faces(name))

    def pending(self, digest: str) -> Iterator[EnrolledFace]:
        return (record.face for record in self.records(digest) if record.embedding is None)

    def pending_count(self, digest: str) -> int:
        return sum(1 for _ in self.pending(digest))

    def template(self, digest: str, name: str) -> Embedding:
        rows = [self.embeddings[digest][photo] for photo in self.embedded(digest, self.faces(name))]
        if rows:
            (template,) = templates(np.stack(rows), np.zeros(len(rows), np.int64), 1, self.metrics[digest])
            if np.isfinite(template).all():
                return np.asarray(template, np.float32)
        raise NotEmbeddedError(f"None of the photos of {name} is embedded")

    def known(self, digest: str) -> dict[str, Embedding]:
        found = {}
        for name in self.names.values():
            try:
                found[name] = self.template(digest, name)
            except NotEmbeddedError:
                continue
        return found

    def templates(self, digest: str) -> Iterator[tuple[list[str], Embeddings]]:
        for name, template in self.known(digest).items():
            yield [name], template[None]

    def without_template(self, digest: str) -> Iterator[str]:
        known = self.known(digest)
        return (name for name in self.names.values() if name not in known)

    def cohort(self, digest: str) -> Cohort:
        known = self.known(digest)
        if not known:
            nobody = np.empty((0, 0), np.float32)
            return Cohort(0, np.zeros(0), nobody, nobody, np.empty(0, np.int64))
        faces = {name: self.faces(name) for name in known}
        chosen = set(sorted(known, key=lambda name: faces[name][0].sha256)[:MOST_PEOPLE])
        people = [name for name in known if name in chosen]
        rows = [
            (owner, self.embeddings[digest][photo])
            for owner, name in enumerate(people)
            for photo in self.embedded(digest, faces[name])[: photos_each(len(people))]
        ]
        return Cohort(
            len(known),
            np.sum(list(known.values()), axis=0, dtype=np.float64),
            np.stack([known[name] for name in people]),
            np.stack([embedding for _, embedding in rows]),
            np.array([owner for owner, _ in rows]),
        )

    def embedded(self, digest: str, faces: Iterable[EnrolledFace]) -> list[int]:
        return [face.id for face in faces if face.id in self.embeddings.get(digest, {})]

    def search(self, comparison: Comparison, probes: Embeddings, top: int = 1) -> list[list[Match]]:
        known = self.known(comparison.digest)
        if not known:
            if self.names:
                raise NotEmbeddedError("nobody is embedded")
            return [[] for _ in probes]
        matrix = comparison.metric.matrix(probes, np.stack(list(known.values())))
        return [
            sorted(
                (Match(name, distance) for name, distance in zip(known, row, strict=True) if not np.isnan(distance)),
                key=lambda match: match.distance,
            )[:top]
            for row in matrix.tolist()
        ]


class MemoryGallery(Gallery):
    """The newest state, and a lock for those who change it."""

    location = "memory"

    def __init__(self) -> None:
        self.state = State()
        self.chips = ChipsInMemory()
        self.lock = threading.RLock()

    @property
    def identity(self) -> Hashable:
        return id(self)

    @property
    def beside(self) -> Path:
        raise AssertionError("nothing is kept beside it")

    def snapshot(self) -> Snapshot:
        return self.state

    def read_chip(self, face: EnrolledFace) -> Chip:
        return decode_chip(self.read_jpeg(face))

    def read_jpeg(self, face: EnrolledFace) -> bytes:
        try:
            return self.chips.read(face.chip)
        except FileNotFoundError as error:
            raise LostChipError(f"The chip of {face.name} is missing", subject=face.source) from error

    def add(self, comparison: Comparison, faces: Sequence[NewFace]) -> list[bool]:
        with self.lock:
            names, enrolled, next_id = dict(self.state.names), list(self.state.enrolled), self.state.next_id
            vectors, is_new = dict(self.state.embeddings.get(comparison.digest, {})), []
            for face in faces:
                is_new.append(not any((old.name, old.sha256) == (face.name, face.sha256) for old in enrolled))
                if not is_new[-1]:
                    continue
                if face.name not in names.values():
                    names[next_id], next_id = face.name, next_id + 1
                created = face.created or datetime.fromtimestamp(int(time.time()), timezone.utc)
                key = self.chips.free_key(face.name, face.sha256, ())
                score = float(np.float32(face.score))
                enrolled.append(EnrolledFace(next_id, face.name, key, face.sha256, face.source, score, created))
                self.chips.add(key, face.jpeg)
                vectors[next_id], next_id = face.embedding, next_id + 1
            self.replace(comparison, vectors, names=names, enrolled=tuple(enrolled), next_id=next_id)
        return is_new

    def rename(self, name: str, new_name: str) -> None:
        new_name = clean_name(new_name)
        with self.lock:
            person = self.state.person(name)
            if new_name == name:
                return
            if new_name in self.state.names.values():
                raise NameTakenError(f"{new_name} is already enrolled in {self.location}")
            enrolled = tuple(
                replace(face, name=new_name) if face.name == name else face for face in self.state.enrolled
            )
            self.state = replace(self.state, names={**self.state.names, person.id: new_name}, enrolled=enrolled)

    def merge(self, name: str, into: str) -> int:
        with self.lock:
            self.state.person(name), self.state.person(into)
            if name == into:
                return 0
            known = {face.sha256 for face in self.state.faces(into)}
            moved = [face for face in self.state.faces(name) if face.sha256 not in known]
            jpegs = {face.id: self.chips.read(face.chip) for face in moved}
            self.remove(name)
            enrolled, next_id = list(self.state.enrolled), self.state.next_id
            for face in moved:
                enrolled.append(replace(face, id=next_id, name=into))
                self.chips.add(face.chip, jpegs[face.id])
                next_id += 1
            self.state = replace(self.state, enrolled=tuple(enrolled), next_id=next_id)
            return len(moved)

    def remove(self, name: str, photos: Collection[int] | None = None) -> int:
        with self.lock:
            person, faces = self.state.person(name), self.state.faces(name)
            gone = {face.id for face in faces if photos is None or face.id in photos}
            if not gone:
                return 0
            has_left = len(gone) == len(faces)
            # Templates are of all photos, so that those that are left are embedded anew.
            pending = {face.id for face in faces}
            self.state = replace(
                self.state,
                names={key: other for key, other in self.state.names.items() if key != person.id or not has_left},
                enrolled=tuple(face for face in self.state.enrolled if face.id not in gone),
                embeddings={
                    digest: {key: vector for key, vector in vectors.items() if key not in pending}
                    for digest, vectors in self.state.embeddings.items()
                },
            )
            self.chips.remove(face.chip for face in faces if face.id in gone)
        return len(gone)

    def store(self, comparison: Comparison, embeddings: Sequence[tuple[EnrolledFace, Embedding]]) -> None:
        with self.lock:
            there = {(face.id, face.sha256) for face in self.state.enrolled}
            given = {face.id: vector for face, vector in embeddings if (face.id, face.sha256) in there}
            self.replace(comparison, {**self.state.embeddings.get(comparison.digest, {}), **given})

    def replace(self, comparison: Comparison, vectors: Mapping[int, Embedding], **changes: object) -> None:
        self.state = replace(
            self.state,
            embeddings={**self.state.embeddings, comparison.digest: vectors},
            metrics={**self.state.metrics, comparison.digest: comparison.metric},
            **changes,  # type: ignore[arg-type]
        )
