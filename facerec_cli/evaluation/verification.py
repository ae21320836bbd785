"""1:1: how often two photos are rightly called same or different (ISO/IEC 19795-1).

A match is distance <= threshold. FMR (also FAR): the share of impostor pairs that match; FNMR: the share of genuine
pairs that do not; 1 - FNMR is also called TAR. Every function takes a weight for each pair, by default one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Distances = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]
PairWeights = npt.NDArray[np.float64] | None

MIN_FALSE_MATCHES = 3
"""A rate is reported where at least so many impostors would match at it: the rule of 3 of ISO/IEC 19795-1."""


@dataclass(frozen=True)
class Accuracy:
    """Accuracy over folds, as fractions: mean, and its standard error over the folds."""

    mean: float
    standard_error: float


@dataclass(frozen=True, eq=False)
class Roc:
    """The receiver operating characteristic: a point for each distinct distance, and a first one that nobody reaches.

    Attributes:
        threshold: float64 [points], ascending; the first is -inf.
        fmr: float64 [points], NaN without impostor pairs.
        tmr: float64 [points], 1 - FNMR, NaN without genuine pairs.
    """

    threshold: npt.NDArray[np.float64]
    fmr: npt.NDArray[np.float64]
    tmr: npt.NDArray[np.float64]


def roc(distances: Distances, same: Flags, weights: PairWeights = None) -> Roc:
    """The error rates at every threshold.

    Args:
        distances: float [pairs].
        same: bool [pairs], whether a pair shows one person.
        weights: float64 [pairs].

    Raises:
        ValueError: a distance is NaN.
    """
    order = _ascending(distances)
    ordered = np.asarray(distances, np.float64)[order]
    weight = np.ones(len(order)) if weights is None else weights[order]
    genuine = np.cumsum(np.where(same[order], weight, 0.0))
    impostor = np.cumsum(np.where(same[order], 0.0, weight))
    last = np.flatnonzero(np.append(ordered[1:] > ordered[:-1], True)) if len(order) else np.empty(0, np.intp)
    with np.errstate(invalid="ignore", divide="ignore"):
        tmr = np.append(0.0, genuine[last]) / (genuine[-1] if len(order) else np.nan)
        fmr = np.append(0.0, impostor[last]) / (impostor[-1] if len(order) else np.nan)
    return Roc(np.append(-np.inf, ordered[last]), fmr, tmr)


def area_under(curve: Roc) -> float:
    """The area under the ROC: the probability that a genuine pair is closer than an impostor pair, ties half."""
    if not np.isfinite(curve.fmr[-1] + curve.tmr[-1]):
        return float("nan")
    return float(np.sum(np.diff(curve.fmr) * (curve.tmr[1:] + curve.tmr[:-1]) / 2))


def equal_error_rate(curve: Roc) -> float:
    """The rate at which FMR and FNMR are equal, linear between the curve's points."""
    gap = curve.fmr - (1 - curve.tmr)
    if not np.isfinite(gap).all():
        return float("nan")
    after = int(np.argmax(gap >= 0))
    before = after - 1
    share = gap[before] / (gap[before] - gap[after])
    return float(curve.fmr[before] + share * (curve.fmr[after] - curve.fmr[before]))


def tmr_at(curve: Roc, fmr: float, impostors: int) -> float:
    """1 - FNMR at the largest threshold whose FMR is at most this one.

    Args:
        curve: from ``roc``.
        fmr: the false match rate.
        impostors: how many impostor pairs the curve comes from.

    Returns:
        NaN where the impostors are too few to say.
    """
    if fmr * impostors < MIN_FALSE_MATCHES or not np.isfinite(curve.fmr[-1]):
        return float("nan")
    # Sums of weights are exact, their quotients are not.
    return float(curve.tmr[np.flatnonzero(curve.fmr <= fmr * (1 + 1e-12))[-1]])


def accuracy_at(distances: Distances, same: Flags, threshold: float, weights: PairWeights = None) -> float:
    """The share of pairs rightly judged by a threshold; NaN without any."""
    right = (np.asarray(distances, np.float64) <= threshold) == same
    total = float(len(right)) if weights is None else float(weights.sum())
    return float((right if weights is None else right * weights).sum() / total) if total else float("nan")


def over_folds(accuracies: Sequence[float]) -> Accuracy:
    """The mean of the folds' accuracies and its standard error (sample standard deviation / sqrt(folds))."""
    return Accuracy(float(np.mean(accuracies)), float(np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))))


def k_fold_accuracy(
    distances: Distances, same: Flags, folds: npt.NDArray[np.intp], weights: PairWeights = None
) -> Accuracy:
    """LFW View 2: each fold's threshold is the best one on all other folds (Huang et al. 2007, section III).

    Args:
        distances: float32 [pairs].
        same: bool [pairs], whether a pair shows one person.
        folds: int [pairs], the fold of each pair.
        weights: float64 [pairs].

    Returns:
        Mean accuracy over the folds and its standard error.
    """
    numbers = np.unique(folds)
    order = _ascending(distances)
    distances, same, folds = distances[order], same[order], folds[order]
    weights = None if weights is None else weights[order]
    accuracies = []
    for number in numbers:
        out = folds == number
        threshold = best_threshold(distances[~out], same[~out], None if weights is None else weights[~out])
        accuracies.append(accuracy_at(distances[out], same[out], threshold, None if weights is None else weights[out]))
    return over_folds(accuracies)


def best_threshold(distances: Distances, same: Flags, weights: PairWeights = None) -> float:
    """The threshold with the highest accuracy of "distance <= threshold is the same person".

    Args:
        distances: float32 [pairs].
        same: bool [pairs].
        weights: float64 [pairs].

    Returns:
        Half-way between two neighbouring distances; the middle one where several thresholds tie.
    """
    order = _ascending(distances)
    # A threshold between two neighbours of float32 is none of float32.
    ordered, truth = distances[order].astype(np.float64), same[order]
    weight = np.ones(len(order)) if weights is None else weights[order]
    # right[i]: weight of the pairs judged rightly when the first i are called the same person
    right = np.concatenate([[0.0], np.cumsum(np.where(truth, weight, -weight))]) + weight[~truth].sum()
    cuts = np.concatenate([[ordered[0] - 1], (ordered[1:] + ordered[:-1]) / 2, [ordered[-1] + 1]])
    usable = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    best = np.flatnonzero(usable & (right >= right[usable].max() - 1e-9))
    return float(cuts[best[len(best) // 2]])


def _ascending(distances: Distances) -> npt.NDArray[np.intp]:
    """The order of ascending distances; stable, and quick where they are ascending already."""
    if np.isnan(distances).any():
        raise ValueError("a distance is not a number")
    return np.argsort(distances, kind="stable")
