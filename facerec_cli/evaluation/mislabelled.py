"""Photos that are likely under a wrong name: one person under two names, and two persons under one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric
from facerec_cli.evaluation.pairs import Rows

MOST = 30
"""Of each kind that are listed, the likeliest first."""
_COMPUTED = 20_000_000
"""Distances that are computed at once: 80 MB."""


@dataclass(frozen=True)
class TwoNames:
    """Two names that may be one person's.

    Attributes:
        first: the row of a photo of one, and
        second: of the other: their closest two.
        distance: of these two.
        mean: distance of all photos of one to all of the other, where those of one person agree.
    """

    first: int
    second: int
    distance: float
    mean: float


@dataclass(frozen=True)
class OneName:
    """A photo that may show somebody else than the others of its name.

    Attributes:
        photo: its row.
        typical: the row of the photo that is nearest to all others of the name.
        other: the row of the nearest photo of another name.
        own: the median distance of the photo to the others of its name.
        distance: to the nearest photo of another name; less than ``own``.
    """

    photo: int
    typical: int
    other: int
    own: float
    distance: float


@dataclass(frozen=True)
class Mislabelled:
    """What a model finds likely to be mislabelled among so many photos, the likeliest first."""

    model: str
    photos: int
    two_names: list[TwoNames]
    one_name: list[OneName]


def find_mislabelled(
    model: str,
    embeddings: Embeddings,
    people: Sequence[str],
    rows: Rows,
    metric: Metric,
    threshold: float = np.inf,
) -> Mislabelled:
    """Look for wrong names among photos.

    Two names may be one person's where their photos are near each other on average, not two of them alone: those are
    ranked by that mean. A photo may be somebody else's where another name's nearest photo is nearer than the median of
    its own name's: those are ranked by the difference. Where two photos are suspected for each other's sake, the
    likelier one is listed.

    Args:
        model: what people call the model.
        embeddings: float32 [photos, d].
        people: each row's person.
        rows: the photos that are looked at, ascending.
        metric: the model's.
        threshold: the largest distance that may be one person's.
    """
    photos = _Photos(embeddings, people, rows, metric)
    return Mislabelled(model, len(rows), photos.two_names(threshold), photos.one_name())


class _Photos:
    """Photos, one person's after the other's, each compared with all others."""

    def __init__(self, embeddings: Embeddings, people: Sequence[str], rows: Rows, metric: Metric) -> None:
        names = np.array([people[row] for row in rows.tolist()], dtype=object)
        _, person, counts = np.unique(names, return_inverse=True, return_counts=True)
        order = np.argsort(person, kind="stable")
        self._rows, self._person = rows[order], person[order]
        ends = np.cumsum(counts)
        self._of = [slice(end - count, end) for end, count in zip(ends.tolist(), counts.tolist(), strict=True)]
        self._embeddings, self._metric = embeddings[self._rows], metric
        count = len(rows)
        self._nearest, self._distance = np.zeros(count, np.intp), np.zeros(count, np.float32)
        """The nearest photo of another person, and how far it is."""
        self._own = np.full(count, -np.inf, np.float32)
        """The median distance to the same person's others; minus infinity where there are none."""
        step = max(1, _COMPUTED // max(count, 1))
        for start in range(0, count, step):
            self._compare(slice(start, min(start + step, count)))

    def two_names(self, threshold: float) -> list[TwoNames]:
        closest: dict[tuple[int, int], int] = {}
        for place in np.argsort(self._distance, kind="stable").tolist():
            if not self._distance[place] <= threshold or np.isinf(self._distance[place]):
                break
            one, other = int(self._person[place]), int(self._person[self._nearest[place]])
            closest.setdefault((min(one, other), max(one, other)), place)
        found = []
        for pair, place in closest.items():
            mean = float(self._between(*pair).mean())
            if mean <= threshold:
                first, second = self._rows[sorted((place, int(self._nearest[place])))].tolist()
                found.append(TwoNames(first, second, float(self._distance[place]), mean))
        return sorted(found, key=lambda pair: pair.mean)[:MOST]

    def one_name(self) -> list[OneName]:
        found: list[OneName] = []
        told: set[int] = set()
        for place in np.argsort(self._distance - self._own, kind="stable").tolist():
            if not self._distance[place] < self._own[place] or len(found) == MOST:
                break
            who = int(self._person[place])
            of_person, nearest = self._of[who], int(self._nearest[place])
            if place in told or nearest in told:
                continue
            told.add(place)
            if of_person.stop - of_person.start == 2:
                told.update(range(of_person.start, of_person.stop))
            apart = self._between(who, who)
            apart[:, place - of_person.start] = 0
            apart[place - of_person.start] = np.inf
            typical = of_person.start + int(apart.sum(axis=1).argmin())
            photo, own_typical, other = self._rows[[place, typical, nearest]].tolist()
            found.append(OneName(photo, own_typical, other, float(self._own[place]), float(self._distance[place])))
        return found

    def _compare(self, block: slice) -> None:
        matrix = self._metric.matrix(self._embeddings[block], self._embeddings)
        for place, row in enumerate(matrix, start=block.start):
            of_person = self._of[self._person[place]]
            others = np.delete(row[of_person], place - of_person.start)
            if len(others):
                self._own[place] = np.median(others)
            row[of_person] = np.inf
        self._nearest[block], self._distance[block] = matrix.argmin(axis=1), matrix.min(axis=1)

    def _between(self, one: int, other: int) -> npt.NDArray[np.float32]:
        """Distances of all photos of one person to all of another."""
        return self._metric.matrix(self._embeddings[self._of[one]], self._embeddings[self._of[other]])
