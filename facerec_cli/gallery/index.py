"""The index of a gallery: its segments in the order of enrolment, and what can be asked of all of them.

Nobody ever moves from one segment to another, so that the people of each were enrolled before those of the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from facerec_cli.columns import Place, release
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import Comparison
from facerec_cli.gallery.base import EnrolledFace, Match, Person, Record
from facerec_cli.gallery.segment import Segment, name_in, text

_SEARCH_BLOCK = 16_000_000
"""Most distances held at once by a search: 64 MB."""
RESIDENT = 16
"""Most segments that stay in memory, 128 MB: with more, each goes when it was searched, and comes back from the disk's
cache when it is searched again."""
_PAGE = 4096
"""Most templates handed out at once."""


class SegmentFile(NamedTuple):
    """The file that a segment was read from.

    Attributes:
        number: its name; never used twice.
        places: where its arrays are, which HDF5 takes 2 ms to say.
    """

    number: int
    places: Sequence[Place]


@dataclass(frozen=True, eq=False)
class Index:
    """Everybody enrolled.

    Attributes:
        segments: at least one; the ids of people rise from each to the next.
        next_id: the next free id, of people, faces and files alike; ids are never used twice.
        files: of the first segments, in their order; None for one that is in no file of its own.
    """

    segments: Sequence[Segment]
    next_id: int
    files: Sequence[SegmentFile | None] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is enrolled."""
        return not any(len(segment) for segment in self.segments)

    def place(self, name: str) -> tuple[int, int] | None:
        """Where the person of this name is: the number of the segment, and the row in it."""
        for number, segment in enumerate(self.segments):
            row = segment.person_row(name)
            if row is not None:
                return number, row
        return None

    def with_segments(self, segments: Sequence[Segment], next_id: int | None = None) -> Index:
        """The index with other segments in the places of some; those that are the same stay in their files."""
        files = [
            file if one is other else None
            for one, other, file in zip(segments, self.segments, [*self.files, None], strict=False)
        ]
        return Index(segments, self.next_id if next_id is None else next_id, files)

    def with_segment(self, number: int, segment: Segment, next_id: int | None = None) -> Index:
        """The index with another segment in a place."""
        return self.with_segments([*self.segments[:number], segment, *self.segments[number + 1 :]], next_id)

    def named(self, keys: Sequence[str]) -> set[str]:
        """Which of these are keys of enrolled chips."""
        wanted = np.array([key.encode(errors="replace") for key in keys])
        return {
            text(key)
            for segment in self.segments
            for key in segment.faces["chip"][np.isin(segment.faces["chip"], wanted)]
        }

    def has_photo(self, name: str, sha256: str) -> bool:
        """Whether a person has a face from this photo."""
        place = self.place(name)
        return place is not None and self.segments[place[0]].has_photo(place[1], sha256)

    def people_after(self, person_id: int) -> Iterator[Person]:
        """Everybody whose id is higher."""
        for segment in self.segments:
            if len(segment) and segment.people["id"][-1] > person_id:
                yield from segment.people_after(person_id)

    @cached_property
    def photo_counts(self) -> dict[int, int]:
        """How many people have k photos, by k."""
        people = np.bincount(np.concatenate([segment.photo_counts for segment in self.segments]))
        return {int(photos): int(people[photos]) for photos in np.flatnonzero(people)}

    def records(self, digest: str) -> Iterator[Record]:
        """Every face with its embedding by a model, person by person."""
        for segment in self.segments:
            yield from segment.records(digest)

    def pending(self, digest: str) -> Iterator[EnrolledFace]:
        """The faces without an embedding of this model, person by person."""
        for segment in self.segments:
            yield from segment.faces_of(segment.pending(digest).tolist())

    def pending_count(self, digest: str) -> int:
        """How many they are."""
        return sum(len(segment.owner) - int(segment.is_embedded(digest).sum()) for segment in self.segments)

    def template(self, digest: str, place: tuple[int, int]) -> Embedding | None:
        """A person's template, float32 [d], if a model has embedded any of their photos."""
        number, row = place
        rows = self.segments[number].templates.get(digest)
        return np.array(rows[row]) if rows is not None and np.isfinite(rows[row]).all() else None

    def templates(self, digest: str) -> Iterator[tuple[list[str], Embeddings]]:
        """Names and templates of everybody who has one, a page at a time; see ``Snapshot.templates``."""
        for segment in self.segments:
            rows = np.flatnonzero(segment.has_template(digest))
            for start in range(0, len(rows), _PAGE):
                page = rows[start : start + _PAGE]
                names = [name_in(name) for name in segment.people["name"][page]]
                yield names, np.asarray(segment.templates[digest][page], np.float32)

    def without_template(self, digest: str) -> Iterator[str]:
        """The names of those whom a model knows by no photo."""
        for segment in self.segments:
            for row in np.flatnonzero(~segment.has_template(digest)):
                yield name_in(segment.people["name"][row])

    def search(self, comparison: Comparison, probes: Embeddings, top: int) -> list[list[Match]]:
        """The nearest people; see ``Snapshot.search``; of nobody where none has a template."""
        step = max(1, _SEARCH_BLOCK // max(1, *(len(segment) for segment in self.segments)))
        nearest: list[list[Match]] = []
        for start in range(0, len(probes), step):
            nearest += self._search(comparison, probes[start : start + step], top)
        return nearest

    def _search(self, comparison: Comparison, probes: Embeddings, top: int) -> list[list[Match]]:
        near: list[list[tuple[float, int, int]]] = [[] for _ in probes]
        for number, segment in enumerate(self.segments):
            distances = segment.distances(comparison, probes)
            if distances is None:
                continue
            if len(self.segments) > RESIDENT:
                release(segment.templates[comparison.digest])
            for found, row_distances in zip(near, distances, strict=True):
                rows = nearest_rows(row_distances, top)
                found += [(float(row_distances[row]), number, int(row)) for row in rows]
        return [
            [
                Match(name_in(self.segments[number].people["name"][row]), distance)
                for distance, number, row in sorted(found)[:top]
            ]
            for found in near
        ]


def nearest_rows(distances: npt.NDArray[np.float32], top: int) -> npt.NDArray[np.intp]:
    """The rows of the smallest values, smallest first, lower rows first among equals; NaN never."""
    count = min(top, len(distances))
    if np.isnan(distances).any():
        distances = np.nan_to_num(distances, nan=np.inf)
    bound = distances.min() if count == 1 else np.partition(distances, count - 1)[count - 1]
    rows = np.flatnonzero((distances <= bound) & (distances < np.inf))
    return rows[np.lexsort((rows, distances[rows]))][:count]
