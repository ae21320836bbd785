"""What a gallery is, whichever store keeps it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.metric import Metric, Space
from facerec_cli.errors import PersonError

if TYPE_CHECKING:
    from facerec_cli.faces.alignment import Chip

UNKNOWN = "unknown"
MAX_NAME = 200


@dataclass(frozen=True)
class Person:
    """Somebody enrolled."""

    id: int
    name: str
    photos: int
    created: datetime


@dataclass(frozen=True)
class EnrolledFace:
    """One photo of somebody enrolled.

    Attributes:
        chip: the chip's file, relative to the database.
        sha256: of the source photo's bytes, 64 hex digits.
        source: the source photo's file name.
        score: detection confidence in [0, 1].
    """

    id: int
    name: str
    chip: str
    sha256: str
    source: str
    score: float
    created: datetime


@dataclass(frozen=True, eq=False)
class NewFace:
    """A face to enrol: its chip as the JPEG that will be kept, and the embedding of that JPEG's pixels."""

    name: str
    jpeg: bytes
    embedding: npt.NDArray[np.float32]
    sha256: str
    source: str
    score: float


@dataclass(frozen=True)
class Match:
    """Somebody enrolled, and the distance of their template to the probe; smaller is more alike."""

    name: str
    distance: float


class Gallery(Protocol):
    """Enrolled people, searched by embedding. ``digest`` names the model that made the embeddings, ``space`` also says
    how they are compared.

    Every method may raise ``DatabaseError``: damaged, busy, not writable, disk full, or of a newer format.
    """

    location: str
    """Where the gallery is, for people to read."""

    @staticmethod
    def open(location: str | Path, *, create: bool = False) -> Gallery:
        """Open the gallery at a location: today always a folder.

        Args:
            location: the database folder.
            create: make the folder where there is none.

        Raises:
            DatabaseError: there is no such database and ``create`` is false.
        """
        from facerec_cli.gallery.hdf5 import Hdf5Gallery  # noqa: PLC0415 - the store imports this module

        return Hdf5Gallery(Path(location), create=create)

    def people(self) -> list[Person]:
        """Everybody enrolled, in the order of their enrolment."""

    def faces(self, name: str | None = None) -> list[EnrolledFace]:
        """The enrolled photos, of everybody or of one person.

        Raises:
            PersonError: nobody of this name is enrolled.
        """

    def has_photo(self, name: str, sha256: str) -> bool:
        """Whether this very photo is already enrolled for this person."""

    def photo_counts(self) -> npt.NDArray[np.int64]:
        """The number of photos of each person, int64 [people]."""

    def add(self, space: Space, faces: Sequence[NewFace]) -> list[bool]:
        """Enrol faces, all or none; returns for each whether it is new (false: that photo was there already)."""

    def rename(self, name: str, new_name: str) -> None:
        """Give a person another name.

        Raises:
            PersonError: nobody has the old name, or somebody has the new one.
        """

    def remove(self, name: str) -> int:
        """Forget a person: chips, embeddings and template. Returns how many photos went.

        Raises:
            PersonError: nobody of this name is enrolled.
        """

    def pending(self, digest: str) -> list[EnrolledFace]:
        """The faces that have no embedding of this model yet."""

    def embeddings(self, digest: str) -> npt.NDArray[np.float32]:
        """The embeddings of this model, float32 [faces, d] in the order of ``faces()``; NaN where there is none yet."""

    def read_chip(self, face: EnrolledFace) -> Chip:
        """A face's chip, uint8 [112, 112, 3] RGB, decoded from the kept JPEG.

        Raises:
            DatabaseError: the chip's file is missing or damaged.
        """

    def store(self, space: Space, embeddings: Mapping[int, npt.NDArray[np.float32]]) -> None:
        """Keep embeddings, float32 [d] by face id, and the templates that follow from them."""

    def calibration(self, digest: str) -> dict[str, Any] | None:
        """This model's calibration to the people enrolled here, as ``Calibration.to_json`` gave it, if there is one."""

    def set_calibration(self, digest: str, calibration: dict[str, Any] | None) -> None:
        """Keep a calibration of this model, or forget it."""

    def rebuild(self) -> list[str]:
        """Make the index anew from the kept chips; embeddings follow when a model is next used.

        Returns:
            A sentence for each chip that could not be used.
        """

    def search(self, space: Space, probes: npt.NDArray[np.float32], top: int = 1) -> list[list[Match]]:
        """The people nearest to each probe.

        Args:
            space: the model of the probes.
            probes: float32 [n, d].
            top: how many people a probe.

        Returns:
            For each probe at most ``top`` people, nearest first; at equal distance who was enrolled first comes first.
        """

    def template(self, digest: str, name: str) -> npt.NDArray[np.float32]:
        """A person's template, float32 [d].

        Raises:
            PersonError: nobody of this name is enrolled.
        """


def clean_name(name: str) -> str:
    """A person's name as it is stored: Unicode NFC, no space around it.

    Raises:
        PersonError: the name is empty, too long, has control characters, or is the word for strangers.
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise PersonError("A person's name cannot be empty: give one with --name.")
    if len(cleaned) > MAX_NAME:
        raise PersonError(f"The name {cleaned[:30]!r}… is longer than {MAX_NAME} characters: shorten it.")
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in cleaned):
        raise PersonError(f"The name {cleaned!r} has control characters: remove them.")
    if cleaned.casefold() == UNKNOWN:
        raise PersonError(f"{cleaned!r} is what strangers are called: choose another name.")
    return cleaned


def templates(
    embeddings: npt.NDArray[np.float32], owner: npt.NDArray[np.int64], people: int, metric: Metric
) -> npt.NDArray[np.float32]:
    """The mean of each person's embeddings, scaled as the metric wants it.

    Args:
        embeddings: float32 [faces, d]; rows of NaN are faces not embedded yet and do not count.
        owner: int64 [faces], the person of each row, in [0, people).
        people: how many people.
        metric: the model's.

    Returns:
        float32 [people, d]; NaN for a person without any embedding, or whose embeddings cancel out.
    """
    known = np.isfinite(embeddings).all(axis=1)
    # float64 sums in row order: a rebuild that adds the same rows gives the same bits.
    sums = np.zeros((people, embeddings.shape[1]), np.float64)
    np.add.at(sums, owner[known], embeddings[known].astype(np.float64))
    counts = np.bincount(owner[known], minlength=people)[:, None]
    means = metric.scaled(np.asarray(sums / np.maximum(counts, 1), np.float32))
    return np.where(means.any(axis=1, keepdims=True), means, np.float32(np.nan))
