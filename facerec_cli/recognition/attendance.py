"""Who is there: each person once a visit, whatever tracks show them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from facerec_cli.defaults import UNKNOWN
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.recognition.following import Instant, Portrait, Subject
from facerec_cli.recognition.identification import Identifier
from facerec_cli.recognition.likeness import Likeness
from facerec_cli.recognition.numbering import Numbering
from facerec_cli.recognition.results import Decision
from facerec_cli.recognition.visits import GONE, Event, Stay

_CONFIRMING = 2
"""Embeddings that name somebody; one, where frames are seldom."""
_SELDOM = 0.5
"""Seconds between frames from which on they are seldom."""
_STRANGER_AFTER = 1.5
"""Seconds for which somebody is seen and not known before they are told as a stranger."""
_STRANGER_AT_ALL = 0.3
"""Seconds for which a stranger was seen, at least."""
_LEAST_QUALITY = 0.3
"""Of a face that is all there is of somebody."""
_BRIEF = 2
"""Frames, with poor faces alone, that show nobody: what is taken for a face for a moment."""
_WAVERING = 1.05
"""How many times the threshold away somebody still is who was nearer before: the mean wavers."""


class Attendance:
    """The visits to a source. Memory is bounded by the faces of the last ``GONE`` seconds."""

    def __init__(self, likeness: Likeness, source: str, strangers: Numbering) -> None:
        self._likeness, self._source, self._strangers = likeness, source, strangers
        self._open: list[Stay] = []
        self._of: dict[Subject, Stay] = {}
        self._glimpsed: list[Subject] = []  # good faces that were gone before it was sure whose visit they are
        self._identifier: Identifier | None = None
        self._count = 0
        self._events: list[Event] = []

    def take_events(self) -> tuple[Event, ...]:
        """What has happened since this was last asked."""
        events, self._events = tuple(self._events), []
        return events

    def ask(self, identifier: Identifier | None) -> None:
        """Name people by an identifier from now on; None: nobody is enrolled."""
        if identifier is not self._identifier:
            self._identifier = identifier
            for stay in list(self._open):
                if stay in self._open:  # it may have joined another
                    self._decide(stay, stay.subject, keep=False)

    def of(self, subject: Subject) -> Stay | None:
        """The visit that somebody's track shows; None while that is undecided."""
        return self._of.get(subject)

    def see(self, subjects: Iterable[Subject]) -> None:
        """A frame shows these."""
        for subject in subjects:
            if stay := self._of.get(subject):
                stay.see(subject)

    def learn(self, subject: Subject, embedding: Embedding, portrait: Portrait) -> None:
        """A face of somebody was embedded, and is theirs."""
        if stay := self._of.get(subject):
            stay.evidence.add(embedding, *portrait.rank)
            self._decide(stay, subject)

    def place(self, subject: Subject, interval: float, *, is_over: bool = False) -> Subject | None:
        """Find out which visit somebody's is, as far as that can be told.

        Args:
            subject: who is seen.
            interval: between frames, seconds.
            is_over: they will not be seen again, so that what is known must do.

        Returns:
            Who showed that visit until now, and does no longer; nobody where ``is_over``.
        """
        is_due = is_over or (not subject.is_in_doubt and (subject.is_fresh or self._is_long(subject)))
        if subject in self._of or not len(subject.evidence) or not is_due:
            return None
        self._recall(subject)
        decision = self._decision(subject.evidence.mean, self._beside(subject))
        stay, before = self._visit_of(subject, decision), None
        if stay is not None:
            stay.take(subject)
            if not is_over:
                before = stay.subject
                if before is not None:
                    self.lose(before)
                stay.subject = subject
        elif self._is_sure(subject, decision, interval, is_over=is_over):
            self._count += 1
            stay = Stay.begun(self._count, subject, decision)
            self._open.append(stay)
        else:
            if is_over and subject.evidence.is_good:
                self._glimpsed.append(subject)
            return None
        if stay.subject is subject:
            self._of[subject] = stay
        self._decide(stay, subject)
        return before

    def lose(self, subject: Subject) -> None:
        """Somebody's track is over; their visit is not yet."""
        if stay := self._of.pop(subject, None):
            stay.subject = None

    def close(self, now: Instant | None = None) -> None:
        """End the visits of those who were not seen for long; without a moment, all of them."""
        over = [stay for stay in self._open if now is None or now.position - stay.last.position > GONE]
        self._glimpsed = [one for one in self._glimpsed if now and now.position - one.last.position <= GONE]
        for stay in over:
            self._open.remove(stay)
            if stay.subject is not None:
                self.lose(stay.subject)
            self._number(stay)
            self._events.append(Event("left", stay.visit(), self._source))

    def _recall(self, subject: Subject) -> None:
        """Add what was seen of somebody before, when it was not enough."""
        number = self._likeness.nearest(subject.evidence.mean, [one.evidence.mean for one in self._glimpsed])
        if number is not None and self._glimpsed[number].last != subject.last:
            subject.take(self._glimpsed.pop(number))

    def _visit_of(self, subject: Subject, decision: Decision) -> Stay | None:
        """The visit of a person who is known, or of whoever they resemble; a known one is nobody else's."""
        free = [stay for stay in self._open if not stay.is_beside(subject)]
        if decision.is_known:
            for stay in free:
                if stay.decision.name == decision.name:
                    return stay
            free = [stay for stay in free if not stay.decision.is_known]
        number = self._likeness.nearest(subject.evidence.mean, [stay.evidence.mean for stay in free])
        return None if number is None else free[number]

    def _is_sure(self, subject: Subject, decision: Decision, interval: float, *, is_over: bool) -> bool:
        """Whether enough was seen of somebody for a visit of their own."""
        if not subject.evidence.is_good:
            is_face = subject.frames > _BRIEF and subject.best.rank[1] >= _LEAST_QUALITY
            return is_face and (is_over or self._is_long(subject))
        if interval >= _SELDOM:
            return True
        if is_over:
            return decision.is_known or subject.seconds >= _STRANGER_AT_ALL
        return len(subject.evidence) >= _CONFIRMING and (decision.is_known or self._is_long(subject))

    def _is_long(self, subject: Subject) -> bool:
        """Whether they would be known by now."""
        return subject.seconds >= _STRANGER_AFTER

    def _beside(self, subject: Subject | None, but: Stay | None = None) -> set[str]:
        """The names of those who are seen beside somebody, who is none of them."""
        if subject is None:
            return set()
        beside = [stay for stay in self._open if stay is not but and stay.is_beside(subject)]
        return {stay.decision.name for stay in beside} - {UNKNOWN}

    def _decision(self, mean: Embedding, beside: Collection[str]) -> Decision:
        """Who a mean is, if not somebody of these names."""
        if self._identifier is None:
            return Decision(UNKNOWN, (), self._likeness.stranger_threshold)
        (decision,) = self._identifier.decide(mean[None], top=1 + len(beside))
        candidates = tuple(one for one in decision.candidates if one.name not in beside)[:1]
        is_known = bool(candidates) and candidates[0].distance <= decision.threshold
        return Decision(candidates[0].name if is_known else UNKNOWN, candidates, decision.threshold)

    def _decide(self, stay: Stay, subject: Subject | None, *, keep: bool = True) -> None:
        """Say anew whose a visit is, and tell what was not told."""
        decision = self._decision(stay.evidence.mean, self._beside(subject, stay))
        if not (keep and _is_about(decision, stay.decision)):
            stay.decision = decision
        if stay.decision.is_known:
            stay.stranger = None
            for other in [one for one in self._open if one is not stay and one.decision.name == stay.decision.name]:
                self._join(stay, other)
        if not stay.told or (stay.decision.is_known and stay.decision.name not in stay.told):
            self._number(stay)
            self._events.append(Event("arrived", stay.visit(), self._source))
        stay.told.add(stay.decision.name)

    def _join(self, stay: Stay, other: Stay) -> None:
        """Two visits turn out to be one person's."""
        self._open.remove(other)
        if other.subject is not None:
            self.lose(other.subject)
        kept, gone = sorted((stay, other), key=lambda one: one.number)
        if gone.told:
            self._events.append(Event("left", gone.visit(), self._source, joined=kept.number))
        stay.number, stay.told = kept.number, kept.told
        stay.take(other)

    def _number(self, stay: Stay) -> None:
        if not stay.decision.is_known:
            stay.stranger = self._strangers.number(stay.visit())


def _is_about(decision: Decision, before: Decision) -> bool:
    """Whether somebody who was known is nobody else, and not far from known."""
    if decision.is_known or not before.is_known or not decision.candidates:
        return False
    nearest = decision.candidates[0]
    return nearest.name == before.name and nearest.distance <= _WAVERING * decision.threshold
