"""The people of a collection: its faces in groups that stay, named by the user or by those enrolled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facerec_cli.datasets.clusters import CollectedFace, Groups
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.gallery.base import Gallery, clean_name
from facerec_cli.recognition.clustering import cluster
from facerec_cli.recognition.enrolment import KeptFace, enroll_faces
from facerec_cli.recognition.identification import Identifier
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.results import Enrolment, rounded

_MOST_ENROLLED = 20
"""Faces of a group that are enrolled: the best, of different photos."""
_MIN_QUALITY = 0.4
"""Below it most faces do not match a good photo of the same person (see ``faces.quality``): they are not enrolled."""
_MIN_BEGINNING = 0.6
"""A face of a lower quality begins no group: two of these are often near because both are blurred (see
``benchmarks/clustering.py poor``). Of LFW as it is next to none is below."""


@dataclass(frozen=True, eq=False)
class Group:
    """Faces that are taken for one person's, the best first.

    Attributes:
        id: stays; None of a face that nobody else in the collection is like.
        name: as the user said, or of somebody enrolled whom most of the faces match; None where nobody knows.
        faces: at least one.
    """

    id: int | None
    name: str | None
    faces: Sequence[CollectedFace]

    @property
    def photos(self) -> list[Path]:
        """The photos that show the person, once each, sorted."""
        return sorted({face.photo for face in self.faces})

    def to_json(self) -> dict[str, Any]:
        """The group as every door writes it."""
        return {
            "group": self.id,
            "name": self.name,
            "photos": len(self.photos),
            "faces": [
                {
                    "face": face.id,
                    "photo": str(face.photo),
                    "box": [rounded(number, 1) for number in face.box],
                    "quality": rounded(face.quality),
                }
                for face in self.faces
            ],
        }


def group_collection(
    recognizer: Recognizer, groups: Groups, photos: Mapping[Path, Embeddings], identifier: Identifier | None = None
) -> list[Group]:
    """Put the faces of photos into groups, those of most photos first, and faces alone last.

    Groups that are there stay as they are, and take in those that are like them.

    Args:
        recognizer: the model.
        groups: of the index.
        photos: the embeddings of each photo's faces, float32 [faces, d], as the index has them.
        identifier: names groups that have no name, where somebody is enrolled.

    Raises:
        UncalibratedModelError, UnsuitableModelError: the model does not say who is near.
        CollectionError: the index cannot be changed.
    """
    # Of a photo that changed meanwhile there may be more.
    faces = [face for face in groups.faces(list(photos)) if face.place < len(photos[face.photo])]
    vectors = np.stack([photos[face.photo][face.place] for face in faces]) if faces else np.zeros((0, 1), np.float32)
    row_of = {face.id: row for row, face in enumerate(faces)}
    known = {group: number for number, group in enumerate(sorted({face.group for face in faces if face.group}))}
    begun = np.array([known[face.group] if face.group else -1 for face in faces], np.int64)
    poor = np.array([face.quality < _MIN_BEGINNING for face in faces], np.bool_)
    members: dict[int, list[CollectedFace]] = {}
    for face, label in zip(faces, cluster(recognizer.bundle, vectors, begun, poor).tolist(), strict=True):
        members.setdefault(label, []).append(face)
    groups.join(
        [
            (_group_of(some), [face.id for face in some if face.group is None])
            for some in members.values()
            if len(some) > 1 and any(face.group is None for face in some)
        ]
    )
    # What somebody else grouped meanwhile stays too.
    grouped: dict[tuple[int, int], list[CollectedFace]] = {}
    for face in groups.faces(list(photos)):
        if face.id not in row_of:  # its photo changed meanwhile
            continue
        grouped.setdefault((face.group or 0, 0 if face.group else face.id), []).append(face)
    made = []
    for some in grouped.values():
        best = sorted(some, key=lambda face: (-face.quality, face.id))
        name = some[0].name
        if name is None and identifier:
            name = _named(identifier, vectors[[row_of[face.id] for face in some]])
        made.append(Group(some[0].group, name, best))
    return sorted(made, key=lambda group: (-len(group.photos), group.id is None, group.id or group.faces[0].id))


def _group_of(faces: Sequence[CollectedFace]) -> int | None:
    """The group that some of the faces are in already."""
    return next((face.group for face in faces if face.group), None)


def _named(identifier: Identifier, embeddings: Embeddings) -> str | None:
    """Whom more than half of the faces match."""
    names = Counter(decision.name for decision in identifier.decide(embeddings) if decision.is_known)
    return next((name for name, times in names.items() if 2 * times > len(embeddings)), None)


def enroll_groups(
    recognizer: Recognizer, gallery: Gallery, groups: Groups, named: Mapping[str, Sequence[CollectedFace]]
) -> list[Enrolment]:
    """Enrol people from the faces of their groups, by name: the best of each, one a photo.

    Raises:
        UnusableNameError: a name cannot be a person's.
        DatabaseError: the gallery cannot be changed.
        ModelError: the model cannot be loaded.
    """
    enrolments: list[Enrolment] = []
    for name, faces in named.items():
        good: dict[Path, CollectedFace] = {}
        for face in sorted(faces, key=lambda face: (-face.quality, face.id)):
            if face.quality >= _MIN_QUALITY and len(good) < _MOST_ENROLLED:
                good.setdefault(face.photo, face)
        chips = groups.chips([face.id for face in good.values()])
        kept = [
            KeptFace(chip.jpeg, chip.sha256, face.photo.name, chip.score)
            for face in good.values()
            if (chip := chips.get(face.id))
        ]
        enrolments += enroll_faces(recognizer, gallery, clean_name(name), kept)
    return enrolments
