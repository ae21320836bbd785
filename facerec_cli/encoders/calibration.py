"""A calibration: what a model's distances mean. Error rate and gallery size to threshold; distance to probability.

It is measured and fitted in ``evaluation.calibrating``; deciding a name takes no more than what is here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from facerec_cli.encoders.cohort import Cohort, Prior
from facerec_cli.encoders.metric import Centre
from facerec_cli.errors import ModelError
from facerec_cli.untrusted import Fields

EXPONENTIAL = 1e-9
"""A shape of a tail nearer to zero than this is zero: the exponential distribution."""
_LEAST = 1e-6
"""Less than any deviation."""
_MOST_ALIKE = 20
"""More than any similarity or deviation, transformed."""
_RAREST = 1e-300
"""Less than any rate that is asked for."""
_FARTHEST = 1e9
"""More than any distance, and any slope."""


@dataclass(frozen=True)
class Source:
    """Whose faces a calibration was measured on.

    Attributes:
        data: which people, in words.
        people: how many.
    """

    data: str
    people: int


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
        tail: the medians of the draws' tails, where that is known.
    """

    protocol: str
    draws: int
    impostor_pairs_per_draw: int
    genuine_pairs: int
    measured_down_to_fmr: float
    tail: Tail | None


@dataclass(frozen=True)
class Curve:
    """Impostor distances: how near different people come.

    Attributes:
        fmr: false match rates, descending.
        distance: the distance at which each is reached, descending.
        slope: of the logistic that gives the probability, per unit of distance.
        evidence: what the numbers rest on, where that is known.
    """

    fmr: tuple[float, ...]
    distance: tuple[float, ...]
    slope: float
    evidence: Evidence | None = None

    def threshold(self, fmr: float) -> float:
        """The distance at which one comparison of two different people matches with probability ``fmr``.

        Linear in log10(FMR) between the measured rates, and beyond them along the nearest two.

        Args:
            fmr: in (0, 1).
        """
        rates, distances = -np.log10(self.fmr), np.asarray(self.distance)
        wanted = -math.log10(max(fmr, _RAREST))
        low = int(np.clip(np.searchsorted(rates, wanted, side="right") - 1, 0, len(rates) - 2))
        step = (distances[low + 1] - distances[low]) / (rates[low + 1] - rates[low])
        return max(0.0, float(distances[low] + step * (wanted - rates[low])))

    def probability(self, distance: float, threshold: float) -> float:
        """The probability that two faces show one person: a logistic of the distance, 0.5 at the threshold."""
        exponent = min(700.0, self.slope * (distance - threshold))
        return 1 / (1 + math.exp(exponent))


@dataclass(frozen=True)
class Calibration:
    """A model's impostor distances, measured on people that it was not trained on.

    Attributes:
        photos: of two photos, compared as they are.
        people: of a photo and somebody enrolled, compared as they are.
        centred: the same, once what everybody shares is taken away; None where it is left.
        prior: how alike people are; None where the metric knows no centre.
        source: whose faces they were measured on.
        check: the promise held against the people, where it was.
    """

    photos: Curve
    people: Curve
    centred: Curve | None
    prior: Prior | None
    source: Source
    check: Check | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any], whose: str) -> Calibration:
        """Read what ``to_json`` gave.

        Args:
            data: the ``calibration`` of a model.json.
            whose: ``the model pretrained``, for people to read.

        Raises:
            ModelError: it is not one.
        """
        try:
            fields = Fields(data, "it")
            is_centred = bool(fields.values.get("centred"))
            return cls(
                _curve(fields.within("photos")),
                _curve(fields.within("people")),
                _curve(fields.within("centred")) if is_centred else None,
                _prior(fields.within("prior"), is_centred) if is_centred or fields.values.get("prior") else None,
                _source(fields.within("source")),
                _promise(fields.within("check")) if fields.values.get("check") else None,
            )
        except ValueError as error:
            raise ModelError(f"The calibration of {whose} is damaged ({error})", "calibrate again") from error

    def to_json(self) -> dict[str, Any]:
        """The calibration as JSON holds it."""
        return asdict(self)

    def fmr_for(self, rate: float, photo_counts: Mapping[int, int]) -> float:
        """The false match rate that a comparison may have in a search, as ``fmr_for`` and ``comparisons`` have it."""
        return fmr_for(rate, comparisons(photo_counts, is_centred=self.centred is not None))

    def gallery(self, cohort: Cohort, fmr: float) -> tuple[Centre | None, float, float]:
        """Where a gallery's people are seen from, the distance of a match, and what it would be for average people.

        Args:
            cohort: the people.
            fmr: as ``Curve.threshold`` takes it.
        """
        plain = self.people.threshold(fmr)
        if self.prior is None:
            return None, plain, plain
        centred = self.centred.threshold(fmr) if self.centred else plain
        return self.prior.centre(cohort), *self.prior.distance(plain, centred, cohort)


def comparisons(photo_counts: Mapping[int, int], *, is_centred: bool) -> float:
    """How many independent comparisons a search of templates counts as: the sum of 1 + log2 k over people.

    A template of many photos is nearer to everybody, by what all share; where that is taken away it is the sum of
    1 + (log2 k) / 2.

    Args:
        photo_counts: how many people have k photos, by k, at least 1.
        is_centred: whether what people share is taken away.
    """
    doubling = 0.5 if is_centred else 1.0
    return float(sum(people * (1 + doubling * math.log2(photos)) for photos, people in photo_counts.items()))


def fmr_for(rate: float, searched: float) -> float:
    """The false match rate a comparison may have so that at least one of ``searched`` matches with ``rate``.

    Args:
        rate: FPIR (or the FMR of a verification against a template), in (0, 1).
        searched: number of comparisons, as ``comparisons`` counts them.
    """
    return -math.expm1(math.log1p(-rate) / searched)


def _curve(fields: Fields) -> Curve:
    read = Curve(
        fields.numbers("fmr", 0, 1),
        fields.numbers("distance", 0, _FARTHEST),
        fields.number("slope", 0, _FARTHEST),
        _evidence(fields.within("evidence")) if fields.values.get("evidence") else None,
    )
    if len(read.fmr) < 2 or len(read.fmr) != len(read.distance):
        raise ValueError("numbers are missing")
    if not all(one > other for one, other in pairwise(read.fmr)) or not 0 < read.fmr[-1] < read.fmr[0] < 1:
        raise ValueError("its rates do not fall")
    if not all(one >= other for one, other in pairwise(read.distance)):
        raise ValueError("its distances rise where its rates fall")
    if read.slope == 0:
        raise ValueError("its slope is 0")
    return read


def _prior(fields: Fields, is_centred: bool) -> Prior:
    # Narrow enough that no rule divides by nothing.
    return Prior(
        fields.number("similarity", -_MOST_ALIKE, _MOST_ALIKE),
        fields.number("deviation", _LEAST, _MOST_ALIKE),
        fields.number("centred", _LEAST, _MOST_ALIKE) if is_centred else None,
    )


def _source(fields: Fields) -> Source:
    return Source(fields.text("data"), fields.whole("people"))


def _evidence(fields: Fields) -> Evidence:
    return Evidence(
        protocol=fields.text("protocol"),
        draws=fields.whole("draws"),
        impostor_pairs_per_draw=fields.whole("impostor_pairs_per_draw"),
        genuine_pairs=fields.whole("genuine_pairs"),
        measured_down_to_fmr=fields.number("measured_down_to_fmr", 0, 1),
        tail=_tail(fields.within("tail")) if fields.values.get("tail") else None,
    )


def _tail(fields: Fields) -> Tail:
    return Tail(
        fmr=fields.number("fmr", 0, 1),
        start=fields.number("start", 0, _FARTHEST),
        shape=fields.number("shape", -_FARTHEST, _FARTHEST),
        scale=fields.number("scale", 0, _FARTHEST),
        error=fields.number("error", 0, _FARTHEST),
    )


def _promise(fields: Fields) -> Check:
    by_photos = fields.within("by_photos")
    outcomes = {}
    for photos in by_photos.values:
        if not re.fullmatch("[1-9][0-9]{0,5}", str(photos)):
            raise ValueError("a number of photos is none")
        of = by_photos.within(photos)
        outcomes[int(photos)] = Outcome(of.number("strangers_named", 0, 1), of.number("people_found", 0, 1))
    return Check(fields.number("fpir", 0, 1), fields.whole("people"), fields.whole("draws"), outcomes)
