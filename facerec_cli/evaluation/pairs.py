"""Pairs of photos, and a model's distances on them: what 1:1 numbers and pictures are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric
from facerec_cli.evaluation.intervals import Weights

MOST_PEOPLE = 600
"""People of whom all pairs are made, drawn at random where there are more: 180,000 impostor pairs."""
MOST_PHOTOS = 10
"""Photos a person whose genuine pairs are taken, so that nobody with hundreds decides."""

_BLOCK = 8192
"""Pairs whose embeddings are gathered at once: 270 MB for embeddings of 4096."""

Rows = npt.NDArray[np.int64]
"""Rows of a chip set."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of photos: rows of a chip set, their people's numbers, and whether they are one person; each [pairs]."""

    first: Rows
    second: Rows
    first_person: Rows
    second_person: Rows
    same: npt.NDArray[np.bool_]

    def weights(self, people: Weights | None) -> Weights | None:
        """Each pair's weight from its people's: a genuine pair stands for one person, an impostor pair for two."""
        if people is None:
            return None
        return people[self.first_person] * np.where(self.same, 1.0, people[self.second_person])

    def distances(self, embeddings: Embeddings, metric: Metric) -> npt.NDArray[np.float32]:
        """Each pair's distance, float32 [pairs]."""
        return pair_distances(self.first, self.second, embeddings, metric)

    def chosen(self, places: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Pairs:
        """Some of the pairs, by their places or by a flag for each."""
        return Pairs(*(column[places] for column in vars(self).values()))


@dataclass(frozen=True, eq=False)
class ScoredPairs:
    """Pairs with a model's distances, float32 [pairs], and the threshold in force."""

    pairs: Pairs
    distances: npt.NDArray[np.float32]
    threshold: float


def pair_distances(first: Rows, second: Rows, embeddings: Embeddings, metric: Metric) -> npt.NDArray[np.float32]:
    """The distance of each row of one to that of the other, float32 [pairs].

    It goes a block of pairs at a time, for embeddings of thousands of numbers.
    """
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(first), _BLOCK)]
    measured = [metric.pairs(embeddings[first[block]], embeddings[second[block]]) for block in blocks]
    return np.concatenate([np.empty(0, np.float32), *measured])


def pairs_of(rows: Sequence[Sequence[int]]) -> Pairs:
    """Each person's genuine pairs, and the impostor pairs of one photo a person."""
    genuine, drawn = draw_pairs(rows)
    one, other = np.triu_indices(len(rows), k=1)
    impostor = Pairs(drawn[one], drawn[other], one, other, np.zeros(len(one), np.bool_))
    return joined([genuine, impostor])


def draw_pairs(rows: Sequence[Sequence[int]]) -> tuple[Pairs, Rows]:
    """Each person's genuine pairs, and one photo of each for impostor pairs, int64 [people]."""
    generator = np.random.default_rng(0)
    genuine = [
        (one, other, person)
        for person, own in enumerate(rows)
        for one, other in combinations(sorted(generator.permutation(own)[:MOST_PHOTOS].tolist()), 2)
    ]
    first, second, person = np.array(genuine, np.int64).reshape(-1, 3).T
    drawn = np.array([generator.choice(own) for own in rows], np.int64)
    return Pairs(first, second, person, person, np.ones(len(genuine), np.bool_)), drawn


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Pairs one after the other."""
    return Pairs(*(np.concatenate(columns) for columns in zip(*(vars(part).values() for part in parts), strict=True)))
