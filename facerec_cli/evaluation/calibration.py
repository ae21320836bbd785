"""Target error rate and gallery size to threshold; distance to probability."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.metric import Metric
from facerec_cli.errors import ModelError

DEFAULT_FPIR = 0.01
DEFAULT_FMR = 0.001
MIN_PAIRS = 50
"""Fewest impostor pairs that a rate is read off from."""
MIN_PEOPLE = 200
"""Fewest people to calibrate on: of LFW, 200 let 0 to 2.4 % of strangers through where 1 % is asked."""
DRAWS = 20
GENUINE_PHOTOS = 10
"""Photos a person whose genuine pairs are taken, so that nobody with hundreds decides."""
_TAIL_PAIRS = 20
"""Fewest impostor pairs behind a quantile that the tail is fitted to."""
_RAREST_FITTED = 1e-5
"""The tail is fitted no deeper: of LFW's millionth closest pairs half are one person under two names."""
_SLOPE_SAMPLE = 50_000
"""Impostor pairs of a draw that the logistic is fitted to."""
_SHAPES = np.linspace(-0.5, 0.5, 201)
"""Shapes of the tail that are tried; at -0.5 and beyond the fit would end at the closest pair seen."""
_EXPONENTIAL = 1e-9
"""A shape nearer to zero than this is zero: the exponential distribution."""
_PRECISION = 1e-6
"""Of distances."""


@dataclass(frozen=True)
class Calibration:
    """A model's impostor distances, measured on people that it was not trained on.

    Attributes:
        fmr: false match rates, descending.
        distance: the distance at which each is reached, descending.
        slope: of the logistic that gives the probability, per unit of distance.
        about: the people, the protocol and the counts behind the numbers.
    """

    fmr: tuple[float, ...]
    distance: tuple[float, ...]
    slope: float
    about: dict[str, Any]

    @classmethod
    def from_json(cls, data: dict[str, Any], whose: str) -> Calibration:
        """Read the ``calibration`` field of a model.json, or a database's.

        Args:
            data: what ``to_json`` gave.
            whose: ``the model pretrained``, for people to read.

        Raises:
            ModelError: it is not one.
        """
        try:
            read = cls(
                tuple(float(rate) for rate in data["fmr"]),
                tuple(float(distance) for distance in data["distance"]),
                float(data["slope"]),
                dict(data["about"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The calibration of {whose} is damaged ({error!r}): calibrate again.") from error
        numbers = np.array([*read.fmr, *read.distance, read.slope])
        ordered = np.diff(read.fmr) < 0
        if len(read.fmr) < 2 or len(read.fmr) != len(read.distance) or not np.isfinite(numbers).all():
            raise ModelError(f"The calibration of {whose} is damaged (numbers are missing): calibrate again.")
        if not ordered.all() or not 0 < read.fmr[-1] < read.fmr[0] < 1:
            raise ModelError(f"The calibration of {whose} is damaged (its rates do not fall): calibrate again.")
        return read

    def to_json(self) -> dict[str, Any]:
        """The ``calibration`` field of a model.json."""
        return asdict(self)

    def threshold(self, fmr: float) -> float:
        """The distance at which one comparison of two different people matches with probability ``fmr``.

        Linear in log10(FMR) between the measured rates, and beyond them along the nearest two.

        Args:
            fmr: in (0, 1).
        """
        rates, distances = -np.log10(self.fmr), np.asarray(self.distance)
        wanted = -math.log10(fmr)
        low = int(np.clip(np.searchsorted(rates, wanted, side="right") - 1, 0, len(rates) - 2))
        step = (distances[low + 1] - distances[low]) / (rates[low + 1] - rates[low])
        return max(0.0, float(distances[low] + step * (wanted - rates[low])))

    def probability(self, distance: float, threshold: float) -> float:
        """The probability that two faces show one person: a logistic of the distance, 0.5 at the threshold."""
        exponent = min(700.0, self.slope * (distance - threshold))
        return 1 / (1 + math.exp(exponent))


def comparisons(photos: npt.ArrayLike) -> float:
    """How many independent comparisons a search of templates counts as: the sum of 1 + log2 k over people.

    Args:
        photos: int [people], the number of photos k behind each template, at least 1.
    """
    return float(np.sum(1 + np.log2(np.asarray(photos, np.float64))))


def fmr_for(rate: float, searched: float) -> float:
    """The false match rate a comparison may have so that at least one of ``searched`` matches with ``rate``.

    Args:
        rate: FPIR (or the FMR of a verification against a template), in (0, 1).
        searched: number of comparisons, as ``comparisons`` counts them.
    """
    return -math.expm1(math.log1p(-rate) / searched)


def calibrate(
    draws: Iterable[npt.NDArray[np.float32]],
    genuine: npt.NDArray[np.float32],
    about: dict[str, Any],
    slope: float | None = None,
) -> Calibration:
    """Measure a calibration at FMR 1e-1 … 1e-6.

    A rate is read off the distances, the median over the draws, where at least ``MIN_PAIRS`` pairs reach it. Rarer ones
    come from a generalised Pareto distribution of how far a pair is below the distance where the tail begins (Pickands,
    Annals of Statistics 1975), fitted by least squares to the quantiles of each draw: the very closest pairs of a data
    set are largely its wrong labels, and have no say. A rare rate's distance is the one that the draws' tails reach
    with it on average. The single best tail would let through more than asked for, averaged over who might have been
    calibrated on, since a threshold too high by chance lets through more than one too low holds back.

    Args:
        draws: distances between different people, as ``impostor_draws`` has them; float32 [pairs] each, of at least
            500.
        genuine: distances between photos of one person, float32 [pairs].
        about: what to store with the numbers.
        slope: of the logistic, where the genuine pairs are too few to fit one.

    Raises:
        ValueError: there are too few genuine pairs.
    """
    ordered, tails, sample = [], [], []
    for draw in draws:
        closest = _Closest.of(draw)
        ordered.append(closest)
        tails.append(_fit_tail(closest.distance, max(_TAIL_PAIRS / closest.pairs, _RAREST_FITTED)))
        sample.append(draw[:: max(1, len(draw) // _SLOPE_SAMPLE)])
    if len(genuine) >= MIN_PAIRS:
        slope = _logistic_slope(np.concatenate(sample), genuine)
    if slope is None:
        raise ValueError(f"{len(genuine):,} genuine pairs are too few, {MIN_PAIRS:,} are needed")
    pairs = min(closest.pairs for closest in ordered)
    rates = [10.0**-power for power in range(1, 7)]
    measured = [rate for rate in rates if rate * pairs >= MIN_PAIRS]
    distances = [float(np.median([closest.distance(rate) for closest in ordered])) for rate in measured]
    distances += [_distance_on_average(tails, rate) for rate in rates[len(measured) :]]
    return Calibration(
        tuple(rates),
        tuple(float(distance) for distance in np.minimum.accumulate(distances)),
        slope,
        about
        | {
            "impostor_pairs_per_draw": pairs,
            "draws": len(ordered),
            "genuine_pairs": len(genuine),
            "measured_down_to_fmr": measured[-1],
            "tail": {
                part.name: float(np.median([getattr(tail, part.name) for tail in tails])) for part in fields(Tail)
            },
        },
    )


@dataclass(frozen=True, eq=False)
class _Closest:
    """The closest tenth of a draw: twenty draws of eight million pairs would fill a laptop.

    Attributes:
        distances: float32, ascending.
        pairs: how many the draw has.
    """

    distances: npt.NDArray[np.float32]
    pairs: int

    @classmethod
    def of(cls, draw: npt.NDArray[np.float32]) -> _Closest:
        tenth = len(draw) // 10
        return cls(np.sort(np.partition(draw, tenth)[: tenth + 1]), len(draw))

    def distance(self, rate: float) -> float:
        """The distance that a share of the pairs, at most a tenth, reaches."""
        return float(self.distances[round(rate * self.pairs) - 1])


@dataclass(frozen=True)
class Tail:
    """A generalised Pareto fit to the closest impostor pairs.

    Attributes:
        fmr: the rate where the tail begins.
        start: the distance there.
        shape: of the distribution; negative: there is a closest distance.
        scale: of the distribution, in distance; above 0.
        error: goodness: root mean square difference of the fitted and the measured distances.
    """

    fmr: float
    start: float
    shape: float
    scale: float
    error: float

    def rate(self, distance: float) -> float:
        """The false match rate at a distance below the tail's beginning; above it, the rate there."""
        below = max(self.start - distance, 0.0) / self.scale
        if abs(self.shape) < _EXPONENTIAL:
            return self.fmr * math.exp(-below)
        return self.fmr * math.pow(max(1 + self.shape * below, 0.0), -1 / self.shape)


def _distance_on_average(tails: Sequence[Tail], rate: float) -> float:
    """The distance at which the mean of the tails' rates is this one; 0 where the rate is reached nowhere."""
    low, high = 0.0, max(tail.start for tail in tails)
    while high - low > _PRECISION:
        middle = (low + high) / 2
        if np.mean([tail.rate(middle) for tail in tails]) > rate:
            high = middle
        else:
            low = middle
    return low


def _excess(share: npt.NDArray[np.float64], shape: float) -> npt.NDArray[np.float64]:
    """The quantile of the generalised Pareto distribution of scale one that this share exceeds."""
    return np.asarray(-np.log(share) if abs(shape) < _EXPONENTIAL else (share**-shape - 1) / shape, np.float64)


def _fit_tail(distance_at: Callable[[float], float], rarest: float) -> Tail:
    """Fit the measured distances from a rate down to the rarest.

    On 400 to 4,038 people of LFW a fit that begins two decades up, between 3 % and 0.1 %, foretells the distance at
    FMR 1e-5 within 0.02; one that begins at 10 % is too loose by 0.01 to 0.05, since a distribution's body is no tail.
    """
    first = min(0.03, max(0.001, 100 * rarest))
    rates = np.geomspace(first, rarest, 17)[1:]
    start = distance_at(first)
    below = start - np.array([distance_at(rate) for rate in rates])
    best: Tail | None = None
    for shape in _SHAPES:
        unit = _excess(rates / first, shape)
        # For a given shape the scale is linear; where all pairs are equally far, it is next to nothing.
        scale = max(float(unit @ below / (unit @ unit)), _PRECISION)
        error = float(np.sqrt(np.mean((scale * unit - below) ** 2)))
        if best is None or error < best.error:
            best = Tail(first, start, float(shape), scale, error)
    assert best is not None
    return best


def impostor_draws(
    embeddings: npt.NDArray[np.float32],
    rows: Sequence[Sequence[int]],
    metric: Metric,
    generator: np.random.Generator,
    draws: int = DRAWS,
) -> Iterator[npt.NDArray[np.float32]]:
    """Distances between different people, for each draw; float32 [pairs].

    Every draw has as many people as there are, drawn with repetition, and a photo of each drawn anew: so do the draws
    differ by as much as if others had been there to calibrate on (Efron, "Bootstrap methods: another look at the
    jackknife", Annals of Statistics 1979), and every pair of people weighs the same.

    Args:
        embeddings: float32 [photos, d].
        rows: the rows of each person's photos.
        metric: the model's.
        generator: of the draws.
        draws: how many.
    """
    one, other = np.triu_indices(len(rows), k=1)
    for _ in range(draws):
        people = generator.integers(len(rows), size=len(rows))
        drawn = embeddings[[generator.choice(rows[person]) for person in people]]
        yield metric.matrix(drawn, drawn)[one, other][people[one] != people[other]]


def genuine_distances(
    embeddings: npt.NDArray[np.float32],
    rows: Sequence[Sequence[int]],
    metric: Metric,
    generator: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """Distances of all pairs of one person's photos, at most ten photos a person; float32 [pairs]."""
    pairs = [
        pair
        for own in rows
        for pair in combinations(generator.permutation(np.asarray(own))[:GENUINE_PHOTOS].tolist(), 2)
    ]
    one, other = np.array(pairs, np.int64).reshape(-1, 2).T
    return metric.pairs(embeddings[one], embeddings[other])


def _logistic_slope(impostor: npt.NDArray[np.float32], genuine: npt.NDArray[np.float32]) -> float:
    """The slope of the logistic regression of same/different on distance, both classes weighing the same.

    Newton's method on two parameters (Hastie et al., The Elements of Statistical Learning, 4.4.1), with Platt's targets
    ("Probabilistic outputs for support vector machines", 1999): just inside 0 and 1, so that there is a best slope also
    where the two classes do not overlap.
    """
    x = np.concatenate([genuine, impostor]).astype(np.float64)
    sizes = (len(genuine), len(impostor))
    y = np.repeat([(sizes[0] + 1) / (sizes[0] + 2), 1 / (sizes[1] + 2)], sizes)
    weight = np.repeat([0.5 / sizes[0], 0.5 / sizes[1]], sizes)
    design = np.column_stack([np.ones_like(x), x])
    beta = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -700, 700)))
        gradient = design.T @ (weight * (y - p))
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design
        move = np.linalg.solve(hessian, gradient)
        beta += move
        if np.abs(move).max() < 1e-9:
            break
    return float(-beta[1])
