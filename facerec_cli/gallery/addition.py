"""Faces on their way into an index."""

from __future__ import annotations

import time
from collections.abc import Mapping

from facerec_cli.encoders.encoder import Embedding
from facerec_cli.encoders.metric import Comparison
from facerec_cli.gallery import changes
from facerec_cli.gallery.base import EnrolledFace, NewFace
from facerec_cli.gallery.changes import AddedFace
from facerec_cli.gallery.chipstore import ChipRecord, ChipStore, with_record
from facerec_cli.gallery.index import Index


def record_of(face: EnrolledFace, name: str, ids: Mapping[int, int]) -> ChipRecord:
    """The record of an enrolled face under a name, and another id where there is one for it."""
    created = int(face.created.timestamp())
    return ChipRecord(ids.get(face.id, face.id), name, face.sha256, face.source, face.score, created)


class Addition:
    """Collects new faces, and makes the index that has them.

    Attributes:
        jpegs: the chips to keep, with their records, by key.
    """

    def __init__(self, index: Index, chips: ChipStore) -> None:
        """Begin with an index, and the store where the chips will be."""
        self.jpegs: dict[str, bytes] = {}
        self._index = index
        self._chips = chips
        self._now = int(time.time())
        self._next_id = index.next_id
        self._seen: set[tuple[str, str]] = set()
        self._people: dict[str, tuple[int, int]] = {}
        self._new_people: list[tuple[int, str, int]] = []
        self._faces: dict[int, list[AddedFace]] = {}
        self._embeddings: list[tuple[int, str, Embedding]] = []

    def take(self, face: NewFace) -> bool:
        """Take a face in, unless its person has one of that photo; returns whether it was new."""
        if (face.name, face.sha256) in self._seen or self._index.has_photo(face.name, face.sha256):
            return False
        self._seen.add((face.name, face.sha256))
        created = self._now if face.created is None else int(face.created.timestamp())
        number, person = self._people.get(face.name) or self._person(face.name, created)
        record = ChipRecord(self._id(), face.name, face.sha256, face.source, face.score, created)
        key = self._chips.free_key(face.name, face.sha256, self.jpegs.keys())
        self.jpegs[key] = with_record(face.jpeg, record)
        self._faces.setdefault(number, []).append(AddedFace(person, record, key))
        self._embeddings.append((record.id, face.sha256, face.embedding))
        return True

    def index(self, comparison: Comparison) -> Index:
        """The index with all that was taken in."""
        segments = list(self._index.segments)
        last = len(segments) - 1
        for number, faces in self._faces.items():
            people = self._new_people if number == last else []
            grown = changes.added(segments[number], people, faces)
            segments[number] = changes.with_embeddings(grown, comparison, self._embeddings)
        return self._index.with_segments(segments, self._next_id)

    def _person(self, name: str, created: int) -> tuple[int, int]:
        """The number of the segment of a person, who is new if need be, and their id."""
        place = self._index.place(name)
        if place is None:
            number, person = len(self._index.segments) - 1, self._id()
            self._new_people.append((person, name, created))
        else:
            number = place[0]
            person = int(self._index.segments[number].people["id"][place[1]])
        self._people[name] = number, person
        return number, person

    def _id(self) -> int:
        self._next_id += 1
        return self._next_id - 1
