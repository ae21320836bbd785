"""Whom a track shows: which of its faces are embedded, and whether they are still the same person's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from facerec_cli.encoders.encoder import Embedding
from facerec_cli.faces.extraction import Face
from facerec_cli.faces.quality import complaint
from facerec_cli.recognition.likeness import Likeness
from facerec_cli.recognition.tracking import Step

GOOD = 0.6
"""Least quality of a face that counts, if nothing else is poor: at most 31 % fail at FMR 1e-5, see ``quality``."""
_MOST_KEPT = 16
"""Embeddings of a person that are kept, the best: the mean changes little beyond."""
_EAGER = 3
"""Embeddings that are made at once."""
_EAGER_INTERVAL = 0.1
"""Seconds between these: faces of neighbouring frames are the same picture."""
_INTERVAL = 1.5
"""Seconds between later ones."""
_POOR_INTERVAL = 0.5
"""Seconds between those of poor faces, while there is no better one."""
_CROWDED_INTERVAL = 0.2
"""Seconds between those of a face with others so near that they may be taken for it."""
_MEASURED_INTERVAL = 0.3
"""Seconds between measurements of whether a face is better than those before."""
_BETTER = 0.1
"""By how much the quality of a face must exceed that of all before to be embedded out of turn."""
_MOST_DOUBT = 1.0
"""Seconds for which a track may be in doubt; then it is nobody's."""


@dataclass(frozen=True)
class Instant:
    """A moment of a video: seconds into it, and the time in UTC where the source is live."""

    position: float
    time: datetime | None


@dataclass(frozen=True, eq=False)
class Portrait:
    """A face and when it was seen."""

    face: Face
    at: Instant

    @cached_property
    def is_good(self) -> bool:
        """Whether its embedding tells who it is."""
        face = self.face
        return not face.doubtful and face.quality_score >= GOOD and complaint(face.quality) is None

    @cached_property
    def rank(self) -> tuple[bool, float]:
        """How good it is; the greater, the better."""
        return self.is_good, 0.0 if self.face.doubtful else self.face.quality_score


class Evidence:
    """The best embeddings of somebody; poor ones only as long as there is no good one."""

    def __init__(self, likeness: Likeness) -> None:
        self._likeness = likeness
        self._kept: list[tuple[bool, float, Embedding]] = []
        self._mean: Embedding | None = None

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def is_good(self) -> bool:
        """Whether there is a good one."""
        return bool(self._kept) and self._kept[0][0]

    @property
    def mean(self) -> Embedding:
        """The template, of at least one embedding."""
        if self._mean is None:
            self._mean = self._likeness.mean([embedding for _, _, embedding in self._kept])
        return self._mean

    def copy(self) -> Evidence:
        """The same, to go on apart."""
        copied = Evidence(self._likeness)
        copied.merge(self)
        return copied

    def add(self, embedding: Embedding, is_good: bool, quality: float) -> None:
        """Take an embedding into account, if it is good enough."""
        self._keep([*self._kept, (is_good, quality, embedding)])

    def merge(self, other: Evidence) -> None:
        """Take somebody's, who is the same person, into account."""
        self._keep([*self._kept, *other._kept])

    def _keep(self, embeddings: list[tuple[bool, float, Embedding]]) -> None:
        if not embeddings:
            return
        best = sorted(embeddings, key=lambda one: one[:2], reverse=True)[:_MOST_KEPT]
        self._kept, self._mean = [one for one in best if one[0] == best[0][0]], None


class Subject:
    """Somebody whom a track shows, for as long as it is sure to be the same.

    Attributes:
        evidence: what tells who it is.
        first: when they were seen first.
        last: when they were seen last.
        frames: in how many they were seen.
        seconds: for how long, each frame counted as long as it took until the next.
        best: the best face of those that were embedded, or the first.
    """

    def __init__(self, likeness: Likeness, portrait: Portrait) -> None:
        self.evidence = Evidence(likeness)
        self._likeness = likeness
        self.first = self.last = portrait.at
        self.best = portrait
        self.frames, self.seconds = 0, 0.0
        self._looked, self._measured, self._best_looked = -math.inf, -math.inf, (False, 0.0)
        self._in_doubt: float | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether another may have taken their place."""
        return self._in_doubt is not None

    @property
    def is_fresh(self) -> bool:
        """Whether the latest face was embedded."""
        return self._looked == self.last.position

    def take(self, other: Subject) -> None:
        """Another track, which is over, showed the same person before."""
        self.evidence.merge(other.evidence)
        self.first = other.first
        self.frames, self.seconds = self.frames + other.frames, self.seconds + other.seconds
        self.best = max(self.best, other.best, key=lambda best: best.rank)

    def see(self, portrait: Portrait, step: Step, interval: float) -> None:
        """They are seen again, ``interval`` seconds after the frame before."""
        self.last = portrait.at
        self.frames, self.seconds = self.frames + 1, self.seconds + interval
        is_checked = step.is_crowded and portrait.at.position - self._looked < _CROWDED_INTERVAL
        if step.is_doubtful and not is_checked and self._in_doubt is None and len(self.evidence):
            self._in_doubt = portrait.at.position

    def wants_look(self, portrait: Portrait) -> bool:
        """Whether this face is to be embedded."""
        now = portrait.at.position
        since = now - self._looked
        is_settled = self.evidence.is_good and len(self.evidence) >= _EAGER
        pause = _MEASURED_INTERVAL if is_settled else _EAGER_INTERVAL
        if portrait.face.doubtful or (now - self._measured < pause and not self.is_in_doubt):
            return False
        self._measured = now
        if not portrait.is_good:
            return not self.evidence.is_good and since >= _POOR_INTERVAL
        return (
            self.is_in_doubt
            or not is_settled
            or since >= _INTERVAL
            or portrait.rank[1] > self._best_looked[1] + _BETTER
        )

    def is_still(self, embedding: Embedding, portrait: Portrait) -> bool:
        """Whether a face that was embedded is still theirs; if so it counts.

        Once in doubt one good face decides; else it takes two.
        """
        self._looked, self._best_looked = portrait.at.position, max(self._best_looked, portrait.rank)
        is_telling = self.is_in_doubt or (portrait.is_good and self.evidence.is_good)
        if is_telling and len(self.evidence) and not self._likeness.fits(embedding, self.evidence.mean):
            was_in_doubt = self.is_in_doubt
            self._in_doubt = portrait.at.position
            return not was_in_doubt
        self.evidence.add(embedding, *portrait.rank)
        self.best = max(self.best, portrait, key=lambda one: one.rank)
        if portrait.is_good or not self.evidence.is_good:
            self._in_doubt = None
        return True

    def is_lost(self, position: float) -> bool:
        """Whether they were in doubt for so long that they are taken to be gone."""
        return self._in_doubt is not None and position - self._in_doubt > _MOST_DOUBT
