"""A snapshot of the embedded gallery: one index, which later writers leave as it is."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from facerec_cli.encoders.cohort import Cohort
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import Comparison
from facerec_cli.errors import NotEmbeddedError
from facerec_cli.gallery.base import EnrolledFace, Match, Person, Record, Snapshot, nobody_named
from facerec_cli.gallery.cohort import cohort_of
from facerec_cli.gallery.index import Index


class IndexSnapshot(Snapshot):
    """What an index answers."""

    def __init__(self, location: str, index: Index) -> None:
        """Look at an index.

        Args:
            location: where its gallery is.
            index: the columns.
        """
        self.location = location
        self.index = index

    @property
    def version(self) -> Hashable:
        return self.index

    def known_by(self, digest: str) -> Index:
        """The index with what a model knows."""
        return self.index

    def place(self, name: str) -> tuple[int, int]:
        """Where a person is in the index: the number of the segment, and the row in it.

        Raises:
            UnknownPersonError: nobody of this name is enrolled.
        """
        place = self.index.place(name)
        if place is None:
            raise nobody_named(name, self.location)
        return place

    def people(self, after: int = 0) -> Iterator[Person]:
        return self.index.people_after(after)

    def person(self, name: str) -> Person:
        number, row = self.place(name)
        segment = self.index.segments[number]
        return next(segment.people_after(int(segment.people["id"][row]) - 1))

    def faces(self, name: str) -> list[EnrolledFace]:
        number, row = self.place(name)
        segment = self.index.segments[number]
        return list(segment.faces_of(segment.face_rows(row).tolist()))

    def has_photo(self, name: str, sha256: str) -> bool:
        return self.index.has_photo(name, sha256)

    def photo_counts(self) -> Mapping[int, int]:
        return self.index.photo_counts

    def records(self, digest: str) -> Iterator[Record]:
        return self.known_by(digest).records(digest)

    def pending(self, digest: str) -> Iterator[EnrolledFace]:
        return self.known_by(digest).pending(digest)

    def pending_count(self, digest: str) -> int:
        return self.known_by(digest).pending_count(digest)

    def template(self, digest: str, name: str) -> Embedding:
        template = self.known_by(digest).template(digest, self.place(name))
        if template is None:
            raise NotEmbeddedError(f"None of the photos of {name} in {self.location} is embedded", "enrol one again")
        return template

    def templates(self, digest: str) -> Iterator[tuple[list[str], Embeddings]]:
        return self.known_by(digest).templates(digest)

    def without_template(self, digest: str) -> Iterator[str]:
        return self.known_by(digest).without_template(digest)

    def cohort(self, digest: str) -> Cohort:
        return cohort_of(self.known_by(digest).segments, digest)

    def search(self, comparison: Comparison, probes: Embeddings, top: int = 1) -> list[list[Match]]:
        nearest = self.known_by(comparison.digest).search(comparison, probes, top)
        if not any(nearest) and not self.index.is_empty and next(self.templates(comparison.digest), None) is None:
            raise NotEmbeddedError(
                f"None of the photos in {self.location} is embedded by this model", "embed them, or enrol them again"
            )
        return nearest
