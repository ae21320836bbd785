"""1:1: how often two photos are rightly called same or different."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Accuracy:
    """Accuracy over folds, as fractions: mean, and its standard error over the folds."""

    mean: float
    standard_error: float


def k_fold_accuracy(
    distances: npt.NDArray[np.floating[Any]], same: npt.NDArray[np.bool_], folds: npt.NDArray[np.intp]
) -> Accuracy:
    """LFW View 2: each fold's threshold is the best one on all other folds (Huang et al. 2007, section III).

    Args:
        distances: float32 [pairs].
        same: bool [pairs], whether a pair shows one person.
        folds: int [pairs], the fold of each pair.

    Returns:
        Mean accuracy over the folds and its standard error (sample standard deviation / sqrt(folds)).
    """
    numbers = np.unique(folds)
    distances = distances.astype(np.float64)  # a threshold between two neighbours of float32 is none of float32
    accuracies = []
    for number in numbers:
        held_out = folds == number
        threshold = best_threshold(distances[~held_out], same[~held_out])
        accuracies.append(np.mean((distances[held_out] <= threshold) == same[held_out]))
    return Accuracy(float(np.mean(accuracies)), float(np.std(accuracies, ddof=1) / np.sqrt(len(numbers))))


def best_threshold(distances: npt.NDArray[np.floating[Any]], same: npt.NDArray[np.bool_]) -> float:
    """The threshold with the highest accuracy of "distance <= threshold is the same person".

    Args:
        distances: float32 [pairs].
        same: bool [pairs].

    Returns:
        Half-way between two neighbouring distances; the middle one where several thresholds tie.
    """
    order = np.argsort(distances, kind="stable")
    ordered, truth = distances[order].astype(np.float64), same[order]
    # right[i]: pairs judged rightly when the first i are called the same person
    right = np.concatenate([[0], np.cumsum(np.where(truth, 1, -1))]) + np.count_nonzero(~truth)
    cuts = np.concatenate([[ordered[0] - 1], (ordered[1:] + ordered[:-1]) / 2, [ordered[-1] + 1]])
    usable = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    best = np.flatnonzero(usable & (right == right[usable].max()))
    return float(cuts[best[len(best) // 2]])
