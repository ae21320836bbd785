"""What is told of a video: who was there, from when to when."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Literal

from facerec_cli.encoders.encoder import Embedding
from facerec_cli.faces.extraction import Face
from facerec_cli.gallery.base import written
from facerec_cli.gallery.chipstore import encode_chip
from facerec_cli.recognition.following import Evidence, Instant, Portrait, Subject
from facerec_cli.recognition.results import Decision, Identification, rounded

GONE = 10.0
"""Seconds without being seen after which a visit is over."""


@dataclass(frozen=True, eq=False)
class Visit:
    """One person's stay before a source, so far.

    Attributes:
        number: 1, 2, ... of this watch.
        decision: who it is, by the mean of the good embeddings.
        stranger: a stable number of somebody unknown, while they are remembered.
        first: when they were seen first.
        last: when they were seen last.
        frames: in how many of the frames that were looked at.
        face: the best one so far.
        at: when that was seen.
        embedding: the mean, float32 [d].
    """

    number: int
    decision: Decision
    stranger: int | None
    first: Instant
    last: Instant
    frames: int
    face: Face
    at: Instant
    embedding: Embedding

    @property
    def label(self) -> str:
        """What to call the person: by name, or such as ``unknown 3``."""
        return label(self.decision, self.stranger)

    @property
    def seconds(self) -> float:
        """From the first sighting to the last."""
        return self.last.position - self.first.position


@dataclass(frozen=True, eq=False)
class Event:
    """Somebody arrived, as soon as it is decided who it is, or left.

    A stranger who turns out to be somebody known arrives once more, in the same visit.

    Attributes:
        kind: which of the two.
        visit: so far, or as it was.
        source: what people know the video by.
        joined: of a visit that is over because it is part of another: the number of that.
    """

    kind: Literal["arrived", "left"]
    visit: Visit
    source: str
    joined: int | None = None

    @property
    def ends_visit(self) -> bool:
        """Whether the person is gone, and was not only found to be part of another visit."""
        return self.kind == "left" and self.joined is None

    def to_json(self) -> dict[str, Any]:
        """The record of an event as every door writes it; see docs/output.schema.json."""
        visit, decision = self.visit, self.visit.decision
        identified = Identification(decision.name, decision.candidates, decision.threshold, visit.face)
        return {
            "event": self.kind,
            "source": self.source,
            "visit": visit.number,
            "stranger": visit.stranger,
            "time": written(visit.first.time) if visit.first.time else None,
            "position": rounded(visit.first.position, 3),
            "seconds": rounded(visit.seconds, 3),
            "frames": visit.frames,
            **identified.to_json(),
            "at": rounded(visit.at.position, 3),
            "chip": base64.b64encode(encode_chip(visit.face.chip)).decode(),
        }


@dataclass(eq=False)
class Stay:
    """A visit that goes on.

    Attributes:
        evidence: what tells whose it is.
        best: the best face so far.
        subject: who shows it now; None where no track does.
        told: the names that it was told by.
    """

    number: int
    evidence: Evidence
    first: Instant
    last: Instant
    best: Portrait
    decision: Decision
    subject: Subject | None = None
    frames: int = 0
    stranger: int | None = None
    told: set[str] = field(default_factory=set)

    @classmethod
    def begun(cls, number: int, subject: Subject, decision: Decision) -> Stay:
        """The visit of somebody who is nobody else."""
        stay = cls(number, subject.evidence.copy(), subject.first, subject.last, subject.best, decision)
        stay.subject, stay.frames = subject, subject.frames
        return stay

    def is_beside(self, subject: Subject) -> bool:
        """Whether another was seen in this visit when somebody was seen last, so that they are two."""
        own = self.subject
        if own is None or own is subject:
            return False
        return own.first.position <= subject.last.position <= own.last.position

    def take(self, other: Subject | Stay) -> None:
        """Another track, or visit, is this one's."""
        self.evidence.merge(other.evidence)
        self.frames += other.frames
        self.first = min(self.first, other.first, key=lambda at: at.position)
        self.last = max(self.last, other.last, key=lambda at: at.position)
        self.best = max(self.best, other.best, key=lambda best: best.rank)

    def see(self, subject: Subject) -> None:
        """Its subject was seen again, in a frame."""
        self.frames, self.last = self.frames + 1, subject.last
        self.best = max(self.best, subject.best, key=lambda best: best.rank)

    def visit(self) -> Visit:
        """The visit so far."""
        return Visit(
            self.number,
            self.decision,
            self.stranger,
            self.first,
            self.last,
            self.frames,
            self.best.face,
            self.best.at,
            self.evidence.mean,
        )


def label(decision: Decision, stranger: int | None) -> str:
    """What to call somebody known, or a stranger by their number, if they have one."""
    return decision.name if stranger is None else f"{decision.name} {stranger}"
