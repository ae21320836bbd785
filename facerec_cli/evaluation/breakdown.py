"""Results by people's groups, so that anybody can see for whom it works worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.defaults import DEFAULT_FMR, DEFAULT_FPIR
from facerec_cli.encoders.calibration import Calibration
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric
from facerec_cli.evaluation.identification import Searches
from facerec_cli.evaluation.intervals import Estimate, Weights, bootstrap
from facerec_cli.evaluation.measuring import Decided, IdentificationProtocol, Protocol, Result
from facerec_cli.evaluation.pairs import MOST_PEOPLE, Pairs, Rows, draw_pairs
from facerec_cli.evaluation.verification import MIN_FALSE_MATCHES

_COMPUTED = 20_000_000
"""Distances that are computed at once: 80 MB."""

Places = npt.NDArray[np.int64]
"""Each person's group as its place among the groups; those in none are behind the last."""
Numbers = dict[tuple[int, str], float]
"""By the group's place, and what it is."""


class Breakdown:
    """How one column groups people, and what is measured by it."""

    def __init__(self, column: str, group_of: Mapping[str, str], chips: ChipSet, unseen: Sequence[str]) -> None:
        """Draw the people of whom pairs are made: of each group, and of those in none, as many as a protocol has.

        Args:
            column: what people are grouped by.
            group_of: people's groups.
            chips: the data set's.
            unseen: the people whom no model has seen.
        """
        self.column = column
        self._groups = sorted(set(group_of.values()))
        place = {group: number for number, group in enumerate(self._groups)}
        self._place_of = {person: place[group] for person, group in group_of.items()}
        self._chips = chips
        generator = np.random.default_rng(0)
        drawn: list[str] = []
        for number in range(len(self._groups) + 1):
            members = [name for name in unseen if self._place(name) == number]
            if len(members) > MOST_PEOPLE:
                members = sorted(generator.choice(members, MOST_PEOPLE, replace=False).tolist())
            drawn += members
        self._drawn = np.array([self._place(name) for name in drawn], np.int64)
        self._genuine, self._photo = draw_pairs([chips.rows_of[name] for name in drawn])

    def rows(self, protocol: Protocol) -> Rows:
        """The rows of the chip set that it needs beside a protocol's own."""
        if protocol.name != "pairs":
            return np.empty(0, np.int64)
        return np.concatenate([self._photo, self._genuine.first, self._genuine.second])

    def added(
        self,
        result: Result,
        protocol: Protocol,
        embeddings: Embeddings,
        metric: Metric,
        calibration: Calibration | None,
    ) -> Result:
        """A protocol's result with its numbers by group: of pairs, and of identification; others have none.

        For pairs, people of its own are drawn from each group; FMR is the share of impostor pairs that match within
        the group, and of those of its people with everybody. For identification the searches are the protocol's, in
        its gallery of everybody. The thresholds are those at which the calibration promises a rate.

        Args:
            result: the protocol's.
            protocol: what was measured.
            embeddings: float32 [photos, d], of photos as they are asked about.
            metric: the model's.
            calibration: the model's, if it has one.
        """
        is_grouped = protocol.name == "pairs" or isinstance(protocol, IdentificationProtocol)
        if is_grouped and calibration is None:
            told = "without a calibration nothing is told by group"
            return replace(result, model_notes=list(dict.fromkeys([*result.model_notes, told])))
        if protocol.name == "pairs" and calibration:
            threshold = calibration.photos.threshold(DEFAULT_FMR)
            matches = _matches(embeddings[self._photo], metric, threshold)
            missed = self._genuine.distances(embeddings, metric) > threshold
            numbers = _of_pairs(self._drawn, len(self._groups), self._genuine, missed, matches)
            sizes = self._sizes_of_pairs()
        elif isinstance(protocol, IdentificationProtocol) and result.decided:
            place = self._numbered(protocol)
            numbers = _of_searches(place, len(self._groups), result.decided)
            sizes = self._sizes_of_searches(place, result.decided.searches)
        else:
            return result
        by_group = result.by_group | {
            (self.column, group): {what: number for (of, what), number in numbers.items() if of == place}
            for place, group in enumerate(self._groups)
            if place in sizes
        }
        notes = [f"{self.column} {self._groups[place]}: {size}" for place, size in sizes.items()]
        return replace(result, by_group=by_group, notes=[*result.notes, *notes])

    def _place(self, person: str) -> int:
        return self._place_of.get(person, len(self._groups))

    def _numbered(self, protocol: IdentificationProtocol) -> Places:
        """The groups of people as a protocol numbers them, int64 [people]."""
        place, split = np.zeros(protocol.people, np.int64), protocol.split
        for rows, people in ((split.probes, split.probe_person), (split.strangers, split.stranger_person)):
            for row, person in zip(rows.tolist(), people.tolist(), strict=True):
                place[person] = self._place(self._chips.people[row])
        return place

    def _sizes_of_pairs(self) -> dict[int, str]:
        sizes = {}
        for place in range(len(self._groups)):
            people = int((self._drawn == place).sum())
            genuine = int((self._drawn[self._genuine.first_person] == place).sum())
            within = people * (people - 1) // 2
            few = ", too few for so rare a rate" if within * DEFAULT_FMR < MIN_FALSE_MATCHES else ""
            if people:
                told = f"people {people:,}, genuine pairs {genuine:,}, impostor pairs within the group {within:,}{few}"
                sizes[place] = told
        return sizes

    def _sizes_of_searches(self, place: Places, searches: Searches) -> dict[int, str]:
        sizes = {}
        for number in range(len(self._groups)):
            probes, strangers = place[searches.person] == number, place[searches.stranger_person] == number
            if probes.any() or strangers.any():
                enrolled = len(np.unique(searches.person[probes]))
                sizes[number] = f"enrolled {enrolled:,}, probes {probes.sum():,}, strangers {strangers.sum():,}"
        return sizes


def _matches(photos: Embeddings, metric: Metric, threshold: float) -> tuple[Rows, Rows]:
    """The pairs of photos that match: the places of one and the other, each pair once."""
    step = max(1, _COMPUTED // max(len(photos), 1))
    found = []
    for start in range(0, len(photos), step):
        one, other = np.nonzero(metric.matrix(photos[start : start + step], photos) <= threshold)
        found.append(np.stack([one + start, other])[:, one + start < other])
    one, other = np.concatenate([np.empty((2, 0), np.int64), *found], axis=1)
    return one, other


def _of_pairs(
    place: Places, groups: int, genuine: Pairs, missed: npt.NDArray[np.bool_], matches: tuple[Rows, Rows]
) -> dict[tuple[int, str], Estimate]:
    """FNMR of each group, and FMR within it and against everybody.

    Args:
        place: int64 [people].
        groups: how many there are.
        genuine: pairs.
        missed: bool [pairs], which of them do not match.
        matches: the impostor pairs that match, as places of people.
    """
    people = len(place)
    asked = np.bincount(genuine.first_person, minlength=people)
    failed = np.bincount(genuine.first_person, missed, people)
    one, other = matches
    within = place[one] == place[other]

    def numbers(weights: Weights | None) -> Numbers:
        weight = np.ones(people) if weights is None else weights

        def by_group(value: npt.NDArray[np.float64], of: Places = place) -> npt.NDArray[np.float64]:
            return np.bincount(of, value, groups + 1).astype(np.float64)

        # Pairs by the square of a sum, less those of one person drawn twice.
        total, squares = by_group(weight), by_group(weight**2)
        rest, rest_squares = total.sum() - total, squares.sum() - squares
        pairs_within = (total**2 - squares) / 2
        pairs_with = (total.sum() ** 2 - squares.sum() - rest**2 + rest_squares) / 2
        matched = weight[one] * weight[other]
        matched_within = by_group(matched[within], place[one[within]])
        matched_with = by_group(matched, place[one]) + by_group(matched, place[other]) - matched_within
        measures = {
            f"FNMR at the calibrated {DEFAULT_FMR:g}": (by_group(weight * failed), by_group(weight * asked)),
            f"FMR at the calibrated {DEFAULT_FMR:g}, within the group": (matched_within, pairs_within),
            f"FMR at the calibrated {DEFAULT_FMR:g}, against everybody": (matched_with, pairs_with),
        }
        return _shares(measures, groups)

    return bootstrap(numbers, people)


def _of_searches(place: Places, groups: int, decided: Decided) -> dict[tuple[int, str], Estimate]:
    """People found and strangers named of each group.

    Args:
        place: int64 [people], as the searches number them.
        groups: how many there are.
        decided: the searches.
    """
    searches, people = decided.searches, len(place)
    found = np.bincount(searches.person, searches.right & (searches.distance <= decided.threshold), people)
    probes = np.bincount(searches.person, minlength=people)
    named = np.bincount(searches.stranger_person, searches.stranger <= decided.threshold, people)
    strangers = np.bincount(searches.stranger_person, minlength=people)

    def numbers(weights: Weights | None) -> Numbers:
        weight = np.ones(people) if weights is None else weights
        counts = (found, probes, named, strangers)
        sums = [np.bincount(place, weight * count, groups + 1).astype(np.float64) for count in counts]
        measures = {
            f"people found at the calibrated FPIR {DEFAULT_FPIR:g}": (sums[0], sums[1]),
            f"strangers named at the calibrated FPIR {DEFAULT_FPIR:g}": (sums[2], sums[3]),
        }
        return _shares(measures, groups)

    return bootstrap(numbers, people)


def _shares(measures: Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]], groups: int) -> Numbers:
    """Part by whole of each group; NaN where the whole is nothing."""
    shares: Numbers = {}
    for what, (part, whole) in measures.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            share = part / whole
        shares |= {(place, what): float(share[place]) for place in range(groups)}
    return shares
