"""What among the people enrolled needs a look: photos that are not theirs, or poor, and two names for one person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np

from facerec_cli.errors import LostChipError
from facerec_cli.faces.quality import complaint, measure_chip
from facerec_cli.gallery.base import EnrolledFace, Gallery, Record, Snapshot
from facerec_cli.parallel import ordered_map
from facerec_cli.recognition.belonging import Belonging
from facerec_cli.recognition.lookalikes import lookalikes
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.results import rounded
from facerec_cli.recognition.threshold import Rule

_TOGETHER = 1_000
"""Most photos of one person that are compared one with another; more are dealt into parts, in turn."""


@dataclass(frozen=True)
class Finding:
    """Something that a person should look at.

    Attributes:
        kind: ``unlike``: a photo that does not look like most others of its name; ``poor``: a photo that is no good;
            ``lost``: a photo whose chip cannot be read; ``alike``: two names who may be one person.
        name: the person's.
        face: the photo; None of two names.
        other: the second name.
        distance: to most other photos of the name, or of the two names' templates.
        complaint: what is poor about the photo, or why it cannot be read, as a clause.
    """

    kind: Literal["unlike", "poor", "lost", "alike"]
    name: str
    face: EnrolledFace | None = None
    other: str | None = None
    distance: float | None = None
    complaint: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The finding as every door writes it."""
        return {
            "finding": self.kind,
            "name": self.name,
            "photo": self.face.source if self.face else None,
            "other": self.other,
            "distance": None if self.distance is None else rounded(self.distance),
            "complaint": self.complaint,
            "chip": self.face.chip if self.face else None,
            "sha256": self.face.sha256 if self.face else None,
        }


def check(recognizer: Recognizer, gallery: Gallery, snapshot: Snapshot, rule: Rule | None) -> Iterator[Finding]:
    """Look through a gallery: person by person in the order of enrolment, then at pairs of people.

    Quality is measured from the kept chip, which does not tell how small the face was, nor how far it was turned: of 4
    faces turned by more than 57 degrees, a detector on the chip sees one.

    Args:
        recognizer: the model, which has embedded the gallery.
        gallery: whose chips are read.
        snapshot: of it.
        rule: which people are alike; None of a model that is not calibrated: nothing is told of likeness then.
    """

    def look(record: Record) -> tuple[Record, Finding | None]:
        face = record.face
        try:
            poor = complaint(measure_chip(gallery.read_chip(face)))
        except LostChipError as error:
            return record, Finding("lost", face.name, face, complaint=str(error))
        return record, Finding("poor", face.name, face, complaint=poor) if poor else None

    curve = rule.threshold.curve if rule else None
    belonging = Belonging(recognizer.comparison.metric, curve) if curve else None
    looked = ordered_map(look, snapshot.records(recognizer.comparison.digest))
    for name, photos in groupby(looked, key=lambda pair: pair[0].face.name):
        together = list(photos)
        far = unlike(belonging, [record for record, _ in together]) if belonging else {}
        for record, finding in together:
            if record.face.id in far and not (finding and finding.kind == "lost"):
                yield Finding("unlike", name, record.face, distance=far[record.face.id])
            if finding:
                yield finding
    for pair in lookalikes(snapshot, rule) if rule else ():
        yield Finding("alike", pair.name, other=pair.other, distance=pair.distance)


def unlike(belonging: Belonging, records: Sequence[Record]) -> dict[int, float]:
    """The distances of a person's photos that do not look like most others, by the face's id."""
    embedded = [(record.face.id, record.embedding) for record in records if record.embedding is not None]
    parts = -(-len(embedded) // _TOGETHER)
    found: dict[int, float | None] = {}
    for part in range(parts):
        ids, faces = zip(*embedded[part::parts], strict=True)
        found |= dict(zip(ids, belonging.unlike(np.stack(faces)), strict=True))
    return {face: far for face, far in found.items() if far is not None}
