"""1:1: do two photos, or a photo and somebody enrolled, show the same person?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from facerec_cli.defaults import DEFAULT_FMR
from facerec_cli.encoders.calibration import Calibration
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.gallery.base import Gallery, clean_name
from facerec_cli.recognition.embedding import embed_pending
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.results import Verification
from facerec_cli.recognition.threshold import calibration_in, threshold_for

if TYPE_CHECKING:
    from facerec_cli.faces.images import PhotoLike


def verify(
    recognizer: Recognizer,
    first: PhotoLike,
    second: PhotoLike,
    *,
    fmr: float = DEFAULT_FMR,
    threshold: float | None = None,
    largest: bool = False,
) -> Verification:
    """Whether two photos show the same person.

    Args:
        recognizer: the model.
        first: a photo with one face.
        second: another.
        fmr: the share of pairs of different people that may be called the same.
        threshold: an explicit distance in place of ``fmr``.
        largest: take the largest face of a photo with several.

    Raises:
        PhotoError: a photo cannot be read, has no face or several.
        ModelError: the model cannot be loaded, or is not calibrated and no threshold was given.
    """
    (one, source), (other, other_source) = (_embedded(recognizer, photo, largest) for photo in (first, second))
    return _verified(
        recognizer, (source, other_source), (one, other), recognizer.bundle.calibration, {1: 1}, fmr, threshold
    )


def verify_person(
    recognizer: Recognizer,
    gallery: Gallery,
    name: str,
    photo: PhotoLike,
    *,
    fmr: float = DEFAULT_FMR,
    threshold: float | None = None,
    largest: bool = False,
) -> Verification:
    """Whether a photo shows an enrolled person; arguments and errors as ``verify``.

    A template of k photos counts as 1 + log2 k comparisons.

    Raises:
        UnknownPersonError: nobody of this name is enrolled.
        NotEmbeddedError: none of the person's chips can be used.
    """
    snapshot = embed_pending(recognizer, gallery).snapshot
    person = snapshot.person(clean_name(name))
    template = snapshot.template(recognizer.bundle.digest, person.name)
    probe, source = _embedded(recognizer, photo, largest)
    calibration = calibration_in(snapshot, recognizer.bundle)
    return _verified(recognizer, (source, name), (template, probe), calibration, {person.photos: 1}, fmr, threshold)


def _embedded(recognizer: Recognizer, photo: PhotoLike, largest: bool) -> tuple[Embedding, str]:
    """The embedding of a photo's one face, and the photo's name."""
    extraction = recognizer.extract(photo)
    return recognizer.embed([extraction.one_face(largest=largest).chip])[0], extraction.source


def _verified(
    recognizer: Recognizer,
    names: tuple[str, str],
    embeddings: tuple[Embedding, Embedding],
    calibration: Calibration | None,
    photo_counts: Mapping[int, int],
    fmr: float,
    distance: float | None,
) -> Verification:
    one, other = embeddings
    (found,) = recognizer.comparison.metric.pairs(one[None], other[None]).tolist()
    threshold = threshold_for(recognizer.bundle, calibration, photo_counts, rate=fmr, distance=distance)
    return Verification(
        *names, threshold.is_match(found), found, threshold.distance, threshold.probability(found), threshold.rate
    )
