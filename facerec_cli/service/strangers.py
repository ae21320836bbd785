"""Faces that nobody knew, kept for a time and grouped as they come, so that somebody can say who they were.

Groups of a model that is no longer in use can be looked at and named until their time has come.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import anyio
import anyio.to_thread

from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.errors import DatabaseError
from facerec_cli.faces.extraction import Face
from facerec_cli.gallery.base import Gallery, Person, clean_name
from facerec_cli.gallery.chipstore import encode_chip, kept_source
from facerec_cli.recognition.enrolment import KeptFace, enroll_faces
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.results import Enrolment
from facerec_cli.recognition.visits import Visit
from facerec_cli.service.grouping import MOST_FACES, Grouping, Seen, drop_oldest, forget
from facerec_cli.service.people import person_of
from facerec_cli.service.problems import LOG
from facerec_cli.service.strangerfile import StrangerFile

MIN_QUALITY = 0.4
"""Quality score below which a face is not remembered: of such faces most do not match a good photo of the same person
even at a false match rate of 1e-3 (see ``faces.quality``), and each would begin a group of its own."""
MOST_ENROLLED = 20
"""Faces of a group that are enrolled when it is named: the best."""
SHOWN = 12
"""Faces of a group that are shown: the best."""

_LATE = 3_600.0
"""Seconds after its time when a face is forgotten at the latest."""


@dataclass(frozen=True)
class Sighting:
    """Where and when somebody was seen, and how good their face was, from 0 to 1."""

    source: str
    seen: datetime
    quality: float


@dataclass(frozen=True)
class StrangerFace(Sighting):
    """A face that is remembered."""

    id: int


@dataclass(frozen=True)
class Group:
    """Faces that are taken for one person's.

    Attributes:
        id: never used twice.
        seen: how often they were.
        first: when first.
        last: when last.
        faces: the best of them.
    """

    id: int
    seen: int
    first: datetime
    last: datetime
    faces: tuple[StrangerFace, ...]

    @property
    def place(self) -> tuple[int, int]:
        """Where the group is in the order of ``Strangers.page``."""
        return self.seen, self.id


@dataclass(frozen=True)
class Named:
    """What came of naming a group: who it is, what became of each face, and where they were seen before."""

    person: Person
    enrolments: Sequence[Enrolment]
    sightings: Sequence[Sighting]


class Strangers:
    """Those who are remembered; may be shared by threads."""

    def __init__(
        self,
        folder: Path,
        recognizer: Recognizer,
        gallery: Gallery,
        kept: timedelta,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open what is remembered in a folder, and forget what is no longer to be.

        Args:
            folder: the one beside the gallery.
            recognizer: the model that embeds the faces.
            gallery: where those who are named are enrolled.
            kept: how long a face, or where somebody was seen, is remembered.
            clock: tells the time, Unix seconds.

        Raises:
            UncalibratedModelError: the model does not say who is near.
            DatabaseError: the file in the folder cannot be used.
        """
        self.kept = kept
        self._recognizer, self._gallery, self._clock = recognizer, gallery, clock
        self._grouping = Grouping(recognizer)
        self._file = StrangerFile(folder, self._expire)
        self.expire()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def expire(self) -> None:
        """Forget what is older than it may be, as every method does, and where people were seen who are gone."""
        with self._file.changing() as db:
            # Looked at now, not before: who was named meanwhile is enrolled, and where they were seen stays.
            snapshot = self._gallery.snapshot()
            for person, name in db.execute("SELECT DISTINCT person, name FROM sightings").fetchall():
                known = person_of(snapshot, person)
                if known is None or known.name != name:
                    db.execute("DELETE FROM sightings WHERE person = ? AND name = ?", [person, name])

    def remember(self, source: str, sha256: str, faces: Sequence[Face], embeddings: Embeddings) -> list[int | None]:
        """Remember the faces of a photo that nobody knew.

        A face whose alignment is doubtful, or whose quality is below ``MIN_QUALITY``, is not. The same photo again adds
        nothing, and of one source's faces in a group within a minute the best is kept, as seen when the first was.

        Args:
            source: what people know the photo by; its file name is kept.
            sha256: of the photo, as ``Photo.sha256``.
            faces: those that were not known, and no others.
            embeddings: float32 [faces, d], theirs, as the recognizer embeds what it is asked about.

        Returns:
            For each face the id of its group; None where it is not remembered.

        Raises:
            DatabaseError: they cannot be kept.
        """
        now, name = self._clock(), kept_source(source)
        seen = [
            Seen(sha256, name, now, face.quality_score, face.score, encode_chip(face.chip), embedding)
            if _is_good(face)
            else None
            for face, embedding in zip(faces, embeddings, strict=True)
        ]
        with self._file.changing() as db:
            groups = [self._grouping.add(db, one) if one else None for one in seen]
            drop_oldest(db)
        return groups

    def remember_visit(self, source: str, visit: Visit) -> int | None:
        """Remember the best face of somebody unknown before a live source, once a visit: a later one takes its place.

        Args:
            source: what people know it by.
            visit: so far.

        Returns:
            The id of their group, which stays a visit's; None where the face is not remembered, as ``remember`` has it,
            and where the group was forgotten, named or merged meanwhile.

        Raises:
            DatabaseError: it cannot be kept.
        """
        face, came = visit.face, visit.first.time
        if not _is_good(face):
            return visit.stranger
        chip, time = encode_chip(face.chip), came.timestamp() if came else self._clock()
        sha256 = hashlib.sha256(chip).hexdigest()
        seen = Seen(sha256, source, time, face.quality_score, face.score, chip, visit.embedding)
        with self._file.changing() as db:
            known = visit.stranger
            if known is not None and not db.execute("SELECT 1 FROM groups WHERE id = ?", [known]).fetchone():
                return None
            group = self._grouping.add(db, seen, known)
            drop_oldest(db)
        return group

    # ------------------------------------------------------------------ looking

    def page(self, after: tuple[int, int] | None, limit: int) -> tuple[list[Group], int]:
        """Groups, most often seen first, and how many there are in all.

        Args:
            after: begin behind the group of this ``place``: where the page before ended.
            limit: most groups.

        Raises:
            DatabaseError: they cannot be read.
        """
        with self._file.changing() as db:
            found = db.execute(
                "SELECT id, seen, first, last FROM groups WHERE (seen, id) < (?, ?)"
                " ORDER BY seen DESC, id DESC LIMIT ?",
                [*(after or (MOST_FACES + 1, 0)), limit],
            ).fetchall()
            groups = [
                Group(group, seen, _moment(first), _moment(last), tuple(_best(db, group)))
                for group, seen, first, last in found
            ]
            (total,) = db.execute("SELECT count(*) FROM groups").fetchone()
        return groups, total

    def chip(self, group: int, face: int) -> bytes | None:
        """The JPEG of a face's chip; None where it is not remembered.

        Raises:
            DatabaseError: it cannot be read.
        """
        with self._file.changing() as db:
            row = db.execute('SELECT chip FROM faces WHERE "group" = ? AND id = ?', [group, face]).fetchone()
        return None if row is None else bytes(row[0])

    def sightings(self, person: Person) -> list[Sighting]:
        """Where somebody was seen before they had a name, the last first.

        Raises:
            DatabaseError: it cannot be read.
        """
        with self._file.changing() as db:
            rows = db.execute(
                "SELECT source, seen, quality FROM sightings WHERE person = ? AND name = ? ORDER BY seen DESC",
                [person.id, person.name],
            ).fetchall()
        return [Sighting(source, _moment(seen), quality) for source, seen, quality in rows]

    # ------------------------------------------------------------------ naming and forgetting

    def name(self, group: int, name: str) -> Named | None:
        """Enrol a group's best faces for a person, and remember of the group where they were seen, and no more.

        What kills it leaves a group whose faces are enrolled already: naming it again finishes it.

        Args:
            group: which.
            name: somebody new, or somebody enrolled.

        Returns:
            What came of it; None where the group is not remembered.

        Raises:
            UnusableNameError: the name cannot be a person's.
            DatabaseError: the gallery or the file cannot be changed.
        """
        cleaned = clean_name(name)
        with self._file.changing() as db:
            rows = db.execute(
                'SELECT chip, sha256, source, score FROM faces WHERE "group" = ? ORDER BY quality DESC, id LIMIT ?',
                [group, MOST_ENROLLED],
            ).fetchall()
        if not rows:
            return None
        enrolments = enroll_faces(self._recognizer, self._gallery, cleaned, [KeptFace(*row) for row in rows])
        person = self._gallery.snapshot().person(cleaned)
        with self._file.changing() as db:
            db.execute(
                'INSERT INTO sightings SELECT ?, ?, source, seen, quality FROM faces WHERE "group" = ?',
                [person.id, person.name, group],
            )
            forget(db, group)
        return Named(person, enrolments, self.sightings(person))

    def forget(self, group: int) -> bool:
        """Forget a group; returns whether it was remembered.

        Raises:
            DatabaseError: it cannot be forgotten.
        """
        with self._file.changing() as db:
            return forget(db, group)

    def forget_all(self) -> None:
        """Forget everything: all groups, and where those who have a name by now were seen.

        Raises:
            DatabaseError: it cannot be forgotten.
        """
        with self._file.changing() as db:
            for table in ("groups", "faces", "sightings"):
                db.execute(f"DELETE FROM {table}")

    def renamed(self, before: Person, after: Person | None) -> None:
        """Follow somebody who has got another name, is now somebody else, or is gone.

        Raises:
            DatabaseError: it cannot be written.
        """
        who = [before.id, before.name]
        with self._file.changing() as db:
            if after is None:
                db.execute("DELETE FROM sightings WHERE person = ? AND name = ?", who)
            else:
                values = [after.id, after.name, *who]
                db.execute("UPDATE sightings SET person = ?, name = ? WHERE person = ? AND name = ?", values)

    # ------------------------------------------------------------------ groups

    def _expire(self, db: sqlite3.Connection) -> None:
        oldest = self._clock() - self.kept.total_seconds()
        shrunk = db.execute('SELECT DISTINCT "group" FROM faces WHERE seen < ?', [oldest]).fetchall()
        if shrunk:
            db.execute("DELETE FROM faces WHERE seen < ?", [oldest])
            for (group,) in shrunk:
                self._grouping.refresh(db, group)
        db.execute("DELETE FROM sightings WHERE seen < ?", [oldest])


def _is_good(face: Face) -> bool:
    """Whether a face is remembered."""
    return not face.doubtful and face.quality_score >= MIN_QUALITY


def _best(db: sqlite3.Connection, group: int) -> Iterator[StrangerFace]:
    rows = db.execute(
        'SELECT id, source, seen, quality FROM faces WHERE "group" = ? ORDER BY quality DESC, id LIMIT ?',
        [group, SHOWN],
    )
    for face, source, seen, quality in rows.fetchall():
        yield StrangerFace(source, _moment(seen), quality, face)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


async def forget_in_time(strangers: Strangers) -> None:
    """Forget what its time has come for, also while nobody asks; until this is cancelled."""
    while True:
        await anyio.sleep(max(1.0, min(_LATE, strangers.kept.total_seconds() / 10)))
        try:
            await anyio.to_thread.run_sync(strangers.expire)
        except DatabaseError as error:
            LOG.error("Strangers could not be forgotten: %s", error)
