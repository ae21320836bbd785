"""A snapshot of the embedded gallery: one index, which later writers leave as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from facerec_cli.encoders.calibration import Calibration
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import Comparison
from facerec_cli.errors import NotEmbeddedError, UnknownPersonError
from facerec_cli.gallery.base import EnrolledFace, Match, Person, Record, Snapshot, Sums
from facerec_cli.gallery.index import Index


class IndexSnapshot(Snapshot):
    """What an index answers."""

    def __init__(self, location: str, index: Index, calibration: Callable[[str], Calibration | None]) -> None:
        """Look at an index.

        Args:
            location: where its gallery is.
            index: the columns.
            calibration: reads the calibration of a model, by its digest.
        """
        self.location = location
        self.index = index
        self._calibration = calibration

    def row(self, name: str) -> int:
        """Where a person is in the index.

        Raises:
            UnknownPersonError: nobody of this name is enrolled.
        """
        row = self.index.person_row(name)
        if row is None:
            raise UnknownPersonError(f"Nobody named {name!r} is enrolled in {self.location}", "look who is")
        return row

    def people(self, after: int = 0) -> Iterator[Person]:
        return self.index.people_after(after)

    def person(self, name: str) -> Person:
        return next(self.people(after=int(self.index.people["id"][self.row(name)]) - 1))

    def faces(self, name: str) -> list[EnrolledFace]:
        return list(self.index.faces_of(self.index.face_rows(self.row(name))))

    def has_photo(self, name: str, sha256: str) -> bool:
        return self.index.has_photo(name, sha256)

    def photo_counts(self) -> Mapping[int, int]:
        people = np.bincount(self.index.photo_counts)
        return {photos: int(people[photos]) for photos in np.flatnonzero(people).tolist()}

    def records(self, digest: str) -> Iterator[Record]:
        return self.index.records(digest)

    def pending(self, digest: str) -> Iterator[EnrolledFace]:
        return self.index.faces_of(self.index.pending(digest))

    def pending_count(self, digest: str) -> int:
        return len(self.index.pending(digest))

    def template(self, digest: str, name: str) -> Embedding:
        template = self.index.template(digest, self.row(name))
        if template is None:
            raise NotEmbeddedError(f"None of the photos of {name} in {self.location} is embedded", "enrol one again")
        return template

    def sums(self, digest: str) -> Sums:
        return self.index.sums(digest)

    def search(self, comparison: Comparison, probes: Embeddings, top: int = 1) -> list[list[Match]]:
        nearest = self.index.search(comparison, probes, top)
        if not any(nearest) and len(self.index.people["id"]) and not self.index.has_templates(comparison.digest):
            raise NotEmbeddedError(
                f"None of the photos in {self.location} is embedded by this model", "embed them, or enrol them again"
            )
        return nearest

    def calibration(self, digest: str) -> Calibration | None:
        return self._calibration(digest)
