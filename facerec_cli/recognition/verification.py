"""1:1: do two photos, or a photo and somebody enrolled, show the same person?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from facerec_cli.defaults import DEFAULT_FMR
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.gallery.base import Gallery, clean_name
from facerec_cli.recognition.embedding import embed_pending
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.results import Verification, noted
from facerec_cli.recognition.threshold import Rule, rule_in, threshold_for

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
    one, other = (_embedded(recognizer, photo, largest) for photo in (first, second))
    names, embeddings = (one.source, other.source), (one.embedding, other.embedding)
    bundle = recognizer.bundle
    curve = bundle.calibration.photos if bundle.calibration else None
    rule = Rule(recognizer.comparison, threshold_for(bundle, curve, {1: 1}, rate=fmr, distance=threshold))
    return replace(_verified(names, embeddings, rule), note=noted(one.note, other.note))


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

    They are compared as in a search among everybody enrolled. A template of k photos counts as 1 + log2 k comparisons.

    Raises:
        UnknownPersonError: nobody of this name is enrolled.
        NotEmbeddedError: none of the person's chips can be used.
    """
    snapshot = embed_pending(recognizer, gallery).snapshot
    person = snapshot.person(clean_name(name))
    template = snapshot.template(recognizer.comparison.digest, person.name)
    probe = _embedded(recognizer, photo, largest)
    rule = rule_in(snapshot, recognizer.bundle, rate=fmr, distance=threshold, photo_counts={person.photos: 1})
    verified = _verified((probe.source, name), (probe.embedding, template), rule)
    return replace(verified, note=probe.note)


@dataclass(frozen=True, eq=False)
class _Embedded:
    """The one face of a photo, with the photo's name, and what is to be said of it."""

    embedding: Embedding
    source: str
    note: str | None


def _embedded(recognizer: Recognizer, photo: PhotoLike, largest: bool) -> _Embedded:
    seen = recognizer.extract(photo)
    face = seen.one_face(largest=largest)
    doubt = f"{seen.source} shows a face that cannot be aligned with confidence" if face.doubtful else None
    note = noted(None if largest else seen.bystanders, doubt)
    return _Embedded(recognizer.embed([face.chip])[0], seen.source, note)


def _verified(names: tuple[str, str], embeddings: tuple[Embedding, Embedding], rule: Rule) -> Verification:
    probe, known = embeddings
    (found,) = rule.comparison.metric.pairs(probe[None], known[None]).tolist()
    threshold = rule.threshold
    return Verification(
        *names, threshold.is_match(found), found, threshold.distance, threshold.probability(found), threshold.rate
    )
