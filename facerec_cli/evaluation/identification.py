"""1:N open set: who is found, and which strangers are named (ISO/IEC 19795-1).

FPIR: the share of strangers who are given a name. FNIR: the share of enrolled people's probes not given theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MIN_FALSE_POSITIVES = 3
"""A rate is reported where at least so many strangers would be named at it: the rule of 3 of ISO/IEC 19795-1."""


@dataclass(frozen=True, eq=False)
class Searches:
    """Probes searched in a gallery.

    Attributes:
        distance: float32 [probes], of enrolled people's probes to their nearest template.
        right: bool [probes], whether that template is the probe's own person.
        person: int [probes], whose probe it is.
        stranger: float32 [strangers], distance of people who are not enrolled to their nearest template.
        stranger_person: int [strangers], who the stranger is.
    """

    distance: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]
    person: npt.NDArray[np.int64]
    stranger: npt.NDArray[np.float32]
    stranger_person: npt.NDArray[np.int64]


def search(
    probe_distances: npt.NDArray[np.float32],
    own: npt.NDArray[np.int64],
    person: npt.NDArray[np.int64],
    stranger_distances: npt.NDArray[np.float32],
    stranger_person: npt.NDArray[np.int64],
) -> Searches:
    """The nearest template of each probe and each stranger.

    Args:
        probe_distances: float32 [probes, templates].
        own: int [probes], the template of each probe's own person.
        person: int [probes], whose probe it is, as the bootstrap numbers people.
        stranger_distances: float32 [strangers, templates].
        stranger_person: int [strangers].
    """
    nearest = probe_distances.argmin(axis=1)
    return Searches(
        probe_distances[np.arange(len(own)), nearest],
        nearest == own,
        person,
        stranger_distances.min(axis=1),
        stranger_person,
    )


def rank_1(searches: Searches, weights: npt.NDArray[np.float64] | None = None) -> float:
    """The share of probes whose nearest template is their own; weights are people's, float64 [people]."""
    return _share(searches.right, searches.person, weights)


def found_at_threshold(
    searches: Searches, threshold: float, weights: npt.NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """1 - FNIR and FPIR at a threshold."""
    found = _share(searches.right & (searches.distance <= threshold), searches.person, weights)
    return found, _share(searches.stranger <= threshold, searches.stranger_person, weights)


def found_at_fpir(searches: Searches, fpir: float, weights: npt.NDArray[np.float64] | None = None) -> float:
    """1 - FNIR at the largest threshold that names at most this share of the strangers.

    Returns:
        NaN where the strangers are too few to say.
    """
    order = np.argsort(searches.stranger, kind="stable")
    weight = np.ones(len(order)) if weights is None else weights[searches.stranger_person[order]]
    if fpir * len(searches.stranger) < MIN_FALSE_POSITIVES or weight.sum() == 0:
        return float("nan")
    share = np.cumsum(weight) / weight.sum()
    # The nearest stranger who may not be named; sums of weights are exact, their quotients are not.
    allowed = int(np.searchsorted(share, fpir * (1 + 1e-12), side="right"))
    bound = searches.stranger[order[allowed]] if allowed < len(order) else np.inf
    return _share(searches.right & (searches.distance < bound), searches.person, weights)


def _share(
    flags: npt.NDArray[np.bool_], person: npt.NDArray[np.int64], weights: npt.NDArray[np.float64] | None
) -> float:
    """The weighted share of flags that are set; NaN where nothing weighs anything."""
    weight = np.ones(len(flags)) if weights is None else weights[person]
    total = weight.sum()
    return float((flags * weight).sum() / total) if total > 0 else float("nan")
