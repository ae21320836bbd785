"""What comes of looking at photos: plain data, and its JSON, for every door into the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facerec_cli.encoders.encoder import Embeddings
    from facerec_cli.errors import FacerecError, PhotoError
    from facerec_cli.faces.extraction import Extraction, Face
    from facerec_cli.gallery.base import Match


@dataclass(frozen=True, eq=False)
class EmbeddedPhoto:
    """The faces of a photo, largest first, and their embeddings.

    Attributes:
        source: what people know the photo by.
        extraction: size and faces; None where the photo could not be used.
        embeddings: float32 [faces, d].
        error: why the photo could not be used.
    """

    source: str
    extraction: Extraction | None
    embeddings: Embeddings
    error: PhotoError | None = None

    @property
    def faces(self) -> tuple[Face, ...]:
        """The faces, largest first."""
        return self.extraction.faces if self.extraction else ()


@dataclass(frozen=True)
class Candidate:
    """Somebody a face may be: distance to their template, and the probability that it is them, if the model tells."""

    name: str
    distance: float
    probability: float | None

    def to_json(self, threshold: float) -> dict[str, Any]:
        """The candidate as every door writes it, beside the threshold in force."""
        return {
            "name": self.name,
            "distance": rounded_beside(self.distance, threshold),
            "probability": rounded_probability(self.probability),
        }


@dataclass(frozen=True)
class Decision:
    """Who an embedding is.

    Attributes:
        name: the nearest person's, or ``unknown`` where nobody is within the threshold.
        candidates: the nearest people whatever their distance, nearest first.
        threshold: the distance in force.
    """

    name: str
    candidates: tuple[Candidate, ...]
    threshold: float

    @property
    def is_known(self) -> bool:
        """Whether the nearest person is within the threshold."""
        return bool(self.candidates) and self.candidates[0].distance <= self.threshold


@dataclass(frozen=True, eq=False)
class Identification(Decision):
    """Who a face of a photo is; ``face`` says where it is, and has its chip."""

    face: Face

    def to_json(self) -> dict[str, Any]:
        """The record of a match as every door writes it; see docs/output.schema.json."""
        nearest = self.candidates[0] if self.candidates else None
        return {
            "name": self.name,
            "distance": rounded_beside(nearest.distance, self.threshold) if nearest else None,
            "threshold": self.threshold,
            "probability": rounded_probability(nearest.probability) if nearest else None,
            "box": [rounded(number, 1) for number in self.face.box],
            "landmarks": [[rounded(x, 1), rounded(y, 1)] for x, y in self.face.landmarks],
            "score": rounded(self.face.score),
            "quality": rounded(self.face.quality_score),
            "candidates": [candidate.to_json(self.threshold) for candidate in self.candidates],
        }


@dataclass(frozen=True, eq=False)
class PhotoResult:
    """Who is in a photo.

    Attributes:
        source: what people know the photo by.
        faces: largest first.
        width: of the upright photo, pixels; 0 where it could not be used.
        height: of the upright photo, pixels; 0 where it could not be used.
        error: why the photo could not be used.
        note: what of the photo was not looked at, as a clause that names it; None where nothing.
    """

    source: str
    faces: tuple[Identification, ...] = ()
    width: int = 0
    height: int = 0
    error: PhotoError | None = None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The result as every door writes it; ``error`` is the program's to word."""
        return {
            "photo": self.source,
            "faces": [face.to_json() for face in self.faces],
            "error": str(self.error) if self.error else None,
        }


@dataclass(frozen=True, eq=False)
class Enrolment:
    """What became of a photo that was to be enrolled.

    Attributes:
        source: what people know the photo by.
        name: the person it was to be enrolled for.
        is_new: false where that very photo was enrolled already.
        lookalike: another person whose template this face matches, with its distance.
        unlike: the distance to most other photos of the person, where they do not look like one person.
        complaint: what makes the photo a poor one, as a clause.
        error: why the photo, or the person's name, was refused.
        note: what of the photo was not looked at, and which of several faces was taken, as a clause that names it.
    """

    source: str
    name: str
    is_new: bool = False
    lookalike: Match | None = None
    unlike: float | None = None
    complaint: str | None = None
    error: FacerecError | None = None
    note: str | None = None

    @property
    def status(self) -> str:
        """``enrolled``, ``already enrolled`` or ``refused``."""
        return "refused" if self.error else "enrolled" if self.is_new else "already enrolled"

    def to_json(self) -> dict[str, Any]:
        """The outcome as every door writes it; ``error`` is the program's to word."""
        return {
            "photo": self.source,
            "name": self.name,
            "status": self.status,
            "lookalike": self.lookalike.name if self.lookalike else None,
            "lookalike_distance": rounded(self.lookalike.distance) if self.lookalike else None,
            "unlike_distance": None if self.unlike is None else rounded(self.unlike),
            "complaint": self.complaint,
            "note": self.note,
            "error": str(self.error) if self.error else None,
        }


@dataclass(frozen=True)
class Verification:
    """Whether two photos, or a photo and an enrolled person, are the same person.

    Attributes:
        first: what people know the photo by.
        second: the other photo, or the person's name.
        same: distance <= threshold.
        distance: between the two.
        threshold: the distance at which a pair of different people matches with probability ``fmr``.
        probability: that it is one person; 0.5 at the threshold; None of a model that is not calibrated.
        fmr: the false match rate in force; None where the user gave the distance.
        note: which of several faces of a photo was taken, and whether its alignment is in doubt, as a clause.
    """

    first: str
    second: str
    same: bool
    distance: float
    threshold: float
    probability: float | None
    fmr: float | None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The answer as every door writes it."""
        return {
            "first": self.first,
            "second": self.second,
            "same": self.same,
            "distance": rounded_beside(self.distance, self.threshold),
            "threshold": self.threshold,
            "fmr": self.fmr,
            "probability": rounded_probability(self.probability),
            "note": self.note,
        }


def noted(*notes: str | None) -> str | None:
    """Several clauses as one, of those that there are."""
    return "; ".join(filter(None, notes)) or None


def rounded(value: float, digits: int = 4) -> float:
    """A number as results show it."""
    return round(float(value), digits)


def rounded_beside(distance: float, threshold: float, digits: int = 4) -> float:
    """A distance as results show it: with as many more digits as tell on which side of the threshold it is."""
    while rounded(distance, digits) != distance:
        shown = rounded(distance, digits)
        if (shown <= threshold, shown >= threshold) == (distance <= threshold, distance >= threshold):
            return shown
        digits += 1
    return distance


def rounded_probability(value: float | None) -> float | None:
    """A probability as results show it, or none of a model that is not calibrated."""
    return None if value is None else rounded(value)
