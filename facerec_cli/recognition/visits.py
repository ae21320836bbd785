"""Who was there, and when: each person once a visit, whatever tracks showed them."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from facerec_cli.encoders.encoder import Embedding
from facerec_cli.faces.extraction import Face
from facerec_cli.gallery.base import UNKNOWN
from facerec_cli.gallery.chipstore import encode_chip
from facerec_cli.recognition.following import Evidence, Instant, Portrait, Subject
from facerec_cli.recognition.identification import Identifier
from facerec_cli.recognition.likeness import Likeness
from facerec_cli.recognition.numbering import Numbering
from facerec_cli.recognition.results import Decision, Identification, rounded

GONE = 10.0
"""Seconds without being seen after which a visit is over."""
_CONFIRMING = 2
"""Embeddings that name somebody; one, where frames are seldom."""
_SELDOM = 0.5
"""Seconds between frames from which on they are seldom."""
_STRANGER_AFTER = 1.5
"""Seconds for which somebody is seen and not known before they are told as a stranger."""
_LEAST_QUALITY = 0.3
"""Of a face that is all there is of somebody."""
_BRIEF = 2
"""Frames, with poor faces alone, that show nobody: what is taken for a face for a moment."""


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
    """

    kind: Literal["arrived", "left"]
    visit: Visit
    source: str

    def to_json(self) -> dict[str, Any]:
        """The record of an event as every door writes it; see docs/output.schema.json."""
        visit, decision = self.visit, self.visit.decision
        identified = Identification(decision.name, decision.candidates, decision.threshold, visit.face)
        return {
            "event": self.kind,
            "source": self.source,
            "visit": visit.number,
            "stranger": visit.stranger,
            "time": _iso(visit.first.time),
            "position": rounded(visit.first.position, 3),
            "seconds": rounded(visit.seconds, 3),
            "frames": visit.frames,
            **identified.to_json(),
            "at": rounded(visit.at.position, 3),
            "chip": base64.b64encode(encode_chip(visit.face.chip)).decode(),
        }


@dataclass(eq=False)
class _Stay:
    """A visit that goes on; ``subject`` is who shows it now."""

    number: int
    evidence: Evidence
    first: Instant
    last: Instant
    best: Portrait
    decision: Decision
    subject: Subject | None = None
    frames: int = 0
    stranger: int | None = None

    def __post_init__(self) -> None:
        self.told: set[str] = set()

    def is_seen(self, now: Instant) -> bool:
        return self.subject is not None and self.subject.last == now

    def take(self, subject: Subject) -> None:
        """Somebody is the one of this visit."""
        self.evidence.merge(subject.evidence)
        self.frames += subject.frames
        self.first = min(self.first, subject.first, key=lambda at: at.position)
        self.see(subject)
        self.subject = subject

    def see(self, subject: Subject) -> None:
        """Who it is was seen again."""
        self.last = max(self.last, subject.last, key=lambda at: at.position)
        self.best = max(self.best, subject.best, key=lambda best: best.rank)

    def visit(self) -> Visit:
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


class Visits:
    """The visits of a watch. Memory is bounded by the people of the last ``GONE`` seconds.

    Attributes:
        events: what has happened since they were last taken.
    """

    def __init__(self, likeness: Likeness, source: str, strangers: Numbering) -> None:
        self._likeness, self._source, self._strangers = likeness, source, strangers
        self._open: list[_Stay] = []
        self._of: dict[Subject, _Stay] = {}
        self._identifier: Identifier | None = None
        self._count = 0
        self._events: list[Event] = []

    def take_events(self) -> tuple[Event, ...]:
        """What has happened since this was last asked."""
        events, self._events = tuple(self._events), []
        return events

    def ask(self, identifier: Identifier | None, now: Instant) -> None:
        """Name people by an identifier from now on; None: nobody is enrolled."""
        if identifier is not self._identifier:
            self._identifier = identifier
            for stay in self._open:
                stay.told.discard(UNKNOWN)
                self._decide(stay, now, keep=False)

    def of(self, subject: Subject) -> _Stay | None:
        """The visit that somebody's track shows; None while that is undecided."""
        return self._of.get(subject)

    def see(self, subjects: Iterable[Subject]) -> None:
        """These are seen in a frame, and were counted there."""
        for subject in subjects:
            if stay := self._of.get(subject):
                stay.frames += 1
                stay.see(subject)

    def learn(self, subject: Subject, embedding: Embedding, portrait: Portrait) -> None:
        """A face of somebody was embedded."""
        if stay := self._of.get(subject):
            stay.evidence.add(embedding, *portrait.rank)
            self._decide(stay, portrait.at)

    def place(self, subject: Subject, interval: float, *, is_over: bool = False) -> Subject | None:
        """Find out which visit somebody's is, as far as that can be told.

        Args:
            subject: who is seen.
            interval: between frames, seconds.
            is_over: they will not be seen again, so that what is known must do.

        Returns:
            Whoever showed that visit until now, whose track is over.
        """
        if subject in self._of or not len(subject.evidence):
            return None
        now, mean = subject.last, subject.evidence.mean
        free = [stay for stay in self._open if not stay.is_seen(now)]
        decision = self._decision(mean, self._present(now))
        stay = self._visit_of(mean, decision, free)
        if stay is None:
            if not self._is_sure(subject, decision, interval, is_over=is_over):
                return None
            self._count += 1
            stay = _Stay(self._count, Evidence(self._likeness), subject.first, subject.last, subject.best, decision)
            self._open.append(stay)
        before = stay.subject
        if before is not None:
            del self._of[before]
        stay.take(subject)
        self._of[subject] = stay
        self._decide(stay, now)
        return before

    def lose(self, subject: Subject) -> None:
        """Somebody's track is over; their visit is not yet."""
        if stay := self._of.pop(subject, None):
            stay.subject = None

    def close(self, now: Instant | None = None) -> None:
        """End the visits of those who were not seen for long; without a moment, all of them."""
        over = [stay for stay in self._open if now is None or now.position - stay.last.position > GONE]
        for stay in over:
            self._open.remove(stay)
            if stay.subject is not None:
                self.lose(stay.subject)
            self._number(stay)
            self._events.append(Event("left", stay.visit(), self._source))

    def _visit_of(self, mean: Embedding, decision: Decision, free: Collection[_Stay]) -> _Stay | None:
        """The visit of a person who is known, or of whoever they resemble; a known one is nobody else's."""
        if decision.is_known:
            for stay in free:
                if stay.decision.is_known and stay.decision.name == decision.name:
                    return stay
            free = [stay for stay in free if not stay.decision.is_known]
        alike = list(free)
        number = self._likeness.nearest(mean, [stay.evidence.mean for stay in alike])
        return None if number is None else alike[number]

    def _is_sure(self, subject: Subject, decision: Decision, interval: float, *, is_over: bool) -> bool:
        """Whether enough was seen of somebody for a visit of their own."""
        if not subject.evidence.is_good:
            is_long = subject.seconds >= _STRANGER_AFTER or is_over
            return is_long and subject.frames > _BRIEF and subject.best.rank[1] >= _LEAST_QUALITY
        if is_over:
            return True
        if subject.is_in_doubt:
            return False
        is_confirmed = len(subject.evidence) >= _CONFIRMING or interval >= _SELDOM
        return is_confirmed and (decision.is_known or subject.seconds >= _STRANGER_AFTER)

    def _present(self, now: Instant, but: _Stay | None = None) -> set[str]:
        """The names of those who are seen, who cannot be seen twice."""
        return {stay.decision.name for stay in self._open if stay is not but and stay.is_seen(now)} - {UNKNOWN}

    def _decision(self, mean: Embedding, present: Collection[str]) -> Decision:
        """Who a mean is, if not somebody of these names."""
        if self._identifier is None:
            return Decision(UNKNOWN, (), self._likeness.stranger_threshold)
        (decision,) = self._identifier.decide(mean[None], top=1 + len(present))
        candidates = tuple(one for one in decision.candidates if one.name not in present)[:1]
        is_known = bool(candidates) and candidates[0].distance <= decision.threshold
        return Decision(candidates[0].name if is_known else UNKNOWN, candidates, decision.threshold)

    def _decide(self, stay: _Stay, now: Instant, *, keep: bool = True) -> None:
        """Say anew whose a visit is, and tell what was not told; somebody known stays so unless they are another."""
        decision = self._decision(stay.evidence.mean, self._present(now, stay))
        if decision.is_known or not stay.decision.is_known or not keep:
            stay.decision = decision
        if stay.decision.is_known:
            stay.stranger = None
            for other in [one for one in self._open if one is not stay and one.decision.name == stay.decision.name]:
                self._join(stay, other)
        if stay.decision.name in stay.told or (stay.told and not stay.decision.is_known):
            return
        stay.told.add(stay.decision.name)
        self._number(stay)
        self._events.append(Event("arrived", stay.visit(), self._source))

    def _join(self, stay: _Stay, other: _Stay) -> None:
        """Two visits turn out to be one person's: the one that began first goes on."""
        self._open.remove(other)
        if other.subject is not None:
            self.lose(other.subject)
        stay.number = min(stay.number, other.number)
        stay.told |= other.told
        stay.evidence.merge(other.evidence)
        stay.frames += other.frames
        stay.first = min(stay.first, other.first, key=lambda at: at.position)
        stay.last = max(stay.last, other.last, key=lambda at: at.position)
        stay.best = max(stay.best, other.best, key=lambda best: best.rank)

    def _number(self, stay: _Stay) -> None:
        if not stay.decision.is_known:
            stay.stranger = self._strangers.number(stay.visit())


def _iso(time: datetime | None) -> str | None:
    if time is None:
        return None
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
