"""What is a match: how faces are compared with the people of a gallery, and the threshold that a rate asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Context

from facerec_cli.defaults import DEFAULT_FPIR
from facerec_cli.encoders.bundle import Bundle
from facerec_cli.encoders.calibration import Curve, comparisons, fmr_for
from facerec_cli.encoders.metric import Comparison
from facerec_cli.errors import NobodyEnrolledError, UncalibratedModelError
from facerec_cli.gallery.base import Snapshot
from facerec_cli.words import count, percent

_SHORT = Context(prec=4, rounding=ROUND_FLOOR)
"""A threshold has four digits, so that results can name the very number that decided; down, for no more strangers."""


@dataclass(frozen=True)
class Threshold:
    """The largest distance that counts as a match, and where it comes from.

    Attributes:
        distance: the threshold itself.
        people: how many a search compares with.
        comparisons: how many comparisons that counts as, see ``encoders.calibration.comparisons``.
        rate: the FPIR of a search, or FMR of a verification, that it keeps; None where the user gave the distance.
        curve: of the model's calibration; None where it has none.
        average: what the distance would be, were the people no more alike than those whom the model was calibrated on.
    """

    distance: float
    people: int
    comparisons: float
    rate: float | None
    curve: Curve | None
    average: float

    def is_match(self, distance: float) -> bool:
        """Whether two faces at this distance are called one person."""
        return distance <= self.distance

    def probability(self, distance: float) -> float | None:
        """The probability that two faces at this distance show one person; only a calibration tells."""
        return self.curve.probability(distance, self.distance) if self.curve else None

    @property
    def explanation(self) -> str:
        """A sentence for people: the threshold in force, and where it comes from."""
        if self.rate is None:
            return f"A match is a distance of at most {self.distance}, as given."
        alike = ""
        if self.distance < self.average:
            alike = f"; they are more alike than most, for whom it would be {self.average}"
        searched = f"{self.comparisons:,.0f}" if self.comparisons >= 1000 else f"{self.comparisons:.4g}"
        return (
            f"A match is a distance of at most {self.distance}, so that about {percent(self.rate)} of "
            f"strangers are named: it follows the {count(self.people, 'person')} enrolled, "
            f"{searched} comparison{'' if searched == '1' else 's'}{alike}."
        )


@dataclass(frozen=True, eq=False)
class Rule:
    """What decides about a face and the people of a gallery.

    Attributes:
        comparison: how they are compared: from the centre of what those enrolled share, where the model has it so.
        threshold: what is a match then.
    """

    comparison: Comparison
    threshold: Threshold


def rule_in(
    snapshot: Snapshot,
    bundle: Bundle,
    *,
    rate: float = DEFAULT_FPIR,
    distance: float | None = None,
    photo_counts: Mapping[int, int] | None = None,
) -> Rule:
    """The rule for a gallery; needs no network.

    Args:
        snapshot: who is enrolled.
        bundle: the model.
        rate: the share of strangers that may be named, in (0, 1).
        distance: an explicit threshold, in place of the one that follows from ``rate``.
        photo_counts: how many of the people compared with have k photos, by k; by default everybody enrolled.

    Raises:
        NobodyEnrolledError: nobody is enrolled.
        UncalibratedModelError: there is neither a calibration nor a distance.
        DatabaseError, ModelError: the gallery or the model is damaged.
        ValueError: the rate or distance is no finite number.
    """
    counts = counts_in(snapshot) if photo_counts is None else photo_counts
    comparison, calibration = bundle.comparison(), bundle.calibration
    curve, is_centred = (calibration.people, calibration.centred is not None) if calibration else (None, False)
    threshold = threshold_for(bundle, curve, counts, rate=rate, distance=distance, is_centred=is_centred)
    if calibration is None or calibration.prior is None:
        return Rule(comparison, threshold)
    fmr = fmr_for(rate, threshold.comparisons)
    centre, own, average = calibration.gallery(snapshot.cohort(comparison.digest), fmr)
    if distance is None:
        threshold = replace(threshold, distance=_short(own), average=_short(average))
    return Rule(Comparison(comparison.digest, comparison.metric.centred(centre)), threshold)


def counts_in(snapshot: Snapshot) -> Mapping[int, int]:
    """How many people of a gallery have k photos, by k.

    Raises:
        NobodyEnrolledError: nobody is enrolled.
    """
    counts = snapshot.photo_counts()
    if not counts:
        raise NobodyEnrolledError(f"Nobody is enrolled in {snapshot.location}", "enrol somebody", snapshot.location)
    return counts


def enrolled_rule(bundle: Bundle, photo_counts: Mapping[int, int]) -> Rule:
    """The rule for people enrolled among each other, who may be one: they are compared as they are.

    Each of them has a part in what all share, which a stranger has not.

    Args:
        bundle: the model.
        photo_counts: how many of the people compared with have k photos, by k.

    Raises:
        UncalibratedModelError: the model is not calibrated.
        ModelError: it is damaged.
    """
    curve = bundle.calibration.people if bundle.calibration else None
    threshold = threshold_for(bundle, curve, photo_counts, rate=DEFAULT_FPIR, distance=None)
    return Rule(bundle.comparison(), threshold)


def threshold_for(
    bundle: Bundle,
    curve: Curve | None,
    photo_counts: Mapping[int, int],
    *,
    rate: float,
    distance: float | None,
    is_centred: bool = False,
) -> Threshold:
    """The threshold that a rate asks for among people who are no more alike than most, or the distance that was given.

    Args:
        bundle: the model.
        curve: of its calibration.
        photo_counts: how many of the people compared with have k photos, by k.
        rate: FPIR, or FMR, in (0, 1).
        distance: an explicit threshold, in place of the one that follows from ``rate``.
        is_centred: whether what people share is taken away.

    Raises:
        UncalibratedModelError: there is neither a calibration nor a distance.
        ValueError: the rate or distance is no finite number.
    """
    if not math.isfinite(rate if distance is None else distance):
        raise ValueError("a rate or distance that is no finite number")
    people, searched = sum(photo_counts.values()), comparisons(photo_counts, is_centred=is_centred)
    if distance is not None:
        return Threshold(distance, people, searched, None, curve, distance)
    if curve is None:
        raise UncalibratedModelError(
            f"The model {bundle.name} is not calibrated, so it has no threshold of its own",
            "give one, or calibrate it",
            bundle.name,
        )
    average = _short(curve.threshold(fmr_for(rate, searched)))
    return Threshold(average, people, searched, rate, curve, average)


def _short(distance: float) -> float:
    return float(_SHORT.create_decimal_from_float(max(distance, 0.0)))
