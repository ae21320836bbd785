"""Pairs of different people, as many as there are: distances that are read off exactly, and never all held at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric
from facerec_cli.evaluation.looks import Looks

Distances = npt.NDArray[np.float32]

DRAWS = 20
"""Bootstrap draws of the people."""
_COMPUTED = 20_000_000
"""Distances that are computed at once: 80 MB. BLAS rounds a whole matrix and its parts differently, in the last bit."""
_GIVEN = 1_000_000
"""Distances that are looked at at once."""
_HALF = 1 << 16
"""What 16 of a float32's 32 bits can be."""


@dataclass(frozen=True, eq=False)
class Draw:
    """Pairs of different people in one draw of them.

    Attributes:
        pairs: how many.
        blocks: computes their distances: float32, at least 0, some at a time, always in the same order.
    """

    pairs: int
    blocks: Callable[[], Iterator[Distances]]


def impostor_draws(
    looks: Looks,
    rows: Sequence[Sequence[int]],
    metric: Metric,
    generator: np.random.Generator,
    draws: int = DRAWS,
) -> Iterator[Draw]:
    """Distances between different people, for each draw.

    Every draw has as many people as there are, drawn with repetition, and a photo of each drawn anew: so do the draws
    differ by as much as if others had been there to calibrate on (Efron, "Bootstrap methods: another look at the
    jackknife", Annals of Statistics 1979), and every pair of people weighs the same.

    Args:
        looks: of each two people one is a probe, the other enrolled.
        rows: the rows of each person's photos.
        metric: the model's.
        generator: of the draws.
        draws: how many.
    """
    for _ in range(draws):
        people = generator.integers(len(rows), size=len(rows))
        drawn = [generator.choice(rows[person]) for person in people]
        yield _draw(people, looks.probes[drawn], looks.enrolled[drawn], metric)


def _draw(people: npt.NDArray[np.int64], probes: Embeddings, enrolled: Embeddings, metric: Metric) -> Draw:
    def blocks() -> Iterator[Distances]:
        start = 0
        while start < len(probes):
            stop = start + max(1, _COMPUTED // (len(probes) - start))
            matrix = metric.matrix(probes[start:stop], enrolled[start:])
            step = max(1, _GIVEN // matrix.shape[1])
            for row in range(0, len(matrix), step):
                # Each pair once: a row with those that come after it, and nobody with themselves.
                own = people[start + row : start + min(row + step, len(matrix))]
                differ = own[:, None] != people[start + row :]
                differ[:, : len(own)] &= ~np.tri(len(own), dtype=np.bool_)
                yield matrix[row : row + step, row:][differ]
            start = stop

    times = np.unique(people, return_counts=True)[1]
    return Draw((len(people) * (len(people) - 1) - int((times * (times - 1)).sum())) // 2, blocks)


@dataclass(frozen=True, eq=False)
class Reading:
    """What is read off a draw.

    Attributes:
        pairs: how many the draw has.
        nearest: the distance of the k-th closest pair, by k.
        sample: distances of every so manieth pair, float32.
    """

    pairs: int
    nearest: dict[int, float]
    sample: Distances

    def distance(self, rate: float) -> float:
        """The distance that a share of the pairs reaches; only where that was asked for."""
        return self.nearest[rank(rate, self.pairs)]


def rank(rate: float, pairs: int) -> int:
    """How many of the pairs a rate is."""
    return round(rate * pairs)


class Reader:
    """Reads draws that are much alike: exactly, in memory that does not grow with the pairs, mostly in one pass each.

    A float32 that is not negative is ordered as its bits are. Pairs are counted by the upper 16 bits, and where a rank
    is looked for, by the lower 16 too. Where that will be, the draws before say, and farther pairs are left out; if it
    is elsewhere, the draw is gone through again.
    """

    def __init__(self) -> None:
        """Begin without knowing where anything is."""
        self._fine = np.zeros(0, np.int64)

    def read(self, draw: Draw, ranks: Sequence[int], sampled: int) -> Reading:
        """Read a draw.

        Args:
            draw: with at least as many pairs as the highest rank.
            ranks: which closest pairs are asked for, from 1.
            sampled: every how manieth pair is in the sample.
        """
        wanted = np.array(sorted(set(ranks)), np.int64)
        while True:
            coarse, fine, sample = self._count(draw, sampled)
            up_to = np.cumsum(coarse)
            places = np.searchsorted(up_to, wanted)
            if np.isin(places, self._fine).all():
                break
            if up_to[-1] < wanted[-1]:  # farther than in the draws before: count them all
                self._fine = self._fine[:0]
                continue
            near = np.concatenate([places - 1, places, places + 1])
            self._fine = np.union1d(self._fine, near[(near >= 0) & (near < _HALF)])
        nearest = {}
        for one, place in zip(wanted.tolist(), places.tolist(), strict=True):
            within = np.cumsum(fine[np.searchsorted(self._fine, place)])
            lower = int(np.searchsorted(within, one - up_to[place] + coarse[place]))
            nearest[one] = float(np.array(place * _HALF + lower, np.uint32).view(np.float32))
        return Reading(draw.pairs, nearest, sample)

    def _count(self, draw: Draw, sampled: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Distances]:
        """Pairs by the upper half of their bits, and where it matters by the lower, int64 [places, 65536]; a sample."""
        coarse, fine = np.zeros(_HALF, np.int64), np.zeros((len(self._fine), _HALF), np.int64)
        place_of = np.full(_HALF, -1, np.int64)
        place_of[self._fine] = np.arange(len(self._fine))
        sample, passed = [], 0
        farthest = np.uint32((self._fine[-1] + 1) * _HALF - 1 if len(self._fine) else 2**32 - 1)
        for distances in draw.blocks():
            bits = distances.view(np.uint32)
            bits = bits[bits <= farthest]
            upper = bits // _HALF
            coarse += np.bincount(upper, minlength=_HALF)
            places = place_of[upper]
            looked_at = np.flatnonzero(places >= 0)
            np.add.at(fine, (places[looked_at], bits[looked_at] % _HALF), 1)
            sample.append(distances[-passed % sampled :: sampled].copy())  # of the view alone, not of all it views
            passed += len(distances)
        return coarse, fine, np.concatenate(sample)
