"""Names that other programs read and write: people marked in photos' metadata, known and to be known."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facerec_cli.errors import FacerecError, PhotoError, SidecarError
from facerec_cli.metadata.areas import area_of
from facerec_cli.metadata.marks import Marks, read_marks
from facerec_cli.metadata.regions import Region
from facerec_cli.recognition.marked import Marked, agreeing
from facerec_cli.recognition.results import Identification, PhotoResult

TAGGED, TO_TAG = "tagged", "to be tagged"
THERE, NAMED_OTHERWISE = "tagged before", "named otherwise"


@dataclass(frozen=True, eq=False)
class Tagged:
    """Somebody known in a photo, and what became of their name.

    Attributes:
        face: who it is, and where.
        status: ``tagged``, ``to be tagged`` where nothing was to be written, ``tagged before`` where the person is
            marked in the photo already, or ``named otherwise`` where the face has another name there.
        other: that other name.
    """

    face: Identification
    status: str
    other: str | None = None


@dataclass(frozen=True, eq=False)
class Tagging:
    """What became of a photo whose known people were to be marked.

    Attributes:
        result: who is in the photo.
        sidecar: the file beside it that says so, or is to.
        people: those known, nearest first, each once.
        error: why the photo or the sidecar could not be used.
    """

    result: PhotoResult
    sidecar: Path | None = None
    people: tuple[Tagged, ...] = ()
    error: FacerecError | None = None

    def to_json(self) -> dict[str, Any]:
        """The outcome as every door writes it; ``error`` is the program's to word."""
        return {
            "photo": self.result.source,
            "sidecar": str(self.sidecar) if self.sidecar else None,
            "people": [
                {"status": one.status, "other": one.other}
                | {key: one.face.to_json()[key] for key in ("name", "distance", "threshold", "probability", "box")}
                for one in self.people
            ],
            "error": str(self.error) if self.error else None,
        }


def marked_people(photo: Path) -> list[tuple[str, Marked]]:
    """The people whom somebody named in a photo's metadata, for ``enroll_all``; no animals and things.

    Raises:
        PhotoError: the photo, or what is written of it, cannot be read.
    """
    regions = read_marks(photo).regions
    areas = [region.area for region in regions]
    return [
        (region.name, Marked(photo, region.name, areas, number))
        for number, region in enumerate(regions)
        if region.name and region.may_be_person
    ]


def tag(result: PhotoResult, *, dry_run: bool = False) -> Tagging:
    """Write who is known in a photo, and where, into its sidecar; names that are there stay, and nobody is named twice.

    Args:
        result: the photo's file, and who is in it.
        dry_run: write nothing.
    """
    if result.error:
        return Tagging(result, error=result.error)
    try:
        marks = read_marks(Path(result.source), (result.width, result.height))
        people, new = _sorted_out(result, marks)
        if new and not dry_run:
            marks.add(new)
    except (PhotoError, SidecarError) as error:
        return Tagging(result, error=error)
    statuses = {TAGGED: TO_TAG} if dry_run else {}
    people = [Tagged(one.face, statuses.get(one.status, one.status), one.other) for one in people]
    return Tagging(result, marks.sidecar, tuple(people))


def _sorted_out(result: PhotoResult, marks: Marks) -> tuple[list[Tagged], list[Region]]:
    """The known people of a photo, and the regions to add."""
    size = (result.width, result.height)
    named = [region for region in marks.regions if region.name and region.may_be_person]
    agreed = agreeing([region.area for region in named], [one.face for one in result.faces], size)
    names = {_read_as(region.name) for region in named}
    people: list[Tagged] = []
    new: list[Region] = []
    nearest = sorted((one for one in result.faces if one.is_known), key=lambda one: one.candidates[0].distance)
    for one in nearest:
        region = Region(one.name, area_of(one.face.box, *size))
        others = [
            other
            for other, face in zip(named, agreed, strict=True)
            if (face is not None and result.faces[face] is one) or other.is_same(region)
        ]
        if _read_as(one.name) in names:
            if one.name not in (tagged.face.name for tagged in people):
                people.append(Tagged(one, THERE))
        elif others:
            people.append(Tagged(one, NAMED_OTHERWISE, others[0].name))
        else:
            people.append(Tagged(one, TAGGED))
            new.append(region)
            names.add(_read_as(one.name))
    return people, new


def _read_as(name: str) -> str:
    """A name as people read it, whatever program wrote it."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())
