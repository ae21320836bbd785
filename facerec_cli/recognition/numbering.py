"""Numbers for strangers: the same for whoever comes again while they are remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from facerec_cli.encoders.encoder import Embedding
from facerec_cli.recognition.likeness import Likeness

if TYPE_CHECKING:
    from facerec_cli.recognition.visits import Visit

_MOST = 1000
"""Strangers who are remembered: 0.5 MB of embeddings."""
_REMEMBERED = 24 * 3600.0
"""Seconds for which they are, without being seen."""


class Numbering(Protocol):
    """Who gives strangers numbers."""

    def number(self, visit: Visit) -> int | None:
        """The number of the stranger of a visit, asked when they arrive and when they left; None: they have none."""


class Remembered(Numbering):
    """Remembers strangers in memory, for one watch."""

    def __init__(self, likeness: Likeness) -> None:
        self._likeness = likeness
        self._known: dict[int, tuple[Embedding, float]] = {}  # whoever was seen last is last
        self._count = 0

    def number(self, visit: Visit) -> int:
        now = visit.last.position
        self._known = {
            number: (mean, seen) for number, (mean, seen) in self._known.items() if now - seen <= _REMEMBERED
        }
        number = visit.stranger or self._nearest(visit.embedding)
        if number is None:
            self._count += 1
            number = self._count
        mean, _ = self._known.pop(number, (visit.embedding, now))
        self._known[number] = self._likeness.mean([mean, visit.embedding]), now
        while len(self._known) > _MOST:
            self._known.pop(next(iter(self._known)))
        return number

    def _nearest(self, embedding: Embedding) -> int | None:
        numbers = list(self._known)
        nearest = self._likeness.nearest(embedding, [self._known[number][0] for number in numbers])
        return None if nearest is None else numbers[nearest]
