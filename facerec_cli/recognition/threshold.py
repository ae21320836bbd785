"""How near is a match: the threshold that a rate asks for, by the calibration in force and the comparisons made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context

from facerec_cli.defaults import DEFAULT_FPIR
from facerec_cli.encoders.bundle import Bundle
from facerec_cli.encoders.calibration import Calibration, comparisons, fmr_for
from facerec_cli.errors import NobodyEnrolledError, UncalibratedModelError
from facerec_cli.gallery.base import Snapshot

_SHORT = Context(prec=4, rounding=ROUND_FLOOR)
"""A threshold has four digits, so that results can name the very number that decided; down, for no more strangers."""


@dataclass(frozen=True)
class Threshold:
    """The largest distance that counts as a match, and where it comes from.

    Attributes:
        distance: the threshold itself.
        people: how many a search compares with.
        comparisons: how many comparisons that counts as (sum of 1 + log2 k over people with k photos).
        rate: the FPIR of a search, or FMR of a verification, that it keeps; None where the user gave the distance.
        calibration: the one in force, the model's own or one to the people enrolled; None where there is neither.
    """

    distance: float
    people: int
    comparisons: float
    rate: float | None
    calibration: Calibration | None

    def is_match(self, distance: float) -> bool:
        """Whether two faces at this distance are called one person."""
        return distance <= self.distance

    def probability(self, distance: float) -> float | None:
        """The probability that two faces at this distance show one person; only a calibration tells."""
        return self.calibration.probability(distance, self.distance) if self.calibration else None


def threshold_in(
    snapshot: Snapshot, bundle: Bundle, *, fpir: float = DEFAULT_FPIR, distance: float | None = None
) -> Threshold:
    """The threshold for identifying in a gallery; needs no network.

    Args:
        snapshot: whose people and photos are counted.
        bundle: the model.
        fpir: the share of strangers that may be named.
        distance: an explicit threshold, in place of the one that follows from ``fpir``.

    Raises:
        NobodyEnrolledError: nobody is enrolled.
        UncalibratedModelError: there is neither a calibration nor a distance.
    """
    counts = snapshot.photo_counts()
    if not counts:
        raise NobodyEnrolledError(f"Nobody is enrolled in {snapshot.location}", "enrol somebody", snapshot.location)
    return threshold_for(bundle, calibration_in(snapshot, bundle), counts, rate=fpir, distance=distance)


def threshold_for(
    bundle: Bundle,
    calibration: Calibration | None,
    photo_counts: Mapping[int, int],
    *,
    rate: float,
    distance: float | None,
) -> Threshold:
    """The threshold that a rate asks for, or the distance that was given.

    Args:
        bundle: the model.
        calibration: the one in force.
        photo_counts: how many of the people compared with have k photos, by k.
        rate: FPIR, or FMR, in (0, 1).
        distance: an explicit threshold, in place of the one that follows from ``rate``.

    Raises:
        UncalibratedModelError: there is neither a calibration nor a distance.
        ValueError: the rate or distance is no finite number.
    """
    if not math.isfinite(rate if distance is None else distance):
        raise ValueError("a rate or distance that is no finite number")
    people, searched = sum(photo_counts.values()), comparisons(photo_counts)
    if distance is not None:
        return Threshold(distance, people, searched, None, calibration)
    if calibration is None:
        raise UncalibratedModelError(
            f"The model {bundle.name} is not calibrated, so it has no threshold of its own",
            "give one, or calibrate it",
            bundle.name,
        )
    exact = calibration.threshold(fmr_for(rate, searched))
    return Threshold(float(_SHORT.create_decimal_from_float(exact)), people, searched, rate, calibration)


def calibration_in(snapshot: Snapshot, bundle: Bundle) -> Calibration | None:
    """The calibration to the people enrolled in a gallery, if they were asked for one; otherwise the model's own.

    Raises:
        DamagedCalibrationError, ModelError: it is damaged.
    """
    return snapshot.calibration(bundle.digest) or bundle.calibration
