"""Confidence intervals by resampling people: photos and pairs of one person stand or fall together.

The bootstrap of Efron (1979) over people; a pair of two people carries the product of their weights (the pigeonhole
bootstrap of Owen, Annals of Applied Statistics 2007, which errs on the wide side).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

REPLICATES = 1_000
Weights = npt.NDArray[np.float64]
Name = TypeVar("Name")
"""What a number is."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A measured number and its bootstrap replicates, float64 [replicates]; NaN where the data cannot say."""

    value: float
    replicates: npt.NDArray[np.float64]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval: the 2.5th and 97.5th percentile of the replicates."""
        known = self.replicates[np.isfinite(self.replicates)]
        if not np.isfinite(self.value) or len(known) == 0:
            return float("nan"), float("nan")
        low, high = np.percentile(known, [2.5, 97.5])
        return float(low), float(high)

    def minus(self, other: Estimate) -> Estimate:
        """The difference to the same number of another model, replicate by replicate: a paired comparison.

        Both must have been estimated on the same people with the same seed.
        """
        return Estimate(self.value - other.value, self.replicates - other.replicates)


def bootstrap(
    measure: Callable[[Weights | None], dict[Name, float]], people: int, replicates: int = REPLICATES, seed: int = 0
) -> dict[Name, Estimate]:
    """Estimate numbers and their spread.

    Args:
        measure: the numbers by name, from a weight for each person, float64 [people] of whole numbers with the sum
            ``people``; None is every person once.
        people: how many people.
        replicates: how many times people are drawn, with replacement.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    drawn = [
        measure(np.bincount(generator.integers(people, size=people), minlength=people).astype(np.float64))
        for _ in range(replicates)
    ]
    return {
        name: Estimate(value, np.array([numbers[name] for numbers in drawn])) for name, value in measure(None).items()
    }
