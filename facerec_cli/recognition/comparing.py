"""A copied gallery held against what it is a copy of: every photo, every chip."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facerec_cli.errors import DatabaseError, LostChipError, UnknownPersonError
from facerec_cli.gallery.base import EnrolledFace, Gallery, Person, Snapshot
from facerec_cli.gallery.chipstore import decode_chip
from facerec_cli.parallel import ordered_map
from facerec_cli.recognition.copying import photo_count


@dataclass(frozen=True)
class Contents:
    """What a gallery has of the people who were copied, but for what the source has lost.

    Attributes:
        people: how many.
        photos: how many, of them.
        sha256: over each photo's person, SHA-256 and chip, in the source's order of enrolment; 64 hex digits.
    """

    people: int
    photos: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Compared:
    """A copy beside what it is of.

    Attributes:
        source: what was to be copied.
        target: what there is of it; equal if the copy is the same.
        problems: an error for each chip that is lost on either side, and for each photo that is not the same.
        other_people: how many the target has besides.
        other_photos: how many it has besides, of whomever.
    """

    source: Contents
    target: Contents
    problems: Sequence[DatabaseError]
    other_people: int
    other_photos: int


def compare_copy(
    people: Snapshot, source: Gallery, target: Gallery, progress: Callable[[int, int], None] | None = None
) -> Compared:
    """Hold a copy against what it is of: every photo, every chip.

    Args:
        people: those who were copied.
        source: their gallery.
        target: where they were copied to.
        progress: told how many photos are compared, of how many.

    Raises:
        DatabaseError: one of the two cannot be read.
    """
    there = target.snapshot()

    def compare(person: Person) -> list[_Pair]:
        try:
            copies = {face.sha256: face for face in there.faces(person.name)}
        except UnknownPersonError:
            copies = {}
        return [_pair(source, target, face, copies.get(face.sha256)) for face in people.faces(person.name)]

    total, done, found = photo_count(people), 0, 0
    sides = _Side(), _Side()
    problems: list[DatabaseError] = []
    for pairs in ordered_map(compare, people.people()):
        done += len(pairs)
        found += sum(pair.is_there for pair in pairs)
        problems += [pair.problem for pair in pairs if pair.problem]
        for side, chips in zip(sides, ([pair.original for pair in pairs], [pair.copy for pair in pairs]), strict=True):
            side.take([chip for chip in chips if chip])
        if progress:
            progress(done, total)
    counts = there.photo_counts()
    one, other = (side.contents() for side in sides)
    return Compared(one, other, problems, sum(counts.values()) - other.people, photo_count(there) - found)


@dataclass(frozen=True, eq=False)
class _Pair:
    """A photo at the source and at the target.

    Attributes:
        original: a digest over person, photo and chip; None where the source has lost the chip.
        copy: the target's; None where it has none, or where there is no original.
        is_there: whether the target has the photo, with whatever chip.
        problem: why the two are not the same.
    """

    original: bytes | None
    copy: bytes | None
    is_there: bool
    problem: DatabaseError | None = None


def _pair(source: Gallery, target: Gallery, face: EnrolledFace, copied: EnrolledFace | None) -> _Pair:
    original = copy = None
    is_there = copied is not None
    try:
        original = _digest(source, face)
        copy = _digest(target, copied) if copied else None
    except LostChipError as error:
        return _Pair(original, copy, is_there, error)
    problem = None
    if copy != original:
        what, remedy = (
            ("has another chip", "forget it there, and copy again") if copied else ("is missing", "copy again")
        )
        problem = DatabaseError(f"{face.source} of {face.name} {what} in {target.location}", remedy)
    return _Pair(original, copy, is_there, problem)


def _digest(gallery: Gallery, face: EnrolledFace) -> bytes:
    jpeg = gallery.read_jpeg(face)
    try:
        decode_chip(jpeg)
    except ValueError as error:
        problem = f"The chip of {face.source} of {face.name} in {gallery.location} cannot be used ({error})"
        raise LostChipError(problem, "enrol it again, or forget it", face.source) from error
    chip = hashlib.sha256(jpeg).hexdigest()
    return hashlib.sha256(f"{face.name}\0{face.sha256}\0{chip}".encode()).digest()


class _Side:
    """One of two galleries, person by person."""

    def __init__(self) -> None:
        self._people = self._photos = 0
        self._hash = hashlib.sha256()

    def take(self, chips: Sequence[bytes]) -> None:
        """A person's chips."""
        self._people += bool(chips)
        self._photos += len(chips)
        for chip in chips:
            self._hash.update(chip)

    def contents(self) -> Contents:
        return Contents(self._people, self._photos, self._hash.hexdigest())
