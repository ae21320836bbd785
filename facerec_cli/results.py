"""What comes of looking at photos: plain data, for every door into the program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facerec_cli.encoders.onnx_encoder import Embeddings
    from facerec_cli.errors import PhotoError
    from facerec_cli.faces.alignment import Chip
    from facerec_cli.faces.detector import Face
    from facerec_cli.gallery.base import Match


@dataclass(frozen=True, eq=False)
class Detection:
    """A face of a photo, and its chip, uint8 [112, 112, 3] RGB."""

    face: Face
    chip: Chip


@dataclass(frozen=True)
class Candidate:
    """Somebody a face may be: distance to their template, and the probability that it is them, if the model tells."""

    name: str
    distance: float
    probability: float | None


@dataclass(frozen=True, eq=False)
class Identification:
    """Who a face is.

    Attributes:
        face: where it is in the photo.
        name: the nearest person's, or ``unknown`` where nobody is within the threshold.
        candidates: the nearest people whatever their distance, nearest first.
        threshold: the distance in force.
    """

    face: Face
    name: str
    candidates: tuple[Candidate, ...]
    threshold: float


@dataclass(frozen=True, eq=False)
class Extraction:
    """The faces of one of many photos, largest first, and their embeddings, float32 [faces, d].

    ``error`` is set where the photo could not be used.
    """

    photo: Path
    faces: tuple[Face, ...]
    embeddings: Embeddings
    error: PhotoError | None = None


@dataclass(frozen=True, eq=False)
class PhotoResult:
    """What was found in one of many photos; ``error`` is set where it could not be used."""

    photo: Path
    faces: tuple[Identification, ...] = ()
    error: PhotoError | None = None


@dataclass(frozen=True, eq=False)
class Enrolment:
    """What became of one of many photos.

    Attributes:
        photo: the file.
        name: the person it was to be enrolled for.
        is_new: false where that very photo was enrolled already.
        lookalike: another person whose template this face matches, with its distance.
        complaint: what makes the photo a poor one, as a clause.
        error: why the photo was refused.
    """

    photo: Path
    name: str
    is_new: bool = False
    lookalike: Match | None = None
    complaint: str | None = None
    error: PhotoError | None = None


@dataclass(frozen=True)
class Verification:
    """Whether two photos, or a photo and an enrolled person, are the same person.

    Attributes:
        same: distance <= threshold.
        distance: between the two.
        threshold: the distance at which a pair of different people matches with probability ``fmr``.
        probability: that it is one person; 0.5 at the threshold; None of a model that is not calibrated.
        fmr: the false match rate in force; None where the user gave the distance.
    """

    same: bool
    distance: float
    threshold: float
    probability: float | None
    fmr: float | None
