"""1:N open set: who is found, and which strangers are named (ISO/IEC 19795-1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class OpenSet:
    """Open-set identification, as fractions.

    Attributes:
        rank1: probes of enrolled people whose nearest template is their own.
        found: for each FPIR, 1 - FNIR: probes of enrolled people whose nearest template is their own and within
            the threshold at which that share of the strangers is named.
    """

    rank1: float
    found: dict[float, float]


def open_set(
    distance: npt.NDArray[np.float32],
    right: npt.NDArray[np.bool_],
    stranger: npt.NDArray[np.float32],
    rates: tuple[float, ...] = (0.1, 0.01, 0.001),
) -> OpenSet:
    """Measure open-set identification from each probe's nearest template.

    Args:
        distance: float32 [probes], of enrolled people's probes to their nearest template.
        right: bool [probes], whether that template is the probe's own person.
        stranger: float32 [strangers], distance of people who are not enrolled to their nearest template.
        rates: the FPIRs to report.
    """
    ordered = np.sort(stranger)
    found = {}
    for rate in rates:
        # The largest threshold at which no more than this share of the strangers is named.
        allowed = int(rate * len(ordered))
        found[rate] = float(np.mean(right & (distance < ordered[allowed])))
    return OpenSet(float(np.mean(right)), found)
