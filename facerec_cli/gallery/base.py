"""What a gallery is, whichever store keeps it: the contract that every implementation is held to."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from facerec_cli.defaults import UNKNOWN
from facerec_cli.encoders.cohort import Cohort
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import Comparison
from facerec_cli.errors import UnknownPersonError, UnusableNameError
from facerec_cli.gallery.letters import flaw, looks_like

if TYPE_CHECKING:
    from facerec_cli.faces.alignment import Chip

MAX_NAME = 200


@dataclass(frozen=True)
class Person:
    """Somebody enrolled; ids rise in the order of enrolment and are never used twice."""

    id: int
    name: str
    photos: int
    created: datetime

    def to_json(self) -> dict[str, Any]:
        """The person as every door writes them."""
        return {"name": self.name, "photos": self.photos, "enrolled": written(self.created)}


@dataclass(frozen=True)
class EnrolledFace:
    """One photo of somebody enrolled.

    Attributes:
        id: of the face; ids rise in the order of enrolment.
        name: the person's.
        chip: the key under which the gallery keeps the chip; only the gallery knows what it means.
        sha256: of the source photo's bytes, 64 hex digits.
        source: the source photo's file name.
        score: detection confidence in [0, 1].
        created: when it was enrolled.
    """

    id: int
    name: str
    chip: str
    sha256: str
    source: str
    score: float
    created: datetime

    def to_json(self) -> dict[str, Any]:
        """The photo as every door writes it."""
        return {
            "name": self.name,
            "source": self.source,
            "chip": self.chip,
            "score": round(self.score, 4),
            "enrolled": written(self.created),
            "sha256": self.sha256,
        }


@dataclass(frozen=True, eq=False)
class Record:
    """An enrolled face and its embedding by one model, float32 [d]; None where that model has not embedded it."""

    face: EnrolledFace
    embedding: Embedding | None


@dataclass(frozen=True, eq=False)
class NewFace:
    """A face to enrol: its chip as the JPEG that will be kept, and the embedding of that JPEG's pixels.

    Attributes:
        created: when it was enrolled first, for a copy of another gallery's; None: now.
    """

    name: str
    jpeg: bytes
    embedding: Embedding
    sha256: str
    source: str
    score: float
    created: datetime | None = None


@dataclass(frozen=True)
class Match:
    """Somebody enrolled, and the distance of their template to the probe; smaller is more alike."""

    name: str
    distance: float


class Snapshot(Protocol):
    """A gallery as it was at one moment: whatever is read from one snapshot fits together.

    Iterators read as they go, a page at a time, so that a gallery of any size can be walked through. ``digest`` names
    the model that made embeddings.

    Every method may raise ``DatabaseError``: damaged, not readable, or of a newer format.
    """

    location: str
    """Where the gallery is, for people to read."""

    @property
    def version(self) -> Hashable:
        """Equal in two snapshots of a gallery, made in one process, only if nothing changed between them."""

    def people(self, after: int = 0) -> Iterator[Person]:
        """Those enrolled, in the order of their enrolment.

        Args:
            after: begin behind the person of this id: where the page before ended.
        """

    def person(self, name: str) -> Person:
        """Somebody enrolled.

        Raises:
            UnknownPersonError: nobody of this name is enrolled.
        """

    def faces(self, name: str) -> list[EnrolledFace]:
        """A person's photos.

        Raises:
            UnknownPersonError: nobody of this name is enrolled.
        """

    def has_photo(self, name: str, sha256: str) -> bool:
        """Whether this very photo is already enrolled for this person."""

    def photo_counts(self) -> Mapping[int, int]:
        """How many people have k photos, by k."""

    def records(self, digest: str) -> Iterator[Record]:
        """Every enrolled face with its embedding: person by person, in the order of enrolment, and so their faces."""

    def pending(self, digest: str) -> Iterator[EnrolledFace]:
        """The faces that this model has not embedded yet, in the order of ``records``."""

    def pending_count(self, digest: str) -> int:
        """How many they are."""

    def template(self, digest: str, name: str) -> Embedding:
        """A person's template, float32 [d].

        Raises:
            UnknownPersonError: nobody of this name is enrolled.
            NotEmbeddedError: this model has embedded none of their photos.
        """

    def templates(self, digest: str) -> Iterator[tuple[list[str], Embeddings]]:
        """The names of those who have a template, and the templates, float32 [n, d], page by page."""

    def without_template(self, digest: str) -> Iterator[str]:
        """The names of those who have none: this model knows none of their photos."""

    def cohort(self, digest: str) -> Cohort:
        """The people who have a template of this model, as far as a comparison looks at all of them.

        Whose similarities are looked at are all, or those with the lowest SHA-256 of the photo that was enrolled first;
        and of each the photos enrolled first.
        """

    def search(self, comparison: Comparison, probes: Embeddings, top: int = 1) -> list[list[Match]]:
        """The people nearest to each probe.

        Args:
            comparison: what to compare by; it names the model of the probes.
            probes: float32 [n, d].
            top: how many people a probe.

        Returns:
            For each probe at most ``top`` people, nearest first; at equal distance who was enrolled first comes first.
            Who has no template of this model is not among them; a probe that is no numbers is near nobody.

        Raises:
            NotEmbeddedError: people are enrolled, and none of them has a template of this model.
        """


class Gallery(Protocol):
    """Enrolled people, searched by embedding; may be shared by threads and processes.

    Reading goes through a snapshot. What is written is there, whole, when the method returns, and is in every snapshot
    made from then on, in every process.

    Every method may raise ``DatabaseError``: damaged, busy, not writable, disk full, or of a newer format; what was
    enrolled before is then untouched, but where it is an ``UnfinishedChangeError``.
    """

    location: str
    """Where the gallery is, for people to read."""

    @property
    def beside(self) -> Path:
        """The folder for what else this machine keeps of the gallery; it may not be there yet."""

    @property
    def identity(self) -> Hashable:
        """Equal in two galleries only if they are one: what is written to either is in the other."""

    def snapshot(self) -> Snapshot:
        """The gallery as it is now."""

    def read_jpeg(self, face: EnrolledFace) -> bytes:
        """A face's chip as the JPEG that was enrolled, without what a store writes into it.

        Raises:
            LostChipError: it is missing or damaged.
        """

    def read_chip(self, face: EnrolledFace) -> Chip:
        """A face's chip, uint8 [112, 112, 3] RGB, decoded from the kept JPEG.

        Raises:
            LostChipError: it is missing or damaged.
        """

    def add(self, comparison: Comparison, faces: Sequence[NewFace]) -> list[bool]:
        """Enrol faces, all or none; returns for each whether it is new (false: that photo was there already)."""

    def rename(self, name: str, new_name: str) -> None:
        """Give a person another name.

        Raises:
            UnknownPersonError: nobody has the old name.
            NameTakenError: somebody has the new one.
            UnusableNameError: the new one cannot be a name.
            LostChipError: a chip is missing or damaged.
            UnfinishedChangeError: as ``remove``.
        """

    def remove(self, name: str, photos: Collection[int] | None = None) -> int:
        """Forget a person, or some of their photos by id: chips, embeddings and templates.

        With their last photo a person goes; what is left of them is pending, since templates are of all photos.

        Returns:
            How many photos went.

        Raises:
            UnknownPersonError: nobody of this name is enrolled.
            UnfinishedChangeError: they are forgotten, but for chips that the next change deletes.
        """

    def merge(self, name: str, into: str) -> int:
        """Give all photos of a person to another, who is the same; they are pending, and the name is forgotten.

        Returns:
            How many photos the other did not have.

        Raises:
            UnknownPersonError: one of the two is not enrolled.
            LostChipError: a chip is missing or damaged.
            UnfinishedChangeError: as ``remove``.
        """

    def store(self, comparison: Comparison, embeddings: Sequence[tuple[EnrolledFace, Embedding]]) -> None:
        """Keep a batch of embeddings, each float32 [d], and the templates that follow.

        Faces that are gone by now, or whose id is of another photo, are passed over.
        """


def clean_name(name: str) -> str:
    """A person's name as it is stored: Unicode NFC, no space around it, and one plain space between its words.

    What is not seen is refused, so that no two names look alike by it, but where a script needs it (see ``letters``).

    Raises:
        UnusableNameError: the name is empty, too long, has characters that are not seen, or reads as the word for
            strangers.
    """
    with suppress(UnicodeEncodeError):  # a locale of ASCII alone hands UTF-8 over as bytes
        name = name.encode(errors="surrogateescape").decode(errors="surrogateescape")
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise UnusableNameError("A person's name cannot be empty", "give one")
    if len(cleaned) > MAX_NAME:
        raise UnusableNameError(f"The name {cleaned[:30]!r}… is longer than {MAX_NAME} characters", "shorten it")
    problem = flaw(cleaned)
    if problem:
        raise UnusableNameError(f"The name {cleaned!r} {problem}", "leave it out")
    if looks_like(cleaned, UNKNOWN):
        raise UnusableNameError(f"{cleaned!r} is what strangers are called", "choose another name")
    return " ".join(cleaned.split())


def nobody_named(name: str, location: str) -> UnknownPersonError:
    """The error of a name that nobody enrolled has."""
    return UnknownPersonError(f"Nobody named {name!r} is enrolled in {location}", "look who is")


def written(moment: datetime) -> str:
    """A moment, with its time zone, as in ISO 8601."""
    return moment.isoformat().replace("+00:00", "Z")
