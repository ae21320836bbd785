"""Target error rate and gallery size to threshold; distance to probability."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facerec_cli.errors import ModelError

DEFAULT_FPIR = 0.01
DEFAULT_FMR = 0.001
MIN_PAIRS = 50
"""Fewest impostor pairs that a rate is read off from."""


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
    def from_json(cls, data: dict[str, Any], model: str) -> Calibration:
        """Read the ``calibration`` field of the model.json of a model of this name.

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
            raise ModelError(
                f"The calibration of the model {model} is damaged ({error!r}): restore the model."
            ) from error
        numbers = np.array([*read.fmr, *read.distance, read.slope])
        ordered = np.diff(read.fmr) < 0
        if len(read.fmr) < 2 or len(read.fmr) != len(read.distance) or not np.isfinite(numbers).all():
            raise ModelError(f"The calibration of the model {model} is damaged (numbers are missing): restore it.")
        if not ordered.all() or not 0 < read.fmr[-1] < read.fmr[0] < 1:
            raise ModelError(f"The calibration of the model {model} is damaged (its rates do not fall): restore it.")
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
    impostor: list[npt.NDArray[np.float32]], genuine: npt.NDArray[np.float32], about: dict[str, Any]
) -> Calibration:
    """Measure a calibration at FMR 1e-1 … 1e-6.

    A rate is read off the distances where at least ``MIN_PAIRS`` pairs reach it. Rarer ones come from a parabola,
    distance against log10(FMR), through the two decades above: the closest pairs of a data set are largely its wrong
    labels, and must not decide.

    Args:
        impostor: draws of distances between different people, one photo a person in each, so that every pair of
            people weighs the same; float32 [pairs] each, of one length. A rate's distance is the median over the draws.
        genuine: distances between photos of one person, float32 [pairs].
        about: what to store with the numbers.
    """
    ordered = np.sort(np.stack(impostor), axis=1)

    def distance_at(rate: float) -> float:
        return float(np.median(ordered[:, int(rate * ordered.shape[1]) - 1]))

    rates = [10.0**-power for power in range(1, 7)]
    measured = [rate for rate in rates if rate * ordered.shape[1] >= MIN_PAIRS]
    # Four decades measured, so that the parabola reaches at most two further.
    if len(measured) < 4:
        raise ValueError(f"{ordered.shape[1]} impostor pairs are too few to calibrate on")
    logs = np.log10(measured[-1]) + np.arange(9) / 4
    parabola = np.polynomial.Polynomial.fit(logs, [distance_at(10**log) for log in logs], 2)
    distances = [distance_at(rate) if rate in measured else float(parabola(np.log10(rate))) for rate in rates]
    return Calibration(
        tuple(rates),
        tuple(float(distance) for distance in np.minimum.accumulate(distances)),
        _logistic_slope(np.concatenate(impostor), genuine),
        about | {"measured_down_to_fmr": measured[-1]},
    )


def _logistic_slope(impostor: npt.NDArray[np.float32], genuine: npt.NDArray[np.float32]) -> float:
    """The slope of the logistic regression of same/different on distance, both classes weighing the same.

    Newton's method on two parameters (Hastie et al., The Elements of Statistical Learning, 4.4.1).
    """
    step = max(1, len(impostor) // 1_000_000)
    x = np.concatenate([genuine, impostor[::step]]).astype(np.float64)
    y = np.concatenate([np.ones(len(genuine)), np.zeros(len(x) - len(genuine))])
    weight = np.where(y == 1, 0.5 / y.sum(), 0.5 / (1 - y).sum())
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
