"""Regions that somebody marked in a photo, and the faces that are found there: which belongs to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facerec_cli.errors import UnmatchedRegionError
from facerec_cli.faces.extraction import Extraction, Face
from facerec_cli.faces.images import PhotoLike
from facerec_cli.metadata.areas import Area, area_of

_AGREEING = 0.2
"""Least overlap of a region and its face: people draw round a head, programs often a square half as large again."""
_RIVAL = 0.5
"""Share of the best face's overlap from which another one may be meant as well."""


@dataclass(frozen=True, eq=False)
class Marked:
    """Somebody who is marked in a photo.

    Attributes:
        photo: which.
        name: the person's.
        areas: of all that is marked in the upright photo.
        number: of the person's area.
    """

    photo: PhotoLike
    name: str
    areas: Sequence[Area]
    number: int

    def face(self, seen: Extraction) -> Face:
        """The face that is theirs, of those of the photo.

        Raises:
            UnmatchedRegionError: none is there, or it is not plain which.
        """
        chosen = agreeing(self.areas, seen.faces, (seen.width, seen.height))[self.number]
        if chosen is None:
            problem = f"{seen.source} shows no face, or not one alone, where {self.name} is marked"
            raise UnmatchedRegionError(problem, "mark the face anew, or give a photo of that person alone")
        return seen.faces[chosen]


def agreeing(areas: Sequence[Area], found: Sequence[Face], size: tuple[int, int]) -> list[int | None]:
    """For each area the number of the face that it is of, where that is plain; no face is given twice.

    The middle of one is in the other, and they overlap; the pairs that overlap most come first.

    Args:
        areas: of the upright photo.
        found: its faces.
        size: its width and height, pixels.
    """
    faces = [area_of(face.box, *size) for face in found]
    pairs = sorted(
        (
            (-area.overlap(face), area_number, face_number)
            for area_number, area in enumerate(areas)
            for face_number, face in enumerate(faces)
            if (area.holds(face.x, face.y) or face.holds(area.x, area.y)) and area.overlap(face) >= _AGREEING
        )
    )
    chosen: list[int | None] = [None] * len(areas)
    taken: set[int] = set()
    for _, area_number, face_number in pairs:
        if chosen[area_number] is None and face_number not in taken:
            chosen[area_number] = face_number
            taken.add(face_number)
    # What nobody else claims may be meant as well.
    rivals = [(overlap, area_number) for overlap, area_number, face_number in pairs if face_number not in taken]
    for overlap, area_number in rivals:
        best = chosen[area_number]
        if best is not None and -overlap >= _RIVAL * areas[area_number].overlap(faces[best]):
            chosen[area_number] = None
    return chosen
