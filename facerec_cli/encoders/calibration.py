"""A calibration: what a model's distances mean. Error rate and gallery size to threshold; distance to probability.

It is measured and fitted in ``evaluation.calibrating``; deciding a name takes no more than what is here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from facerec_cli.errors import ModelError

EXPONENTIAL = 1e-9
"""A shape of a tail nearer to zero than this is zero: the exponential distribution."""


@dataclass(frozen=True)
class Source:
    """Whose faces a calibration was measured on.

    Attributes:
        kind: ``model``: people chosen once, for whoever is enrolled; ``gallery``: the people enrolled in a gallery.
        data: which people, in words.
        people: how many.
        date: of a gallery's, as in ISO 8601.
    """

    kind: Literal["model", "gallery"]
    data: str
    people: int
    date: str | None = None


@dataclass(frozen=True)
class Tail:
    """A generalised Pareto fit to the closest impostor pairs (Pickands, Annals of Statistics 1975).

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
        if abs(self.shape) < EXPONENTIAL:
            return self.fmr * math.exp(-below)
        return self.fmr * math.pow(max(1 + self.shape * below, 0.0), -1 / self.shape)


@dataclass(frozen=True)
class Outcome:
    """Averages over draws, as fractions: strangers who are named, and people who are found under their own name."""

    strangers_named: float
    people_found: float


@dataclass(frozen=True)
class Check:
    """The promise "at most so many strangers are named", held against galleries drawn from the calibration's people.

    Attributes:
        fpir: what was asked for.
        people: enrolled in each gallery.
        draws: galleries drawn.
        by_photos: what came of it, by the photos enrolled a person.
    """

    fpir: float
    people: int
    draws: int
    by_photos: Mapping[int, Outcome]


@dataclass(frozen=True)
class Evidence:
    """What a calibration's numbers rest on.

    Attributes:
        protocol: how pairs were made, in words.
        draws: bootstrap draws of the people.
        impostor_pairs_per_draw: fewest that a draw had.
        genuine_pairs: how many.
        measured_down_to_fmr: the lowest rate that was read off; rarer ones come from the tails.
        tail: the medians of the draws' tails.
        check: the promise held against the people.
    """

    protocol: str
    draws: int
    impostor_pairs_per_draw: int
    genuine_pairs: int
    measured_down_to_fmr: float
    tail: Tail
    check: Check


@dataclass(frozen=True)
class Calibration:
    """A model's impostor distances, measured on people that it was not trained on.

    Attributes:
        fmr: false match rates, descending.
        distance: the distance at which each is reached, descending.
        slope: of the logistic that gives the probability, per unit of distance.
        source: whose faces they were measured on.
        evidence: what the numbers rest on, where that is known.
    """

    fmr: tuple[float, ...]
    distance: tuple[float, ...]
    slope: float
    source: Source
    evidence: Evidence | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any], whose: str) -> Calibration:
        """Read what ``to_json`` gave.

        Args:
            data: the ``calibration`` of a model.json, or one of a database's.
            whose: ``the model pretrained``, for people to read.

        Raises:
            ModelError: it is not one.
        """
        try:
            read = cls(
                tuple(float(rate) for rate in data["fmr"]),
                tuple(float(distance) for distance in data["distance"]),
                float(data["slope"]),
                Source(**data["source"]),
                _evidence(data["evidence"]) if data["evidence"] else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(whose, repr(error)) from error
        numbers = np.array([*read.fmr, *read.distance, read.slope])
        if len(read.fmr) < 2 or len(read.fmr) != len(read.distance) or not np.isfinite(numbers).all():
            raise _damaged(whose, "numbers are missing")
        if not (np.diff(read.fmr) < 0).all() or not 0 < read.fmr[-1] < read.fmr[0] < 1:
            raise _damaged(whose, "its rates do not fall")
        return read

    def to_json(self) -> dict[str, Any]:
        """The calibration as JSON holds it."""
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


def comparisons(photo_counts: Mapping[int, int]) -> float:
    """How many independent comparisons a search of templates counts as: the sum of 1 + log2 k over people.

    Args:
        photo_counts: how many people have k photos, by k, at least 1.
    """
    return float(sum(people * (1 + math.log2(photos)) for photos, people in photo_counts.items()))


def fmr_for(rate: float, searched: float) -> float:
    """The false match rate a comparison may have so that at least one of ``searched`` matches with ``rate``.

    Args:
        rate: FPIR (or the FMR of a verification against a template), in (0, 1).
        searched: number of comparisons, as ``comparisons`` counts them.
    """
    return -math.expm1(math.log1p(-rate) / searched)


def _evidence(data: Mapping[str, Any]) -> Evidence:
    check = data["check"]
    outcomes = {int(photos): Outcome(**outcome) for photos, outcome in check["by_photos"].items()}
    return Evidence(**{**data, "tail": Tail(**data["tail"]), "check": Check(**{**check, "by_photos": outcomes})})


def _damaged(whose: str, why: str) -> ModelError:
    return ModelError(f"The calibration of {whose} is damaged ({why})", "calibrate again")
