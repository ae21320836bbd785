"""1:N: who is it, among the people enrolled?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import DEFAULT_FPIR, UNKNOWN
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.errors import NobodyEnrolledError
from facerec_cli.gallery.base import Gallery, Match
from facerec_cli.recognition.embedding import embed_pending
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.results import Candidate, Decision, EmbeddedPhoto, Identification, PhotoResult
from facerec_cli.recognition.threshold import rule_in

if TYPE_CHECKING:
    from facerec_cli.faces.images import PhotoLike

Item = TypeVar("Item")

_ROUNDING = 1e-4
"""More than two ways to compute a distance differ by."""
_SEARCH_PHOTOS = 16
"""Photos whose faces are searched for in one matrix product."""


class Identifier:
    """Names faces by a gallery as it was when this was made; may be shared by threads.

    Attributes:
        threshold: in force, and where it comes from.
        lost: enrolled chips that could not be embedded; their people are known by their other photos.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        gallery: Gallery,
        *,
        fpir: float = DEFAULT_FPIR,
        threshold: float | None = None,
    ) -> None:
        """Look at a gallery once; chips that the model has not embedded yet are embedded.

        Args:
            recognizer: the model.
            gallery: who may be named.
            fpir: the share of strangers that may be named.
            threshold: an explicit distance in place of ``fpir``; distances are seen from what those enrolled share.

        Raises:
            NobodyEnrolledError: nobody is enrolled.
            UncalibratedModelError: there is neither a calibration nor a threshold.
            DatabaseError, ModelError: the gallery or the model cannot be used.
        """
        self._recognizer = recognizer
        embedded = embed_pending(recognizer, gallery)
        self.lost, self._snapshot = embedded.lost, embedded.snapshot
        rule = rule_in(self._snapshot, recognizer.bundle, rate=fpir, distance=threshold)
        self._comparison, self.threshold = rule.comparison, rule.threshold

    def identify(self, photo: PhotoLike, *, top: int = 1) -> PhotoResult:
        """Name the faces of a photo, largest first.

        Args:
            photo: file, bytes or pixels.
            top: how many candidates a face.

        Raises:
            PhotoError: the photo cannot be read.
            NotEmbeddedError: nobody enrolled can be searched for.
        """
        (result,) = self.decide_photos([self._recognizer.embed_photo(photo)], top=top)
        return result

    def identify_all(self, photos: Iterable[PhotoLike], *, top: int = 1) -> Iterator[PhotoResult]:
        """Name the faces of many photos, in their order and in constant memory.

        Args:
            photos: read as they are needed; one that cannot be used is told in its place.
            top: how many candidates a face.

        Raises:
            NotEmbeddedError: nobody enrolled can be searched for.
        """
        return self.decide_photos(self._recognizer.embed_photos(photos), top=top)

    def decide_photos(self, photos: Iterable[EmbeddedPhoto], *, top: int = 1) -> Iterator[PhotoResult]:
        """Name the faces of photos that are embedded already; arguments and errors as ``identify_all``."""
        for group in _grouped(photos, _SEARCH_PHOTOS):
            decided = iter(self.decide(np.concatenate([photo.embeddings for photo in group]), top=top))
            for photo in group:
                faces = tuple(
                    Identification(decision.name, decision.candidates, decision.threshold, face)
                    for face, decision in zip(photo.faces, islice(decided, len(photo.faces)), strict=True)
                )
                if photo.extraction:
                    seen = photo.extraction
                    yield PhotoResult(photo.source, faces, seen.width, seen.height, note=seen.note)
                else:
                    yield PhotoResult(photo.source, error=photo.error)

    def decide(self, embeddings: Embeddings, *, top: int = 1) -> list[Decision]:
        """Name embeddings, float32 [n, d].

        Args:
            embeddings: of this recognizer's model.
            top: how many candidates each.

        Raises:
            NotEmbeddedError: nobody enrolled can be searched for.
        """
        if not len(embeddings):
            return []
        nearest = self._snapshot.search(self._comparison, embeddings, top)
        return [self._decision(matches) for matches in nearest]

    def may_be(self, embeddings: Embeddings, names: Collection[str]) -> npt.NDArray[np.bool_]:
        """Which embeddings, float32 [n, d], may get one of these names: quicker to say than which.

        Raises:
            UnknownPersonError: nobody of a name is enrolled.
            NotEmbeddedError: the model has embedded none of a person's photos.
        """
        templates = np.stack([self._snapshot.template(self._comparison.digest, name) for name in names])
        distances = self._comparison.metric.matrix(embeddings, templates)
        return np.asarray((distances <= self.threshold.distance + _ROUNDING).any(axis=1))

    def _decision(self, matches: list[Match]) -> Decision:
        """Nearest people, threshold, name."""
        candidates = tuple(
            Candidate(match.name, match.distance, self.threshold.probability(match.distance)) for match in matches
        )
        is_known = bool(candidates) and self.threshold.is_match(candidates[0].distance)
        return Decision(candidates[0].name if is_known else UNKNOWN, candidates, self.threshold.distance)


class CurrentIdentifier:
    """Names faces by a gallery as it is now: an ``Identifier``, made anew when the gallery has changed; for one thread.

    Its arguments, and what making it raises, are those of ``Identifier``.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        gallery: Gallery,
        *,
        fpir: float = DEFAULT_FPIR,
        threshold: float | None = None,
    ) -> None:
        self._make = partial(Identifier, recognizer, gallery, fpir=fpir, threshold=threshold)
        self._gallery = gallery
        self._current: Identifier | None = self._make()
        self._version = gallery.snapshot().version

    def __call__(self) -> Identifier | None:
        """Who names faces now; None where nobody is enrolled any more; errors as ``Identifier``."""
        version = self._gallery.snapshot().version
        if version != self._version:
            try:
                self._current = self._make()
            except NobodyEnrolledError:
                self._current = None
            self._version = version
        return self._current


def _grouped(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of up to ``size`` items."""
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
