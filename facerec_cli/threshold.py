"""How near is a match: the threshold that a rate asks for, by the calibration in force and the comparisons made."""

from __future__ import annotations

from dataclasses import dataclass

from facerec_cli.encoders.bundle import Bundle
from facerec_cli.errors import DatabaseError, ModelError
from facerec_cli.evaluation.calibration import DEFAULT_FPIR, Calibration, comparisons, fmr_for
from facerec_cli.gallery.base import Gallery


@dataclass(frozen=True)
class Threshold:
    """The largest distance that counts as a match, and where it comes from.

    Attributes:
        distance: the threshold itself.
        comparisons: how many comparisons a search counts as (sum of 1 + log2 k over people with k photos).
        rate: the FPIR of a search, or FMR of a verification, that it keeps; None where the user gave the distance.
        calibration: the one in force, the model's own or one to the people enrolled; None where there is neither.
    """

    distance: float
    comparisons: float
    rate: float | None
    calibration: Calibration | None

    def probability(self, distance: float) -> float | None:
        """The probability that two faces at this distance show one person; only a calibration tells."""
        return self.calibration.probability(distance, self.distance) if self.calibration else None


def threshold_in(
    gallery: Gallery, bundle: Bundle, *, fpir: float = DEFAULT_FPIR, distance: float | None = None
) -> Threshold:
    """The threshold for identifying in a gallery; needs no network.

    Args:
        gallery: whose people and photos are counted.
        bundle: the model.
        fpir: the share of strangers that may be named.
        distance: an explicit threshold, in place of the one that follows from ``fpir``.

    Raises:
        DatabaseError: nobody is enrolled.
        ModelError: the model is not calibrated, and no distance was given.
    """
    counts = gallery.photo_counts()
    if len(counts) == 0:
        raise DatabaseError(
            f"Nobody is enrolled in {gallery.location}: enrol somebody with "
            f"`facerec enroll -db {gallery.location} --name NAME PHOTO`."
        )
    return threshold_for(bundle, calibration_for(gallery, bundle), comparisons(counts), rate=fpir, distance=distance)


def threshold_for(
    bundle: Bundle, calibration: Calibration | None, searched: float, *, rate: float, distance: float | None
) -> Threshold:
    """The threshold that a rate asks for, or the distance that was given.

    Args:
        bundle: the model.
        calibration: the one in force.
        searched: number of comparisons, as ``comparisons`` counts them.
        rate: FPIR, or FMR, in (0, 1).
        distance: an explicit threshold, in place of the one that follows from ``rate``.

    Raises:
        ModelError: there is neither a calibration nor a distance.
    """
    if distance is not None:
        return Threshold(distance, searched, None, calibration)
    if calibration is None:
        raise ModelError(
            f"The model {bundle.name} is not calibrated, so it has no threshold of its own: give one with --threshold, "
            f"or calibrate it with `facerec models calibrate -m {bundle.name} --data FOLDER`."
        )
    return Threshold(calibration.threshold(fmr_for(rate, searched)), searched, rate, calibration)


def calibration_for(gallery: Gallery, bundle: Bundle) -> Calibration | None:
    """The calibration to the people enrolled in a gallery, if they were asked for one; otherwise the model's own.

    Raises:
        ModelError: it is damaged.
    """
    own = gallery.calibration(bundle.digest)
    if own is None:
        return calibration_of(bundle)
    return Calibration.from_json(own, f"the people in {gallery.location}")


def calibration_of(bundle: Bundle) -> Calibration | None:
    """A model's own calibration, if it has one.

    Raises:
        ModelError: it is damaged.
    """
    if not bundle.calibration:
        return None
    return Calibration.from_json(bundle.calibration, f"the model {bundle.name}")
